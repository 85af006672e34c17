"""What an operator and its daemon say to each other about reading what is held, at once."""

from protocol.fields import Count
from protocol.messages.base import Reply, Request
from protocol.messages.operating import EntryText


class Verify(Request, frozen=True, kw_only=True, tag=True):
    """Read and hash every piece held, of one entry or (None) of all."""

    entry: EntryText | None


class Verified(Reply, frozen=True, kw_only=True, tag=True):
    """How many pieces were read, how many were bad (and no longer count)."""

    pieces: Count
    bad: Count
    bytes: Count
    seconds: float
