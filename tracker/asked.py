"""Which entries have been asked of whom, so that each is fetched once however many offer it. Pure.

A member has at most one portion to give. What it does not give in time may be asked of another.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from protocol.ids import EntryId

ASKED_FOR = 60.0
"""Seconds for which a member has an entry to itself."""


@dataclass(frozen=True)
class _Portion:
    whose: Hashable
    until: float


class Asked:
    """Entries by id; `now` is seconds of one steady clock."""

    def __init__(self) -> None:
        self._portions: dict[Hashable, tuple[_Portion, set[EntryId]]] = {}
        self._by_entry: dict[EntryId, _Portion] = {}

    def ask(
        self, whose: Hashable, entries: Iterable[EntryId], now: float
    ) -> tuple[set[EntryId], int]:
        """Those to ask of this one now, in place of its last portion; how many others are busy."""
        self.forget(whose)
        portion, taken, busy = _Portion(whose, now + ASKED_FOR), set[EntryId](), 0
        for entry in entries:
            other = self._by_entry.get(entry)
            if other is not None and other.until > now and other.whose != whose:
                busy += 1
                continue
            self._by_entry[entry] = portion
            taken.add(entry)
        if taken:
            self._portions[whose] = (portion, taken)
        return taken, busy

    def was_asked(self, whose: Hashable, entry: EntryId) -> bool:
        """Whether an entry is in the portion that this one has to give."""
        return whose in self._portions and entry in self._portions[whose][1]

    def forget(self, whose: Hashable) -> None:
        """It has given what it had to give, or is gone."""
        portion, entries = self._portions.pop(whose, (None, set[EntryId]()))
        for entry in entries:
            if self._by_entry.get(entry) is portion:
                del self._by_entry[entry]
