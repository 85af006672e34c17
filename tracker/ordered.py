"""Entries in one order, by a key and then their id: pure."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

from tracker.masks import flags_of, mask_of, numbers_of

_FEW = 1_000
"""So many are sorted; of more the order is walked, and soon the page is full."""


class Ordered:
    """Numbers of entries, ascending; `keys` and `ids` tell key and id of each by its number."""

    def __init__(self, keys: Sequence[Any], ids: Sequence[bytes], numbers: Iterable[int]) -> None:
        self._keys = keys
        self._ids = ids
        self._numbers = array("q", numbers)

    def key(self, number: int) -> Any:
        """What an entry is sorted by."""
        return self._keys[number]

    def put(self, number: int) -> None:
        """Take in an entry that is not here."""
        place = self._place(number)
        self._numbers.insert(bisect_left(self._numbers, place, key=self._place), number)

    def drop(self, number: int) -> None:
        """Let go of an entry, whose key and id are still as when it was put here."""
        at = bisect_left(self._numbers, self._place(number), key=self._place)
        if self._numbers[at : at + 1] == array("q", [number]):
            del self._numbers[at]

    def within(self, least: Any, most: Any) -> int:
        """The entries whose key is within bounds, both included; None for no bound."""
        start, stop = 0, len(self._numbers)
        if least is not None:
            start = bisect_left(self._numbers, least, key=self.key)
        if most is not None:
            stop = bisect_right(self._numbers, most, key=self.key)
        return self._between(start, stop)

    def _between(self, start: int, stop: int) -> int:
        numbers, length = self._numbers, len(self._keys)
        if stop - start <= len(numbers) // 2:
            return mask_of(numbers[start:stop], length)
        everything = (1 << length) - 1
        return everything ^ mask_of(numbers[:start] + numbers[stop:], length)

    def first(
        self, mask: int, most: int, after: tuple[Any, bytes] | None, *, descending: bool
    ) -> list[int]:
        """The next entries of a set in this order, after a key and id or from the start."""
        if mask.bit_count() <= _FEW:
            return self._first_of_few(mask, most, after, descending=descending)
        if descending:
            stop = len(self._numbers)
            if after is not None:
                stop = bisect_left(self._numbers, after, key=self._place)
            numbers = self._numbers[:stop][::-1]
        else:
            start = 0
            if after is not None:
                start = bisect_right(self._numbers, after, key=self._place)
            numbers = self._numbers[start:]
        wanted: Callable[[int], int] = flags_of(mask, len(self._keys)).__getitem__
        return list(islice(filter(wanted, numbers), most))

    def _first_of_few(
        self, mask: int, most: int, after: tuple[Any, bytes] | None, *, descending: bool
    ) -> list[int]:
        numbers = sorted(numbers_of(mask), key=self._place, reverse=descending)
        if after is None:
            return numbers[:most]
        if descending:
            return [number for number in numbers if self._place(number) < after][:most]
        return [number for number in numbers if self._place(number) > after][:most]

    def _place(self, number: int) -> tuple[Any, bytes]:
        return self._keys[number], self._ids[number]
