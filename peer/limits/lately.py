"""Bytes by peer over the last few seconds, the older the lighter. Pure: takes `now` in seconds."""

import math

from protocol.ids import PeerId

FADES_IN = 2.0
"""Seconds after which bytes count for 1/e of what they did."""


class Lately:
    """Add bytes as they are allowed; ask who has had how many."""

    def __init__(self) -> None:
        self._counts: dict[PeerId, tuple[float, float]] = {}

    def add(self, peer: PeerId, size: int, now: float) -> None:
        """Note `size` bytes of a peer."""
        self._counts[peer] = (self.of(peer, now) + size, now)

    def of(self, peer: PeerId, now: float) -> float:
        """What a peer has had, in bytes that fade."""
        count, when = self._counts.get(peer, (0.0, now))
        return count * math.exp((when - now) / FADES_IN)
