"""How many lanes a sender wants. Pure: takes `now` in seconds and what the kernel tells.

More connections help where each one is held back by losses that have nothing to do with how much is
sent. Where a queue builds up on the way, or more brought no more, they would only take from others.
"""

from dataclasses import dataclass

from protocol.messages.peering import MOST_LANES

STEPS = (0, 7, 23, MOST_LANES - 1)
"""Lanes beside the link's own connection: 1, 8, 24 and 64 connections."""
LONG_WAY = 0.005
"""Seconds there and back below which a connection recovers from a loss soon enough, and it matters
little how much a slow one has been given."""
LOSSY = 0.0002
"""Share of segments sent again from which on a way is lossy."""
LEAST_LOSSES = 3
QUEUED = 1.5
"""A way there and back that takes so many times its least has a queue on it."""
PERIOD, LONGEST = 1.0, 5.0
"""Seconds of samples that are judged together, at least and at most."""
SETTLE = 0.5
"""Seconds before them, in which new connections find their pace."""
OPENING = 15.0
"""Seconds that lanes are given to be opened: to ask for them may have to wait."""
WORTH = 1.4
"""A step, to about three times the connections or more, must bring so many times the bytes."""
REST = 30.0
"""Seconds before more are tried again after they have brought nothing."""
PAUSE = 10.0
"""Seconds without a look after which all is forgotten."""


@dataclass(frozen=True)
class Sample:
    """What all connections of a link did since the sample before it."""

    acked: int
    """Bytes that have come, on all of them."""
    segments: int
    sent_again: int
    busy: bool
    """Whether the way, and nothing else, held back the link's own connection."""
    rtt: float
    least_rtt: float
    lanes: int
    """How many there were."""


class Widening:
    """Tries more lanes step by step, and keeps what helps."""

    def __init__(self) -> None:
        self._step = 0
        self._began = self._looked = 0.0
        self._acked = self._segments = self._sent_again = 0
        self._lately = self._queue = 0.0
        """Bytes a second since the look before; the longest time there and back, in least ones."""
        self._before = 0.0
        """The rate before the step that is being tried; 0 when none is."""
        self._rested = self._opens_until = 0.0

    @property
    def lanes(self) -> int:
        """How many lanes are wanted now."""
        return STEPS[self._step]

    def look(self, now: float, sample: Sample, most: int = MOST_LANES) -> int:
        """Take a sample in; how many lanes to have, of `most`. To be called every second or so."""
        since = now - self._looked
        if since > PAUSE:
            self._step, self._before = 0, 0.0
            self._start(now)
        self._looked = now
        self._lately = sample.acked / max(since, 1e-6)
        if not sample.busy or self._comes(now, sample, most):
            self._start(now)
        elif now - self._began > SETTLE:
            self._acked += sample.acked
            self._segments += sample.segments
            self._sent_again += sample.sent_again
            self._queue = max(self._queue, sample.rtt / max(sample.least_rtt, 1e-6))
            if now - self._began >= SETTLE + PERIOD:
                self._decide(now, sample, most)
        return min(self.lanes, most)

    def _decide(self, now: float, sample: Sample, most: int) -> None:
        rate = self._acked / (now - self._began - SETTLE)
        before, self._before = self._before, 0.0
        if before and (rate < WORTH * before or sample.lanes <= STEPS[self._step - 1]):
            self._step -= 1
            self._rested = now + REST
            self._start(now)
        elif self._may_grow(now, sample, most):
            self._step += 1
            # New connections begin with a burst, which says nothing of what they will bring.
            self._before = min(rate, self._lately)
            self._opens_until = now + OPENING
            self._start(now)
        elif self._queue >= QUEUED or now - self._began >= SETTLE + LONGEST:
            if self._step and self._share < LOSSY / 2:
                # The losses are over.
                self._step -= 1
            self._start(now)

    def _comes(self, now: float, sample: Sample, most: int) -> bool:
        """Whether lanes that are to be tried are still being opened."""
        return self._before > 0 and sample.lanes < min(self.lanes, most) and now < self._opens_until

    def _may_grow(self, now: float, sample: Sample, most: int) -> bool:
        return (
            now >= self._rested
            and self._step + 1 < len(STEPS)
            and STEPS[self._step] < most
            and self._sent_again >= LEAST_LOSSES
            and self._share >= LOSSY
            and sample.least_rtt >= LONG_WAY
            and self._queue < QUEUED
        )

    @property
    def _share(self) -> float:
        return self._sent_again / max(1, self._segments)

    def _start(self, at: float) -> None:
        self._began, self._queue = at, 0.0
        self._acked = self._segments = self._sent_again = 0
