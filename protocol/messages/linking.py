"""What an operator and its daemon say about links: whom pieces come from, and whom they go to."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from protocol.fields import Count
from protocol.messages.base import Reply, Request

_Id = Annotated[str, Meta(max_length=64)]
SourceState = Literal["sends", "idle", "late", "limited"]


class GetSources(Request, frozen=True, kw_only=True, tag=True):
    """Ask whom one download asks for pieces; `transfer` is its id in the status."""

    transfer: _Id


class SourceView(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A machine that a download asks for pieces. Bytes, and bytes a second.

    `near`: over the same network. `pieces`: how many of the content's it has; `asked` of it now;
    `late`: given to others meanwhile. `received` bytes of this content came from it since the
    download began. `answers`: the least seconds from asking to the first byte; None: not yet known.
    `state`: "idle" owes nothing; "late" owes for longer than its history lets expect; "limited":
    what it sends waits for the limits of this machine.
    """

    peer: _Id
    name: str
    address: str
    near: bool
    state: SourceState
    rate: Count
    pieces: Count
    asked: Count
    late: Count
    received: Count
    connections: Count
    answers: float | None


class Sources(Reply, frozen=True, kw_only=True, tag=True):
    """Those of one download, which has `pieces` in all; the fastest first."""

    transfer: _Id
    pieces: Count
    sources: tuple[SourceView, ...]


class GetLinks(Request, frozen=True, kw_only=True, tag=True):
    """Ask which machines are linked, and what goes to them."""


class LinkView(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A machine that is linked. `received` and `sent`: bytes of pieces since the start;
    `rate`: bytes a second that are sent now.

    `asks`: pieces it has asked for that have not been begun; `fetches`: the names of a few entries
    whose pieces it follows, as who fetches them does, of `fetching` in all.
    """

    peer: _Id
    name: str
    address: str
    near: bool
    connections: Count
    received: Count
    sent: Count
    rate: Count
    asks: Count
    fetches: tuple[str, ...]
    fetching: Count


class LinkedMachines(Reply, frozen=True, kw_only=True, tag=True):
    """All of them, by name."""

    links: tuple[LinkView, ...]
