"""How often something may be tried in a minute: by one address, and by all. Pure."""

from collections import deque

from web.places import LOOPBACK, source_of


class Attempts:
    """Counts attempts of the last minute; those of this machine are not held back by others'."""

    def __init__(self, each: int = 10, together: int = 60, seconds: float = 60.0) -> None:
        self._each = each
        self._together = together
        self._seconds = seconds
        self._made: deque[tuple[float, str]] = deque()

    def take(self, remote: str, now: float) -> bool:
        """Whether this address may try once more; counts it if so."""
        while self._made and self._made[0][0] <= now - self._seconds:
            self._made.popleft()
        source = source_of(remote)
        own = sum(1 for _, other in self._made if other == source)
        others = 0 if source == LOOPBACK else len(self._made) - own
        if own >= self._each or own + others >= self._together:
            return False
        self._made.append((now, source))
        return True
