"""Bytes a second over the last few seconds. Pure: takes `now` in seconds."""

from collections import deque

WINDOW = 3.0


class Rate:
    """Add bytes as they move; ask for the rate any time."""

    def __init__(self) -> None:
        self._moved: deque[tuple[float, int]] = deque()
        self._sum = 0

    def add(self, size: int, now: float) -> None:
        """Note `size` bytes moved now."""
        self._moved.append((now, size))
        self._sum += size
        self._forget(now)

    def per_second(self, now: float) -> int:
        """Bytes a second, 0 when nothing has moved lately."""
        self._forget(now)
        if not self._moved:
            return 0
        span = max(now - self._moved[0][0], 0.25)
        return int(self._sum / span)

    def _forget(self, now: float) -> None:
        while self._moved and now - self._moved[0][0] > WINDOW:
            self._sum -= self._moved.popleft()[1]
