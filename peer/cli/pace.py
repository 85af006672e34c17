"""How fast something goes and how long it will take, from how far it is. Pure: takes `now`."""

import math
from collections import deque

WINDOW = 10.0
"""Seconds the rate is taken over: pieces are recorded many at a time."""
SHORTEST = 1.0
"""Seconds before there is a rate: what was done in less says nothing."""


class Pace:
    """Note how far it is now and then; ask for the rate and the time left any time."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._total = 0

    def note(self, done: int, total: int, now: float) -> None:
        """So much is done. What was done before the first note does not count as fast."""
        if total != self._total or (self._seen and done < self._seen[-1][1]):
            self._seen.clear()
        self._total = total
        self._seen.append((now, done))
        while len(self._seen) > 1 and now - self._seen[1][0] >= WINDOW:
            self._seen.popleft()

    @property
    def rate(self) -> float | None:
        """A second, over the last few; None while it cannot be said."""
        if not self._seen:
            return None
        (began, before), (now, done) = self._seen[0], self._seen[-1]
        if now - began < SHORTEST:
            return None
        return (done - before) / (now - began)

    @property
    def left(self) -> int | None:
        """Seconds until all is done, None while that cannot be said."""
        if not self._seen or not self.rate:
            return None
        return max(0, math.ceil((self._total - self._seen[-1][1]) / self.rate))
