"""A token bucket. Pure: takes `now` in seconds, on any clock that never goes back."""

import math

LATE = 0.1
"""Seconds of its rate that a bucket lets pass at once, to make up for takers that come late."""


class Bucket:
    """Lets bytes pass at `rate` a second.

    In any stretch of time that is the rate times its length, LATE, and one taking, at most.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._paid_at = -math.inf

    def ready_at(self) -> float:
        """When the next may be taken."""
        return self._paid_at

    def take(self, size: int, now: float) -> None:
        """Take `size` bytes, however many; what comes next waits until they are paid for."""
        self._paid_at = max(self._paid_at, now - LATE) + size / self.rate

    def change(self, rate: int, now: float) -> None:
        """Go on at another rate, at which what is not paid for yet is paid too."""
        owed = max(0.0, self._paid_at - now) * self.rate
        self.rate = rate
        if owed:
            self._paid_at = now + owed / rate
