"""The parts that give copies up, made for `peer.parts` of what is there already."""

from typing import TYPE_CHECKING

from peer.operator.giving_up import GivingUp
from peer.swarm.dropping import Dropping
from peer.swarm.eviction import Eviction

if TYPE_CHECKING:
    from peer.parts import Parts


def make_dropping(parts: "Parts") -> Dropping:
    """What drops copies under the lock."""
    return Dropping(
        parts.me,
        parts.store,
        parts.catalogue,
        parts.rosters,
        parts.presence,
        parts.locking,
        parts.downloads,
        parts.promises,
        parts.handing_on,
        parts.replication,
    )


def make_eviction(parts: "Parts") -> Eviction:
    """What finds the copies for which there is no room."""
    return Eviction(
        parts.me,
        parts.contents,
        parts.catalogue,
        parts.rosters,
        parts.presence,
        parts.room,
        parts.replication.offering,
        parts.handing_on,
        parts.events,
        lambda: parts.wall(),
    )


def make_giving_up(parts: "Parts") -> GivingUp:
    """What answers `twofold drop`."""
    return GivingUp(
        parts.contents,
        parts.store,
        parts.lookup,
        parts.handing_on,
        parts.replication.offering,
        parts.dropping,
        parts.letting_go,
        parts.downloads,
        parts.rosters,
        parts.presence,
    )
