"""Machines that come, sleep, restart, leave and die in a month: drawn ahead, from a seed.

Nothing here depends on the swarm's settings, so that runs with another grace time or placement
see the same month. Times are seconds from a Monday's midnight.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal, NamedTuple

from protocol.ids import PeerId
from protocol.ring import RingMember

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
YEAR = 365 * DAY
REPLACED_AFTER = HOUR
"""From a death or a leave until a new machine joins: the swarm keeps its size."""

Kind = Literal["nas", "desktop", "laptop"]
What = Literal["join", "off", "on", "die", "leave"]


class Event(NamedTuple):
    """What happens to one machine, given by its index."""

    at: float
    what: What
    machine: int


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One machine. It is there from `joins` (0: from the start) until it dies or leaves."""

    kind: Kind
    member: RingMember
    place: int
    """What it shares with those that fail together with it, whether the ring knows or not."""
    joins: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Rates:
    """How `peers` machines live for `days`. Deaths, leaves and joins are per machine and year."""

    peers: int
    days: float = 30.0
    deaths: float = 0.05
    leaves: float = 0.10
    joins: float = 0.20
    absences: bool = True
    """Whether machines restart, sleep and lose their connection; if not they are on until death."""
    sleeps: bool = True
    """Whether desktops and laptops are off at night, and laptops now and then by day."""
    place_size: int = 1
    """Machines that fail together."""
    place_deaths: float = 0.0
    """Places in which everything is lost at once, per place and year."""
    labelled: bool = True
    """Whether places of more than one machine are told to the ring, as zones."""


@dataclass(frozen=True)
class Month:
    """All machines of a month, and what happens to them, in order of time."""

    rates: Rates
    machines: list[Machine]
    events: list[Event]

    @property
    def ends(self) -> float:
        """Seconds."""
        return self.rates.days * DAY


_KINDS: tuple[tuple[Kind, float, int], ...] = (
    ("nas", 0.40, 4_000_000_000_000),
    ("desktop", 0.35, 1_000_000_000_000),
    ("laptop", 0.25, 250_000_000_000),
)
"""Kind, share of the machines, capacity."""


def draw_month(seed: int, rates: Rates, *, swarm: int | None = None) -> Month:
    """The same seed and rates give the same month.

    The same `swarm` gives the same machines, as many as a month needs; by default it is the seed.
    """
    own = seed if swarm is None else swarm
    return _Drawing(Random(f"churn {seed}"), Random(f"machines {own}"), rates).month()


class _Drawing:
    def __init__(self, rng: Random, of_machines: Random, rates: Rates) -> None:
        self._rng = rng
        self._of_machines = of_machines
        self._rates = rates
        self._ends = rates.days * DAY
        self._machines: list[Machine] = []
        self._events: list[Event] = []
        self._place_ends: dict[int, float] = {}

    def month(self) -> Month:
        coming = [(0.0, index) for index in range(self._rates.peers)]
        coming += [(at, -1) for at in self._moments(self._rates.peers * self._rates.joins / YEAR)]
        heapq.heapify(coming)
        while coming:
            at, _ = heapq.heappop(coming)
            ended = self._add_machine(at)
            if ended is not None and ended + REPLACED_AFTER < self._ends:
                heapq.heappush(coming, (ended + REPLACED_AFTER, -1))
        self._events.sort()
        return Month(self._rates, self._machines, self._events)

    def _add_machine(self, joins: float) -> float | None:
        """Draw one machine's life; when it died or left, if it did."""
        index = len(self._machines)
        machine = self._draw_machine(index, joins)
        self._machines.append(machine)
        if joins:
            self._events.append(Event(joins, "join", index))
        dies = joins + self._wait(self._rates.deaths)
        if joins < (place_ends := self._place_end(machine.place)):
            dies = min(dies, place_ends)
        leaves = joins + self._wait(self._rates.leaves)
        if leaves < min(dies, self._ends):
            # It may die before all it holds is elsewhere.
            self._events.append(Event(leaves, "leave", index))
        if dies < self._ends:
            self._events.append(Event(dies, "die", index))
        if self._rates.absences:
            for start, end in _joined(self._absences(machine.kind, joins)):
                self._events.append(Event(start, "off", index))
                self._events.append(Event(end, "on", index))
        ended = min(dies, leaves)
        return ended if ended < self._ends else None

    def _draw_machine(self, index: int, joins: float) -> Machine:
        place = index // self._rates.place_size
        rng = self._of_machines
        [(kind, _, capacity)] = rng.choices(_KINDS, [share for _, share, _ in _KINDS])
        zone = f"place {place}" if self._rates.labelled and self._rates.place_size > 1 else ""
        peer = PeerId(rng.randbytes(32))
        member = RingMember(peer=peer, capacity=capacity, zone=zone)
        return Machine(kind=kind, member=member, place=place, joins=joins)

    def _place_end(self, place: int) -> float:
        if place not in self._place_ends:
            self._place_ends[place] = self._wait(self._rates.place_deaths)
        return self._place_ends[place]

    def _wait(self, per_year: float) -> float:
        return self._rng.expovariate(per_year / YEAR) if per_year else float("inf")

    def _moments(self, per_second: float, start: float = 0.0) -> Iterator[float]:
        """A Poisson process until the end of the month."""
        at = start
        while per_second and (at := at + self._rng.expovariate(per_second)) < self._ends:
            yield at

    # Absences: (start, end), in any order, perhaps overlapping

    def _absences(self, kind: Kind, joins: float) -> Iterator[tuple[float, float]]:
        rng = self._rng
        restarts = 14 * DAY if kind == "nas" else 7 * DAY
        for at in self._moments(1 / restarts, joins):
            yield at, at + rng.uniform(1, 10) * MINUTE
        for at in self._moments(1 / (60 * DAY), joins):
            yield at, at + rng.expovariate(1 / (4 * HOUR)) + MINUTE
        if not self._rates.sleeps:
            return
        if kind != "nas":
            yield from self._nights(joins, stays_on=0.15 if kind == "desktop" else 0.0)
        if kind == "laptop":
            for at in self._moments(3 / DAY, joins):
                yield at, at + rng.expovariate(1 / (40 * MINUTE)) + MINUTE
            for at in self._moments(1 / (10 * DAY), joins):
                yield at, at + rng.uniform(1, 4) * DAY

    def _nights(self, joins: float, stays_on: float) -> Iterator[tuple[float, float]]:
        """All are in one time zone: off around 23:00, on around 7:30."""
        rng = self._rng
        for day in range(int(joins // DAY), int(self._rates.days) + 1):
            start = day * DAY + rng.gauss(23 * HOUR, HOUR)
            end = (day + 1) * DAY + rng.gauss(7.5 * HOUR, HOUR)
            if rng.random() >= stays_on and joins < start < end:
                yield start, end


def _joined(spans: Iterator[tuple[float, float]]) -> list[tuple[float, float]]:
    """The same times without overlaps."""
    found: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1] + MINUTE:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found
