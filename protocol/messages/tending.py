"""How a tracker is tended: what its operator asks of it, and when peers should come back to it."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from protocol.fields import Addresses, Count, Label, Moment, Text
from protocol.messages.base import Message, Reply, Request

AUDIT_PAGE = 100
"""Most lines in one answer, so that it fits a control message."""
AuditAct = Literal["joined", "revoked", "state", "admin", "deleted", "decided"]
_SHORT = Meta(max_length=255)


class ComeBack(Message, frozen=True, kw_only=True, tag=True):
    """Pushed by the tracker before it ends a connection that is no longer wanted just now.

    Connect again after `after` milliseconds and up to `spread` more, by chance. It is no fault.
    """

    after: Count
    spread: Count
    why: Label


class GetTrackerStatus(Request, frozen=True, kw_only=True, tag=True):
    """Operator: ask how the running tracker does."""


class RequestRate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Requests of one kind: since the start, those of them not done, and in the last minute."""

    request: Label
    total: Count
    failed: Count
    minute: Count


class TrackerStatus(Reply, frozen=True, kw_only=True, tag=True):
    """`uptime` is in milliseconds, `database` in bytes; `metrics` is "" when there are none."""

    version: Annotated[str, _SHORT]
    swarm: Annotated[str, _SHORT]
    uptime: Count
    roster: Count
    addresses: Addresses
    metrics: Annotated[str, Meta(max_length=280)]
    live: Count
    suspect: Count
    gone: Count
    connections: Count
    entries: Count
    manifests: Count
    holdings: Count
    database: Count
    turned_away: Count
    limited: Count
    requests: Annotated[tuple[RequestRate, ...], Meta(max_length=64)]


class AuditLine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`who` did `act` to `what` at `moment`; `host` is the address it came from, if from one."""

    moment: Moment
    act: AuditAct
    who: Annotated[str, _SHORT]
    host: Annotated[str, _SHORT]
    what: Annotated[str, _SHORT]
    note: Text


class GetAudit(Request, frozen=True, kw_only=True, tag=True):
    """Operator: ask what was done since a moment, oldest first; `cursor` is as in Search."""

    since: Moment
    cursor: Annotated[bytes, Meta(max_length=64)] = b""


class AuditLog(Reply, frozen=True, kw_only=True, tag=True):
    """A page of the audit log; `cursor` is b"" on the last one."""

    lines: Annotated[tuple[AuditLine, ...], Meta(max_length=AUDIT_PAGE)]
    cursor: Annotated[bytes, Meta(max_length=64)] = b""
