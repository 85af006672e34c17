"""Who fetches what from whom: one upload a machine at a time, in slices, turn by turn.

A receiver takes from as many at once as the real one does. Downlinks are not the limit.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from durability_model.ledger import Cause, Ledger
from durability_model.shared import Placed

from peer.swarm.replication import KEEPING_AT_ONCE

SLICE = 64 << 20
"""Bytes after which it is another's turn."""


@dataclass(eq=False, slots=True)
class Fetch:
    """A span on its way to a machine."""

    span: Placed
    target: int
    cause: Cause
    left: float
    """Bytes."""
    begun: bool = False
    running: bool = False


@dataclass(eq=False, slots=True)
class Slice:
    """A part of a fetch that is being sent since `began` (seconds)."""

    fetch: Fetch
    source: int
    began: float
    size: float
    cancelled: bool = False


class Transfers:
    """All fetches. `later(delay, call)` runs something at a later time, `clock` is the time."""

    def __init__(
        self,
        rate: float,
        on: list[bool],
        ledger: Ledger,
        clock: Callable[[], float],
        later: Callable[[float, Callable[[], None]], None],
        arrived: Callable[[Placed, int], None],
    ) -> None:
        self._rate = rate
        self._on = on
        self._ledger = ledger
        self._clock = clock
        self._later = later
        self._arrived = arrived
        self._queue: defaultdict[int, dict[Placed, Fetch]] = defaultdict(dict)
        self._coming: defaultdict[Placed, dict[int, Fetch]] = defaultdict(dict)
        self._sending: dict[int, Slice] = {}
        self._taking: defaultdict[int, list[Slice]] = defaultdict(list)
        self._waiting: defaultdict[int, dict[int, None]] = defaultdict(dict)
        """By source that was busy: who would have asked it."""

    def want(self, span: Placed, target: int, cause: Cause) -> None:
        """The ring wants a span on a machine that does not have it."""
        if self.is_coming(span, target):
            return
        self._ledger.bytes[cause].asked += span.size
        fetch = Fetch(span, target, cause, span.size)
        self._queue[target][span] = self._coming[span][target] = fetch
        self.start(target)

    def is_coming(self, span: Placed, target: int) -> bool:
        """Whether a machine is to fetch a span, or is at it."""
        return target in self._coming[span]

    def unwant(self, span: Placed, target: int) -> None:
        """The ring does not any more. What has begun goes on, as in the daemon."""
        fetch = self._coming[span].get(target)
        if fetch is not None and not fetch.begun:
            self._withdraw(fetch)

    def withdraw_to(self, target: int) -> None:
        """A machine is dead; it has been switched off already."""
        for fetch in list(self._queue[target].values()):
            self._withdraw(fetch)

    def withdraw_all(self, span: Placed) -> None:
        """A span is lost; nobody is sending it any more."""
        for fetch in list(self._coming[span].values()):
            self._withdraw(fetch)

    def left(self) -> float:
        """Bytes still to be moved, without what the running slices have brought."""
        return sum(f.left for queue in self._queue.values() for f in queue.values())

    def switched_on(self, machine: int, held: set[Placed]) -> None:
        """A machine fetches again, and others can fetch from it."""
        self.start(machine)
        for target in sorted({t for span in held for t in self._coming.get(span, ())}):
            self.start(target)

    def switched_off(self, machine: int) -> None:
        """Slices from and to a machine are cut; what they have brought counts."""
        for slice_ in [*self._taking[machine], *filter(None, [self._sending.get(machine)])]:
            sent = (self._clock() - slice_.began) * self._rate
            self._end(slice_, min(slice_.size, sent))
            slice_.cancelled = True
            self.start(slice_.fetch.target)
            self._freed(slice_.source)

    def start(self, target: int) -> None:
        """Begin to fetch as much as can be had at once."""
        if not self._on[target]:
            return
        for fetch in list(self._queue[target].values()):
            if len(self._taking[target]) >= KEEPING_AT_ONCE:
                return
            if not fetch.running:
                self._start_one(fetch)

    def _start_one(self, fetch: Fetch) -> None:
        sources = [m for m in sorted(fetch.span.copies) if self._on[m]]
        free = next((source for source in sources if source not in self._sending), None)
        if free is None:
            for source in sources:
                self._waiting[source][fetch.target] = None
            return
        slice_ = Slice(fetch, free, self._clock(), min(SLICE, fetch.left))
        fetch.begun = fetch.running = True
        self._sending[free] = slice_
        self._taking[fetch.target].append(slice_)
        self._later(slice_.size / self._rate, lambda: self._sent(slice_))

    def _sent(self, slice_: Slice) -> None:
        if slice_.cancelled:
            return
        fetch = slice_.fetch
        # Not by the clock, which does not tell very short times apart.
        self._end(slice_, slice_.size)
        queue = self._queue[fetch.target]
        if fetch.left < 0.5:
            self._drop(fetch)
            self._arrived(fetch.span, fetch.target)
        elif fetch.span in queue:
            # The others first.
            queue[fetch.span] = queue.pop(fetch.span)
        self.start(fetch.target)
        self._freed(slice_.source)

    def _end(self, slice_: Slice, moved: float) -> None:
        fetch = slice_.fetch
        fetch.left -= moved
        fetch.running = False
        self._ledger.bytes[fetch.cause].moved += moved
        del self._sending[slice_.source]
        self._taking[fetch.target].remove(slice_)

    def _freed(self, source: int) -> None:
        for target in list(self._waiting[source]):
            if source in self._sending:
                return
            del self._waiting[source][target]
            self.start(target)

    def _withdraw(self, fetch: Fetch) -> None:
        self._ledger.bytes[fetch.cause].withdrawn += fetch.left
        self._drop(fetch)

    def _drop(self, fetch: Fetch) -> None:
        del self._queue[fetch.target][fetch.span]
        del self._coming[fetch.span][fetch.target]
