"""What an operator and its daemon say to each other about the scrub and the disks."""

from msgspec import Struct

from protocol.fields import Count, Moment
from protocol.messages.base import Request


class ScrubView(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the scrub is. `days`: everything is read once in so many; 0 for off.

    `completed` is when everything had last been read, in milliseconds since 1970, 0 for never. The
    others are since the daemon's start: bytes read, pieces found bad, and fetched again of those.
    """

    days: float
    completed: Moment
    bytes: Count
    bad: Count
    healed: Count


class DiskView(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A disk that gave several errors in 30 days, by a path that lies on it."""

    path: str
    errors: Count


class Scrub(Request, frozen=True, kw_only=True, tag=True):
    """Begin now to read everything held, as fast as a scrub may. Done: it has begun."""
