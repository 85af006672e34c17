"""Bytes a second over the last few seconds. Pure: takes `now` in seconds."""

from collections import deque

WINDOW = 3.0
STEPS = 8
"""Arrivals the rate is taken over at least: on a slow line a piece takes longer than the window."""
SHORTEST = 0.5
STANDSTILL = 3.0
"""Usual times between two arrivals after which, outside the window, nothing moves any more."""


class Rate:
    """Add bytes as they move; ask for the rate any time."""

    def __init__(self, now: float) -> None:
        self._moved: deque[tuple[float, int]] = deque([(now, 0)])
        self._sum = 0

    def add(self, size: int, now: float) -> None:
        """Note `size` bytes moved now."""
        self._moved.append((now, size))
        self._sum += size
        # The oldest says only since when; its own bytes moved before that.
        while len(self._moved) > STEPS + 1 and now - self._moved[1][0] >= WINDOW:
            self._moved.popleft()
            self._sum -= self._moved[0][1]

    def per_second(self, now: float) -> int:
        """Bytes a second, 0 when nothing has moved lately."""
        if len(self._moved) < 2:
            return 0
        began, last = self._moved[0][0], self._moved[-1][0]
        usual = (last - began) / (len(self._moved) - 1)
        idle = now - last
        if idle > max(WINDOW, STANDSTILL * usual):
            return 0
        return int(self._sum / max(SHORTEST, last - began + max(0.0, idle - usual)))
