"""How well everything is kept: asked of the tracker by peers, and of a daemon by its operators."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from protocol.fields import Count, PeerIdField
from protocol.messages.base import Reply, Request
from protocol.messages.shared import PeerState

MOST_RETURNS = 20
MOST_EVENTS = 50
Safety = Literal["safe", "short", "repairing", "away", "lost"]
"""Of one entry: as many live copies as wanted; fewer; fewer, and another is on its way; none, but
machines that are away have all pieces; a piece that no member is known to have."""
EventKind = Literal[
    "left",
    "out",
    "back",
    "repaired",
    "dropped",
    "rot",
    "healed",
    "disk",
    "full",
    "short",
    "lost",
    "safe",
]


class GetHealth(Request, frozen=True, kw_only=True, tag=True):
    """Ask how many entries are safe: SwarmHealth from a tracker, Health from a daemon."""


class EntryCounts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many entries are of each class; `repairing` of them are among the short ones.

    All four others together are all entries.
    """

    safe: Count = 0
    short: Count = 0
    repairing: Count = 0
    away: Count = 0
    lost: Count = 0


class Return(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What it would do if a machine that is away came back, to how many entries.

    `safe` would have all copies again, `found` at least one, and have none now.
    """

    peer: PeerIdField
    safe: Count
    found: Count


class SwarmHealth(Reply, frozen=True, kw_only=True, tag=True):
    """Of all entries; `missing` is bytes still to be copied of the short ones, once for each copy.

    `returns` are the machines that are away and matter, those that matter most first.
    """

    entries: EntryCounts
    missing: Count
    returns: Annotated[tuple[Return, ...], Meta(max_length=MOST_RETURNS)]


class ReturnView(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same for a person; `out` is in how many seconds its pieces are made elsewhere.

    None: that has begun.
    """

    name: str
    state: PeerState
    safe: Count
    found: Count
    out: Count | None


class EventView(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that happened to copies, as this machine saw it; `when` in ms since 1970."""

    when: Count
    kind: EventKind
    text: str


class Health(Reply, frozen=True, kw_only=True, tag=True):
    """How all entries are; `local` when the tracker could not be asked: then those held here.

    `rate` is bytes a second at which this machine now makes copies, `fetching` of how many entries.
    `left` is seconds that `missing` takes at this rate; None when nothing moves here.
    """

    entries: EntryCounts
    missing: Count
    fetching: Count
    rate: Count
    left: Count | None
    returns: Annotated[tuple[ReturnView, ...], Meta(max_length=MOST_RETURNS)]
    events: Annotated[tuple[EventView, ...], Meta(max_length=MOST_EVENTS)]
    """The newest first."""
    local: bool
