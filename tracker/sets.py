"""Sets of entries by a value of theirs: each a mask, or while it has few, their numbers. Pure."""

from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from tracker.masks import bits_among, bits_of, mask_of

_FEW = 512
"""A set with less than one of so many entries is kept by its numbers, 4 bytes each."""


class Sets:
    """For each value, the entries that have it; one entry may be in several."""

    def __init__(self) -> None:
        self._masks: dict[Any, int] = {}
        self._few: dict[Any, array[int]] = {}
        self._bits: dict[Any, tuple[int, bytes]] = {}
        """Masks as bytes, of which single bits are read at once."""

    def __len__(self) -> int:
        return len(self._masks) + len(self._few)

    def __iter__(self) -> Iterator[Any]:
        yield from self._masks
        yield from self._few

    def those_in(self, value: Any, numbers: Iterable[int]) -> list[int]:
        """Those of some entries that have a value."""
        few = self._few.get(value)
        if few is not None:
            places = ((bisect_left(few, number), number) for number in numbers)
            return [number for at, number in places if few[at : at + 1] == array("I", [number])]
        mask = self._masks.get(value, 0)
        known = self._bits.get(value)
        if known is None or known[0] is not mask:
            known = self._bits[value] = mask, bits_of(mask)
        return bits_among(known[1], numbers)

    def get(self, value: Any) -> int:
        """The entries with a value."""
        few = self._few.get(value)
        if few is not None:
            return mask_of(few, few[-1] + 1) if few else 0
        return self._masks.get(value, 0)

    def all(self) -> dict[Any, int]:
        """All of them, by value."""
        return {value: self.get(value) for value in self}

    def put(self, value: Any, numbers: Sequence[int], length: int) -> None:
        """The entries with a value are these, each less than `length`."""
        self.forget(value)
        if len(numbers) * _FEW < length:
            self._few[value] = array("I", sorted(numbers))
        else:
            self._masks[value] = mask_of(numbers, length)

    def forget(self, value: Any) -> None:
        """No entry has this value."""
        self._masks.pop(value, None)
        self._bits.pop(value, None)
        self._few.pop(value, None)

    def change(
        self, changed: Collection[int], now: Mapping[Any, Sequence[int]], length: int
    ) -> None:
        """Of these entries, those of `now` have its values, and no other."""
        keep = ~mask_of(changed, max(length, max(changed, default=0) + 1))
        for value in [value for value in self._few if value not in now]:
            if _meet(self._few[value], changed):
                left = [number for number in self._few[value] if number not in changed]
                self._few[value] = array("I", left)
        for value, mask in self._masks.items():
            if value not in now:
                self._masks[value] = mask & keep
        for value, numbers in now.items():
            self._add(value, numbers, changed, keep, length)

    def dump(self) -> Iterator[tuple[Any, bool, bytes]]:
        """For `load`: each value, whether it has few, and its entries."""
        for value, few in self._few.items():
            yield value, True, few.tobytes()
        for value, mask in self._masks.items():
            yield value, False, bits_of(mask)

    def load(self, value: Any, content: bytes, *, few: bool) -> None:
        """Take in what `dump` gave."""
        if few:
            self._few[value] = array("I", content)
        else:
            self._masks[value] = int.from_bytes(content, "little")

    def _add(
        self,
        value: Any,
        numbers: Sequence[int],
        changed: Collection[int],
        keep: int,
        length: int,
    ) -> None:
        if value in self._masks:
            self._masks[value] = self._masks[value] & keep | mask_of(numbers, length)
            return
        others = [number for number in self._few.get(value, ()) if number not in changed]
        self.put(value, others + list(numbers), length)


def _meet(few: "array[int]", numbers: Collection[int]) -> bool:
    """Whether one of these numbers is in it."""
    if len(numbers) > len(few):
        return not set(numbers).isdisjoint(few)
    places = ((bisect_left(few, number), number) for number in numbers)
    return any(at < len(few) and few[at] == number for at, number in places)
