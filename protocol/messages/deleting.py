"""What is said about deletions that can be undone, in all three conversations."""

from typing import Annotated

from msgspec import Meta, Struct

from protocol.fields import Count
from protocol.messages.base import Message, Reply, Request
from protocol.messages.operating import EntryText, Hex
from protocol.signing import Signed

HELD_IN_ANSWER = 100
TargetName = Annotated[str, Meta(min_length=1, max_length=255)]


# Between machines


class RecordPassedOn(Message, frozen=True, kw_only=True, tag=True):
    """Peer to peer: a tombstone that is new, or an entry that is there again."""

    record: Signed


class ApprovalPassedOn(Message, frozen=True, kw_only=True, tag=True):
    """Peer to peer and tracker to peer: somebody has decided about deletions that were held."""

    approval: Signed


class PublishApproval(Request, frozen=True, kw_only=True, tag=True):
    """Peer to tracker: the same. Done, or Failed when its signer may not decide."""

    approval: Signed


class GetHeld(Request, frozen=True, kw_only=True, tag=True):
    """Ask the tracker for the tombstones it holds, of entries with an id after this one."""

    after: Annotated[bytes, Meta(max_length=16)] = b""


class Held(Reply, frozen=True, kw_only=True, tag=True):
    """A page of held tombstones, by entry id; the last one when there are none."""

    records: Annotated[tuple[Signed, ...], Meta(max_length=HELD_IN_ANSWER)]


# Operators


class Removed(Reply, frozen=True, kw_only=True, tag=True):
    """The tombstone is signed; `held` when it waits for somebody's approval."""

    held: bool


class GetTrash(Request, frozen=True, kw_only=True, tag=True):
    """Ask what this machine keeps of deleted entries, from number `start` on."""

    start: Count = 0


class TrashView(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A deleted entry. Moments are milliseconds since 1970; `path` is "" for the store's own copy.

    A file shared in place is only listed, and stays when the trash is emptied.
    """

    id: Hex
    name: str
    size: Count
    deleted: Count
    by: str
    until: Count
    path: str


class TrashListed(Reply, frozen=True, kw_only=True, tag=True):
    """A page of the trash, newest first; `total` in all."""

    entries: tuple[TrashView, ...]
    total: Count


class Restore(Request, frozen=True, kw_only=True, tag=True):
    """Bring back a deleted entry, as its author or as an admin."""

    entry: EntryText


class Restored(Reply, frozen=True, kw_only=True, tag=True):
    """It is there again; `published` is False while the tracker is away.

    `here` is how many of its pieces came back from this machine's trash.
    """

    id: Hex
    name: str
    here: Count
    published: bool


class Purge(Request, frozen=True, kw_only=True, tag=True):
    """Empty this machine's trash now: of one deleted entry, or (None) of all."""

    entry: EntryText | None


class Purged(Reply, frozen=True, kw_only=True, tag=True):
    """How many contents went, and how many bytes they took."""

    contents: Count
    bytes: Count


class GetBursts(Request, frozen=True, kw_only=True, tag=True):
    """Ask whose deletions are held; a daemon asks the tracker too."""


class BurstView(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Held deletions of one signer: how many, since when, and the names of a few."""

    id: Hex
    name: str
    entries: Count
    since: Count
    examples: tuple[str, ...]


class Bursts(Reply, frozen=True, kw_only=True, tag=True):
    """By name of the signer."""

    bursts: tuple[BurstView, ...]


class DecideBurst(Request, frozen=True, kw_only=True, tag=True):
    """Let the held deletions of a member, by name or id, come to effect, or drop them for good."""

    target: TargetName
    approve: bool


class BurstDecided(Reply, frozen=True, kw_only=True, tag=True):
    """How many deletions that was about; `published` is False while the tracker is away."""

    name: str
    entries: Count
    published: bool


class SetAdmin(Request, frozen=True, kw_only=True, tag=True):
    """Tracker's operator: a member, by name or id, is an admin or is none any more."""

    target: TargetName
    admin: bool
