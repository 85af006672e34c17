"""What an operator says of this machine as a member: the room it offers, what it keeps, leaving."""

from typing import Literal

from protocol.fields import Count
from protocol.messages.base import Reply, Request

Standing = Literal["active", "draining", "leaving"]


class OfferRoom(Request, frozen=True, kw_only=True, tag=True):
    """Offer so many bytes for the group's pieces from now on; 0 for none."""

    capacity: Count


class RoomOffered(Reply, frozen=True, kw_only=True, tag=True):
    """Kept here. `told` is False while the tracker is away: others hear of it when it is back."""

    told: bool


class Drain(Request, frozen=True, kw_only=True, tag=True):
    """Take nothing new (`on`), or take again. Done, or Failed while the tracker is away."""

    on: bool


class Leave(Request, frozen=True, kw_only=True, tag=True):
    """Leave the swarm when everything here is held elsewhere; Progress tells how far that is.

    `force` does not wait. `keep` leaves what is stored on the disk. `cancel` stays after all: Done.
    """

    force: bool = False
    keep: bool = False
    cancel: bool = False


class Drop(Request, frozen=True, kw_only=True, tag=True):
    """Give up this machine's copy of an entry once others hold it; Progress tells how far that is.

    It goes on when nobody waits, also after a restart. `cancel` ends that: Done. Without `wait` the
    answer comes soon: Done when others do not hold it yet.
    """

    entry: str
    cancel: bool = False
    wait: bool = True


class Dropped(Reply, frozen=True, kw_only=True, tag=True):
    """Nothing of it is here any more; `size` bytes were. At `path` a user's files stay."""

    id: str
    name: str
    size: Count
    path: str | None


class Left(Reply, frozen=True, kw_only=True, tag=True):
    """This machine is no member any more, and its daemon stops.

    `entries` were here; `fewer` of them have fewer copies elsewhere than wanted; `lost` none.
    """

    entries: Count
    fewer: Count
    lost: Count
