"""When to connect to the tracker again: ever more slowly, by chance, or when it says. Pure."""

import random

FIRST_WAIT, LONGEST_WAIT = 0.5, 15.0
LONGEST_PAUSE = 300.0
"""Seconds that a tracker may ask this peer to stay away, at most."""


class Reconnecting:
    """The waits of one peer, one after the other."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._wait = FIRST_WAIT
        self.pause = 0.0
        """Seconds that the tracker has asked for; 0 for none."""

    def taken_in(self) -> None:
        """The tracker has taken this peer in: the next wait is a short one."""
        self._wait, self.pause = FIRST_WAIT, 0.0

    def stay_away(self, after: int, spread: int) -> float:
        """The tracker asks for so many milliseconds and up to `spread` more; the seconds."""
        pause = (after + self._chance.uniform(0, spread)) / 1000
        # Never 0, which is no pause: the least there is must do.
        self.pause = min(LONGEST_PAUSE, max(pause, self.pause, 0.001))
        return self.pause

    def next_wait(self) -> float:
        """Seconds until the next try."""
        pause, self.pause = self.pause, 0.0
        wait = pause or self._wait * self._chance.uniform(0.7, 1.3)
        # Who was asked to stay away for a while has not failed.
        self._wait = FIRST_WAIT if pause else min(LONGEST_WAIT, self._wait * 1.7)
        return wait
