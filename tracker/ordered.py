"""Entries in one order, by a key and then their id: pure."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Protocol

from tracker.blocks import Blocks
from tracker.masks import bits_among, bits_of, numbers_of

_LOOKED_AT = 16
"""So many entries of an order are looked at in the time that one is sorted in."""
_AT_ONCE = 2_000
_FEW = 256
"""So many entries are sorted in the time in which the blocks are gone through."""
_SEVERAL = 8
"""More than so many are put in, or dropped, in one go through all."""


class Keyed(Protocol):
    """Tells key and id of each entry by its number."""

    def key(self, number: int) -> Any:
        """What an entry is sorted by."""

    def place(self, number: int) -> tuple[Any, bytes]:
        """The same, and then its id."""


class Ordered:
    """Numbers of entries, ascending by their place."""

    def __init__(self, keys: Keyed, numbers: Iterable[int]) -> None:
        self._place = keys.place
        self.key = keys.key
        self.numbers = array("I", numbers)
        self._blocks: Blocks | None = None

    def put(self, numbers: Collection[int]) -> None:
        """Take in entries that are not here."""
        each = sorted(numbers, key=self._place)
        places = [bisect_left(self.numbers, self._place(one), key=self._place) for one in each]
        if len(each) > _SEVERAL:
            self._blocks = None
            parts, done = array("I"), 0
            for at, number in zip(places, each, strict=True):
                parts += self.numbers[done:at]
                parts.append(number)
                done = at
            self.numbers = parts + self.numbers[done:]
            return
        for before, (at, number) in enumerate(zip(places, each, strict=True)):
            self.numbers.insert(at + before, number)
            if self._blocks is not None:
                self._blocks.put(at + before, number)

    def drop(self, numbers: Collection[int]) -> None:
        """Let go of entries whose key and id are still as when they were put here."""
        if len(numbers) > _SEVERAL:
            gone = frozenset(numbers)
            self._blocks = None
            self.numbers = array("I", [one for one in self.numbers if one not in gone])
            return
        for number in numbers:
            at = bisect_left(self.numbers, self._place(number), key=self._place)
            if self.numbers[at : at + 1] == array("I", [number]):
                del self.numbers[at]
                if self._blocks is not None:
                    self._blocks.drop(at, number)

    def get_ready(self) -> None:
        """Make what wide ranges are found with, once, before it is needed."""
        self._cut()

    def within(self, least: Any, most: Any) -> int:
        """The entries whose key is within bounds, both included; None for no bound."""
        start, stop = 0, len(self.numbers)
        if least is not None:
            start = bisect_left(self.numbers, least, key=self.key)
        if most is not None:
            stop = bisect_right(self.numbers, most, key=self.key)
        return self._cut().between(self.numbers, start, stop)

    def first(
        self, mask: int, most: int, after: tuple[Any, bytes] | None, *, descending: bool
    ) -> list[int]:
        """The next entries of a set in this order, after a key and id or from the start."""
        if not mask:
            return []
        if mask.bit_count() <= _FEW:
            return self._first_of_few(mask, most, after, descending=descending)
        found: list[int] = []
        # Whatever has none of the set is passed over.
        for start, stop, of_it in self._cut().each(len(self.numbers), descending=descending):
            if len(found) >= most:
                break
            if after is not None and self._is_before(start, stop, after, descending=descending):
                continue
            wanted, here = most - len(found), mask & of_it
            if here and self._is_few(here, wanted, stop - start):
                found += self._first_of_few(here, wanted, after, descending=descending)
            elif here:
                found += self._walk(start, stop, here, wanted, after, descending=descending)
        return found

    def _cut(self) -> Blocks:
        if self._blocks is None:
            self._blocks = Blocks(self.numbers)
        return self._blocks

    def _is_few(self, mask: int, most: int, among: int) -> bool:
        few = mask.bit_count()
        return few * few * _LOOKED_AT <= most * among

    def _is_before(
        self, start: int, stop: int, after: tuple[Any, bytes], *, descending: bool
    ) -> bool:
        """Whether all from one place up to another come no later than `after`."""
        if descending:
            return self._place(self.numbers[start]) >= after
        return self._place(self.numbers[stop - 1]) <= after

    def _walk(
        self,
        start: int,
        stop: int,
        mask: int,
        most: int,
        after: tuple[Any, bytes] | None,
        *,
        descending: bool,
    ) -> list[int]:
        if after is not None and descending:
            stop = min(stop, bisect_left(self.numbers, after, key=self._place))
        elif after is not None:
            start = max(start, bisect_right(self.numbers, after, key=self._place))
        bits = bits_of(mask)
        found: list[int] = []
        while start < stop and len(found) < most:
            if descending:
                some: Sequence[int] = self.numbers[max(start, stop - _AT_ONCE) : stop][::-1]
                stop -= _AT_ONCE
            else:
                some = self.numbers[start : min(stop, start + _AT_ONCE)]
                start += _AT_ONCE
            found += bits_among(bits, some)
        return found[:most]

    def _first_of_few(
        self, mask: int, most: int, after: tuple[Any, bytes] | None, *, descending: bool
    ) -> list[int]:
        places = sorted(
            ((self._place(number), number) for number in numbers_of(mask)), reverse=descending
        )
        if after is None:
            return [number for _, number in places[:most]]
        if descending:
            return [number for place, number in places if place < after][:most]
        return [number for place, number in places if place > after][:most]
