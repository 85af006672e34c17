"""A month of a swarm, event by event: the real ring and the daemon's rules, without sockets.

A machine that is silent is out of the ring after the grace time. Whom the ring names, and who does
not have a span, fetches it. A copy that the ring does not want goes, `SETTLED` after it became so,
when all whom the ring names have theirs and are there.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from durability_model.churn import Event, Month
from durability_model.ledger import Cause, Ledger
from durability_model.places import Change, Places, Ranks
from durability_model.shared import Placed
from durability_model.transfers import Transfers

from peer.presence import SUSPECT_AFTER
from peer.swarm.surplus import SETTLED
from protocol.ring import PARTITIONS


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Of the swarm: seconds, and bytes a second that each machine sends."""

    grace: float = 1800.0
    copies: int = 2
    rate: float = 5e6


class Simulation:
    """One run. Each `Placed` is used up by it: another run needs its own."""

    def __init__(self, month: Month, ranks: Ranks, spans: list[Placed], settings: Settings) -> None:
        self._month = month
        self._spans = spans
        self._settings = settings
        self.ledger = Ledger()
        machines = range(len(month.machines))
        first = [m for m in machines if month.machines[m].joins == 0]
        self.places = Places(ranks, settings.copies, first)
        self._on = [m in set(first) for m in machines]
        self._dead = [False for _ in machines]
        self._leaving = [False for _ in machines]
        self._absence = [0 for _ in machines]
        """Which of its absences a machine is in, so that an old clock does not end a new one."""
        self.held: list[set[Placed]] = [set() for _ in machines]
        self._by_partition: list[list[Placed]] = [[] for _ in range(PARTITIONS)]
        self._number = {span: number for number, span in enumerate(spans)}
        self._checks: set[Placed] = set()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._scheduled = 0
        self.now = 0.0
        self.changed: Callable[[int, list[Change]], None] = lambda *_: None
        """Called with the machine that comes into the ring or goes, before anything moves."""
        self.transfers = Transfers(
            settings.rate, self._on, self.ledger, lambda: self.now, self._later, self._arrived
        )

    def run(self) -> Ledger:
        """Run to the end of the month."""
        for span in self._spans:
            if span.at == 0:
                self._by_partition[span.partition].append(span)
                span.settled = True
                for machine in self.places.holders[span.partition]:
                    self._gain(span, machine)
            else:
                self._later(span.at, partial(self._publish, span))
        for event in self._month.events:
            self._later(event.at, partial(self._happens, event))
        while self._heap and self._heap[0][0] <= self._month.ends:
            self.now, _, call = heapq.heappop(self._heap)
            self.ledger.advance(self.now)
            call()
        self.now = self._month.ends
        self.ledger.advance(self.now)
        return self.ledger

    def _later(self, delay: float, call: Callable[[], None]) -> None:
        self._scheduled += 1
        heapq.heappush(self._heap, (self.now + delay, self._scheduled, call))

    def published(self, partition: int) -> list[Placed]:
        """The spans of a partition that there are now."""
        return self._by_partition[partition]

    # Machines

    def _happens(self, event: Event) -> None:
        machine = event.machine
        if self._dead[machine]:
            return
        if event.what == "off":
            self._off(machine)
        elif event.what == "on":
            self._come_on(machine)
        elif event.what == "die":
            self._die(machine)
        elif event.what == "join":
            self._on[machine] = True
            self._moved(machine, self.places.come(machine), "join")
        else:
            self._leaving[machine] = True
            self._moved(machine, self.places.go(machine), "leave")

    def _off(self, machine: int) -> None:
        if not self._on[machine]:
            return
        self._on[machine] = False
        for span in self._held_in_order(machine):
            self._count(span, -1)
            span.live -= 1
            self._count(span, 1)
        self.transfers.switched_off(machine)
        self._absence[machine] += 1
        out = partial(self._grace_over, machine, self._absence[machine])
        self._later(max(self._settings.grace, SUSPECT_AFTER), out)

    def _grace_over(self, machine: int, absence: int) -> None:
        if not self._on[machine] and absence == self._absence[machine]:
            cause: Cause = "death" if self._dead[machine] else "absence"
            if self.places.is_in(machine):
                self._moved(machine, self.places.go(machine), cause)

    def _come_on(self, machine: int) -> None:
        if self._on[machine]:
            return
        self._on[machine] = True
        self._absence[machine] += 1
        held = self._held_in_order(machine)
        for span in held:
            self._count(span, -1)
            span.live += 1
            self._count(span, 1)
        if not self._leaving[machine] and not self.places.is_in(machine):
            self._moved(machine, self.places.come(machine), "return")
        self.transfers.switched_on(machine, self.held[machine])
        for span in held:
            self._check_later(span)

    def _die(self, machine: int) -> None:
        self._dead[machine] = True
        if self._leaving[machine] and not self.held[machine]:
            # It has left: that is no death of a member.
            self._off(machine)
            return
        self.ledger.deaths += 1
        self.ledger.died_with += sum(span.size for span in self.held[machine])
        self._off(machine)
        self.transfers.withdraw_to(machine)
        for span in self._held_in_order(machine):
            self._lose(span, machine)
            if not span.copies:
                self._is_lost(span)
            elif span.settled and span.short_since is None and self._is_short(span):
                span.short_since = self.now

    def _held_in_order(self, machine: int) -> list[Placed]:
        """In an order that is the same in every run."""
        return sorted(self.held[machine], key=self._number.__getitem__)

    # Copies

    def _count(self, span: Placed, by: int) -> None:
        self.ledger.count(existing=len(span.copies), live=span.live, settled=span.settled, by=by)

    def _gain(self, span: Placed, machine: int) -> None:
        self._count(span, -1)
        span.copies.add(machine)
        span.live += self._on[machine]
        self._count(span, 1)
        self.held[machine].add(span)

    def _lose(self, span: Placed, machine: int) -> None:
        self._count(span, -1)
        span.copies.discard(machine)
        span.live -= self._on[machine]
        self._count(span, 1)
        self.held[machine].discard(span)

    def _is_short(self, span: Placed) -> bool:
        return len(span.copies) < self._settings.copies

    def _is_lost(self, span: Placed) -> None:
        span.lost = True
        if span.settled:
            self.ledger.lost.append((self.now, self._number[span]))
            self.ledger.lost_entries.add(span.entry)
            self.ledger.lost_pieces += span.pieces
        else:
            self.ledger.lost_new += 1
        self.transfers.withdraw_all(span)
        self._by_partition[span.partition].remove(span)

    def _publish(self, span: Placed) -> None:
        """A machine that is on adds something. Its own copy counts until the others have theirs."""
        holders = self.places.holders[span.partition]
        there = [m for m in range(len(self._on)) if self._on[m] and not self._leaving[m]]
        if not there:
            return
        span.author = there[self._number[span] % len(there)]
        self._by_partition[span.partition].append(span)
        self._gain(span, span.author)
        for machine in holders:
            if machine != span.author:
                self.transfers.want(span, machine, "new")

    def _arrived(self, span: Placed, machine: int) -> None:
        self._gain(span, machine)
        if not self._is_short(span):
            if not span.settled:
                self._count(span, -1)
                span.settled = True
                self._count(span, 1)
            if span.short_since is not None:
                self.ledger.windows.append(self.now - span.short_since)
                span.short_since = None
        self._check_later(span)
        # It can be fetched from here too.
        self.transfers.switched_on(machine, {span})

    # The ring

    def _moved(self, machine: int, changes: list[Change], cause: Cause) -> None:
        self.changed(machine, changes)
        for change in changes:
            for span in self._by_partition[change.partition]:
                for each in change.before:
                    if each not in change.after:
                        self.transfers.unwant(span, each)
                for each in change.after:
                    if each not in change.before and each not in span.copies:
                        self.transfers.want(span, each, cause)
                self._check_later(span)

    def _check_later(self, span: Placed) -> None:
        if span not in self._checks and self.surplus(span):
            self._checks.add(span)
            self._later(SETTLED, partial(self._check, span))

    def surplus(self, span: Placed) -> list[int]:
        """Who is on, has a copy, and is not wanted to by the ring."""
        holders = self.places.holders[span.partition]
        if len(holders) < self._settings.copies:
            return []
        return [m for m in sorted(span.copies) if m not in holders and self._on[m]]

    def _check(self, span: Placed) -> None:
        """Drop what is surplus once all whom the ring names hold it and are there."""
        self._checks.discard(span)
        surplus = self.surplus(span)
        if not surplus or span.lost:
            return
        holders = self.places.holders[span.partition]
        if all(self._on[m] and m in span.copies for m in holders):
            for machine in surplus:
                self._lose(span, machine)
