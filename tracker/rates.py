"""How many of each there were within the last minute: pure, `now` in seconds of a steady clock."""

from collections import Counter, deque

WINDOW = 60.0
_STEP = 5.0


class Rates:
    """Counts by name, in slots of five seconds."""

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()
        self._slots: deque[tuple[float, Counter[str]]] = deque()

    def count(self, name: str, now: float) -> None:
        """One more."""
        if not self._slots or now - self._slots[-1][0] >= _STEP:
            self._forget(now)
            self._slots.append((now, Counter()))
        self._slots[-1][1][name] += 1
        self.totals[name] += 1

    def lately(self, now: float) -> Counter[str]:
        """Those of the last minute."""
        self._forget(now)
        found: Counter[str] = Counter()
        for _, counted in self._slots:
            found += counted
        return found

    def _forget(self, now: float) -> None:
        while self._slots and now - self._slots[0][0] >= WINDOW:
            self._slots.popleft()
