"""How fast something goes and how long it will take, from how far it is. Pure: takes `now`."""

import math
from collections import deque

WINDOW = 10.0
"""Seconds the rate is taken over, if enough steps were made in them."""
STEPS = 8
"""Steps the rate is taken over at least: on a slow line a piece may take longer than the window."""
SHORTEST = 1.0
"""Seconds before there is a rate: what was done in less says nothing."""
STANDSTILL = 3.0
"""Usual times between two steps after which, outside the window, nothing moves any more."""


class Pace:
    """Note how far it is now and then; ask for the rate and the time left any time."""

    def __init__(self) -> None:
        self._steps: deque[tuple[float, int]] = deque()
        """When it was found further than before, and how far."""
        self._now = 0.0
        self._total = 0

    def note(self, done: int, total: int, now: float) -> None:
        """So much is done. What was done before the first note does not count as fast."""
        steps = self._steps
        if total != self._total or (steps and done < steps[-1][1]):
            steps.clear()
        self._now, self._total = now, total
        if not steps or done > steps[-1][1]:
            steps.append((now, done))
        while len(steps) > STEPS + 1 and now - steps[1][0] >= WINDOW:
            steps.popleft()

    @property
    def rate(self) -> float | None:
        """A second, over the last few; None while it cannot be said."""
        if not self._steps or self._now - self._steps[0][0] < SHORTEST:
            return None
        (began, before), (moved, done) = self._steps[0], self._steps[-1]
        if done == before:
            return 0.0
        usual = (moved - began) / (len(self._steps) - 1)
        idle = self._now - moved
        if idle > max(WINDOW, STANDSTILL * usual):
            return 0.0
        return (done - before) / (moved - began + max(0.0, idle - usual))

    @property
    def left(self) -> int | None:
        """Seconds until all is done, None while that cannot be said."""
        rate = self.rate
        if not rate:
            return None
        return max(0, math.ceil((self._total - self._steps[-1][1]) / rate))
