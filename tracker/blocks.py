"""An order of entries cut into blocks whose sets are kept: wide ranges are sets at once. Pure."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import reduce
from operator import or_

from tracker.masks import mask_of

_BLOCKS = 64


class Blocks:
    """The sets of the entries of an order, by where they stand in it."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._length = max(numbers, default=0) + 1
        size = len(numbers) // _BLOCKS + 1
        self._starts = list(range(0, max(1, len(numbers)), size))
        """Where each begins; the first at 0."""
        self._masks = [self._mask(numbers[at : at + size]) for at in self._starts]

    def put(self, at: int, number: int) -> None:
        """An entry is new at this place."""
        self._length = max(self._length, number + 1)
        block = bisect_right(self._starts, at) - 1
        self._masks[block] |= 1 << number
        self._move(block, 1)

    def drop(self, at: int, number: int) -> None:
        """The entry at this place is gone."""
        block = bisect_right(self._starts, at) - 1
        self._masks[block] &= ~(1 << number)
        self._move(block, -1)

    def between(self, numbers: Sequence[int], start: int, stop: int) -> int:
        """The set of the entries from one place up to another, of the order as it is."""
        if start >= stop:
            return 0
        first, last = (bisect_right(self._starts, at) - 1 for at in (start, stop - 1))
        if first == last:
            return self._part(numbers, first, start, stop)
        inside = reduce(or_, self._masks[first + 1 : last], 0)
        ends = self._starts[first + 1], self._starts[last]
        inside |= self._part(numbers, first, start, ends[0])
        return inside | self._part(numbers, last, ends[1], stop)

    def each(self, length: int, *, descending: bool) -> Iterator[tuple[int, int, int]]:
        """Those that are not empty, one after the other: begin, end and set."""
        found = list(zip(self._starts, (*self._starts[1:], length), self._masks, strict=True))
        return (each for each in (reversed(found) if descending else found) if each[0] < each[1])

    def _part(self, numbers: Sequence[int], block: int, start: int, stop: int) -> int:
        """The entries between two places that are in one block."""
        begins = self._starts[block]
        later = self._starts[block + 1 : block + 2]
        ends = later[0] if later else len(numbers)
        if (stop - start) * 2 <= ends - begins:
            return self._mask(numbers[start:stop])
        outside = self._mask(numbers[begins:start]) | self._mask(numbers[stop:ends])
        return self._masks[block] ^ outside

    def _move(self, block: int, by: int) -> None:
        self._starts[block + 1 :] = [start + by for start in self._starts[block + 1 :]]

    def _mask(self, numbers: Sequence[int]) -> int:
        return mask_of(numbers, self._length)
