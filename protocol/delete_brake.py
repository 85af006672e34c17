"""When the deletions of one signer are a burst that a person must confirm.

The tracker and every peer go by this rule, each with its own clock and what it has seen itself.
"""

from collections.abc import Collection

WINDOW = 600_000
"""Milliseconds over which deletions are counted."""
MOST = 100
"""Entries that one signer may delete within the window, however large the swarm is."""
FEW = 9
"""Entries that one signer may delete within the window, however small the swarm is."""
SHARE = 5
"""One entry of so many may be deleted within the window, between `FEW` and `MOST`."""


def allowance(entries: int) -> int:
    """How many of `entries` one signer may delete within the window."""
    return max(FEW, min(MOST, entries // SHARE))


def recent(deletions: Collection[int], now: int) -> int:
    """How many of one signer's deletions, by when they came to effect here, count at `now`.

    All in milliseconds. One that lies ahead, as the clock was set back, counts.
    """
    return sum(moment > now - WINDOW for moment in deletions)


def is_burst(deletions: Collection[int], entries: int, now: int, *, held: bool) -> bool:
    """Whether one more deletion by a signer has to be held.

    `deletions` are the moments of those before it, `entries` is how many are still there. While any
    of the signer's deletions is `held`, so is all that follows: waiting does not help.
    """
    before = recent(deletions, now)
    return held or before >= allowance(entries + before)
