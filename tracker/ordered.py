"""Entries in one order, by a key and then their id: pure."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable
from itertools import islice
from typing import Any, Protocol

from pyroaring import FrozenBitMap

from tracker.blocks import Blocks

_LOOKED_AT = 16
"""So many entries of an order are looked at in the time that one is sorted in."""
_FEW = 256
"""So many entries are sorted in the time in which the blocks are gone through."""
_QUICKLY_CUT = 5_000
"""Of so many entries the blocks are made in a millisecond."""
_SEVERAL = 300
"""Where more are put in, or dropped, the blocks are made anew when they are next needed."""


class Keyed(Protocol):
    """Tells key and id of each entry by its number."""

    def key(self, number: int) -> Any:
        """What an entry is sorted by."""

    def place(self, number: int) -> tuple[Any, bytes]:
        """The same, and then its id."""


class Ordered:
    """Numbers of entries, ascending by their place."""

    def __init__(self, keys: Keyed, numbers: Iterable[int]) -> None:
        self.place = keys.place
        self.key = keys.key
        self.numbers = array("I", numbers)
        self._blocks: Blocks | None = None

    def put(self, numbers: Collection[int]) -> None:
        """Take in entries that are not here."""
        each = sorted(numbers, key=self.place)
        places = [bisect_left(self.numbers, self.place(one), key=self.place) for one in each]
        parts, done = array("I"), 0
        for at, number in zip(places, each, strict=True):
            parts += self.numbers[done:at]
            parts.append(number)
            done = at
        self.numbers = parts + self.numbers[done:]
        if len(each) > _SEVERAL:
            self._blocks = None
        if self._blocks is not None:
            for before, (at, number) in enumerate(zip(places, each, strict=True)):
                self._blocks.put(at + before, number)

    def drop(self, numbers: Collection[int]) -> None:
        """Let go of entries whose key and id are still as when they were put here."""
        each = sorted(numbers, key=self.place)
        places = [bisect_left(self.numbers, self.place(one), key=self.place) for one in each]
        there = [
            (at, number)
            for at, number in zip(places, each, strict=True)
            if self.numbers[at : at + 1] == array("I", [number])
        ]
        parts, done = array("I"), 0
        for at, _ in there:
            parts += self.numbers[done:at]
            done = at + 1
        self.numbers = parts + self.numbers[done:]
        if len(there) > _SEVERAL:
            self._blocks = None
        if self._blocks is not None:
            for gone, (at, number) in enumerate(there):
                self._blocks.drop(at - gone, number)

    @property
    def ready(self) -> bool:
        """Whether nothing has to be made before it is looked at, or not much."""
        return self._blocks is not None or len(self.numbers) <= _QUICKLY_CUT

    def get_ready(self) -> None:
        """Make what wide ranges are found with, once, before it is needed."""
        self._cut()

    def within(self, least: Any, most: Any) -> FrozenBitMap:
        """The entries whose key is within bounds, both included; None for no bound."""
        start, stop = 0, len(self.numbers)
        if least is not None:
            start = bisect_left(self.numbers, least, key=self.key)
        if most is not None:
            stop = bisect_right(self.numbers, most, key=self.key)
        return self._cut().between(self.numbers, start, stop)

    def first(
        self, wanted: FrozenBitMap, most: int, after: tuple[Any, bytes] | None, *, descending: bool
    ) -> list[int]:
        """The next entries of a set in this order, after a key and id or from the start."""
        if len(wanted) <= _FEW:
            return self._first_of_few(wanted, most, after, descending=descending)
        start, stop = 0, len(self.numbers)
        if after is not None and descending:
            stop = bisect_left(self.numbers, after, key=self.place)
        elif after is not None:
            start = bisect_right(self.numbers, after, key=self.place)
        found: list[int] = []
        for begin, end, those in self._cut().each(start, stop, descending=descending):
            here, left = wanted & those, most - len(found)
            if len(here) ** 2 * _LOOKED_AT <= left * (end - begin):
                found += self._first_of_few(here, left, after, descending=descending)
            else:
                some = self.numbers[begin:end]
                in_turn = reversed(some) if descending else some
                found += islice((number for number in in_turn if number in here), left)
            if len(found) >= most:
                break
        return found

    def _cut(self) -> Blocks:
        if self._blocks is None:
            self._blocks = Blocks(self.numbers)
        return self._blocks

    def _first_of_few(
        self,
        wanted: FrozenBitMap,
        most: int,
        after: tuple[Any, bytes] | None,
        *,
        descending: bool,
    ) -> list[int]:
        if not wanted:
            return []
        places = sorted(((self.place(number), number) for number in wanted), reverse=descending)
        if after is None:
            return [number for _, number in places[:most]]
        if descending:
            return [number for place, number in places if place < after][:most]
        return [number for place, number in places if place > after][:most]
