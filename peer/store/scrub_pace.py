"""How fast to scrub, and when to begin again. Pure: takes `now`."""

from dataclasses import dataclass

LEAST = 256 << 10
"""Bytes a second: what little there is need not take the whole time."""
MOST = 64 << 20
"""When little time is left, or none: a disk has other things to do too."""
TRICKLE = 1 << 20
"""While transfers move bytes."""
BUSY = 4 << 20
"""Bytes a second that transfers move, from which on the disk is theirs; fewer it hardly feels."""
BUSY_OVER = 1.0
"""Seconds over which that is looked at."""
CONTENT_COSTS = 1 << 20
"""Beginning with a content costs about as much as reading so many bytes."""
DAY = 86_400_000
"""Milliseconds."""


@dataclass
class Round:
    """One reading of everything held. Milliseconds since 1970.

    What was last read before `began` is still to be read, until `due`; the same as `began` is as
    soon as may be. `completed` is the end of the last round that came to one, 0 for none.
    """

    began: int = 0
    due: int = 0
    completed: int = 0

    def begin(self, now: int, days: float) -> None:
        """Begin, with so many days' time; none: at once."""
        self.began, self.due = now, now + int(days * DAY)

    def change(self, now: int, days: float) -> None:
        """There are so many days for each from now on; what is late gets one day, or less."""
        if not self.is_over() and self.due != self.began:
            self.due = min(self.due, self.next_at(days))
            if self.due < now:
                self.due = now + int(min(days, 1) * DAY)

    def ended(self, now: int) -> None:
        """Everything has been read."""
        self.completed = now

    def is_over(self) -> bool:
        """Whether everything has been read since it began."""
        return self.completed >= self.began

    def next_at(self, days: float) -> int:
        """When the next one begins."""
        return self.began + int(days * DAY)


class Pace:
    """The time that each reading may take, by what is left and by what transfers do."""

    def __init__(self) -> None:
        self._at = 0.0
        self._moved = 0
        self.busy = False

    def look(self, moved: int, now: float) -> None:
        """See whether transfers move bytes; `moved` counts all of them since the start."""
        passed = now - self._at
        self.busy = (moved - self._moved) / max(passed, BUSY_OVER) >= BUSY
        if passed >= BUSY_OVER:
            self._at, self._moved = now, moved

    def rate(self, left: int, seconds: float) -> float:
        """Bytes a second, with so many bytes and seconds left."""
        even = left / seconds if seconds > 0 else MOST
        rate = min(max(even, LEAST), MOST)
        return min(rate, TRICKLE) if self.busy else rate
