"""Token buckets, many of one kind: pure, `now` is in seconds of a clock that never goes back."""

from collections.abc import Hashable
from dataclasses import dataclass

MOST_KNOWN = 10_000
"""Whose buckets are kept at a time, unless more than so many are in use."""
_LOOK_AFTER = 1.0


@dataclass(frozen=True)
class Rate:
    """So many a second, and so many at once after a rest. `each` is 0 for no limit."""

    each: float
    at_once: float


class Allowance:
    """What each of many (addresses, members) may still take."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._paid_at: dict[Hashable, float] = {}
        """When everything that was taken is paid for; who is not here has all there is."""
        self._looked = 0.0

    def __len__(self) -> int:
        return len(self._paid_at)

    def wait(self, who: Hashable, now: float, cost: float = 1.0) -> float:
        """Seconds until `who` may take `cost`, 0 for now; takes nothing.

        More than there ever is at once may be taken when all of that is there.
        """
        if self.rate.each <= 0:
            return 0.0
        paid = max(self._paid_at.get(who, now), now)
        wanted = min(cost, self.rate.at_once)
        owed_then = (paid - now) * self.rate.each + wanted - self.rate.at_once
        return max(0.0, owed_then / self.rate.each)

    def take(self, who: Hashable, now: float, cost: float = 1.0) -> None:
        """Take it, whether it is there or not."""
        if self.rate.each <= 0:
            return
        paid = max(self._paid_at.get(who, now), now)
        self._paid_at[who] = paid + cost / self.rate.each
        if len(self._paid_at) > MOST_KNOWN and now - self._looked >= _LOOK_AFTER:
            self._looked = now
            self._paid_at = {key: until for key, until in self._paid_at.items() if until > now}

    def try_take(self, who: Hashable, now: float, cost: float = 1.0) -> float:
        """Take it if it is there, else nothing: 0, or the seconds until it will be."""
        wait = self.wait(who, now, cost)
        if wait == 0.0:
            self.take(who, now, cost)
        return wait
