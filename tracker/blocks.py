"""An order of entries cut into blocks whose sets are kept: wide ranges are sets at once. Pure."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from pyroaring import BitMap, FrozenBitMap

_SIZE = 2_000
"""Entries of a block."""
_HEAP = 8
"""Blocks, or more, from one set of all that comes before to the next."""
_HEAPS = 64


class Blocks:
    """The sets of the entries of an order, by where they stand in it."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._starts = list(range(0, max(1, len(numbers)), _SIZE))
        """Where each begins; the first at 0."""
        self._sets = [_set_of(numbers[at : at + _SIZE]) for at in self._starts]
        self._heap = max(_HEAP, len(self._sets) // _HEAPS)
        self._before = [BitMap()]
        """What comes before each heap."""
        for at in range(self._heap, len(self._sets), self._heap):
            heap = self._sets[at - self._heap : at]
            self._before.append(BitMap.union(self._before[-1], *heap))

    def put(self, at: int, number: int) -> None:
        """An entry is new at this place."""
        block = self._at(at)
        for those in self._with(block):
            those.add(number)
        self._move(block, 1)

    def drop(self, at: int, number: int) -> None:
        """The entry at this place is gone."""
        block = self._at(at)
        for those in self._with(block):
            those.discard(number)
        self._move(block, -1)

    def between(self, numbers: Sequence[int], start: int, stop: int) -> FrozenBitMap:
        """The set of the entries from one place up to another, of the order as it is."""
        if start >= stop:
            return FrozenBitMap()
        met = self._before_place(numbers, stop) - self._before_place(numbers, start)
        return FrozenBitMap(met, optimize=False)

    def each(self, start: int, stop: int, *, descending: bool) -> Iterator[tuple[int, int, BitMap]]:
        """Those that have entries between two places, in turn: begin, end (both between), set."""
        ends = (*self._starts[1:], stop)
        first, last = self._at(start), self._at(max(start, stop - 1))
        blocks = range(first, last + 1)
        for block in reversed(blocks) if descending else blocks:
            begin, end = max(start, self._starts[block]), min(stop, ends[block])
            if begin < end:
                yield begin, end, self._sets[block]

    def _before_place(self, numbers: Sequence[int], at: int) -> BitMap:
        block = self._at(at)
        heap = block // self._heap
        whole = self._sets[heap * self._heap : block]
        part = _set_of(numbers[self._starts[block] : at])
        return BitMap.union(self._before[heap], *whole, part)

    def _at(self, at: int) -> int:
        """The block that a place is in."""
        return bisect_right(self._starts, at) - 1

    def _with(self, block: int) -> Iterator[BitMap]:
        """The sets that a block is part of."""
        yield self._sets[block]
        yield from self._before[block // self._heap + 1 :]

    def _move(self, block: int, by: int) -> None:
        self._starts[block + 1 :] = [start + by for start in self._starts[block + 1 :]]


def _set_of(numbers: Sequence[int]) -> BitMap:
    return BitMap(numbers, optimize=False)
