"""Sets of entries by a value of theirs. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pyroaring import FrozenBitMap


class Sets:
    """For each value, the entries that have it; one entry may be in several."""

    def __init__(self) -> None:
        self._sets: dict[Any, FrozenBitMap] = {}

    def __len__(self) -> int:
        return len(self._sets)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._sets)

    def get(self, value: Any) -> FrozenBitMap:
        """The entries with a value."""
        return self._sets.get(value) or FrozenBitMap()

    def all(self) -> Mapping[Any, FrozenBitMap]:
        """All of them, by value."""
        return self._sets

    def put(self, value: Any, numbers: Iterable[int]) -> None:
        """The entries with a value are these."""
        self._sets[value] = FrozenBitMap(numbers)

    def forget(self, value: Any) -> None:
        """No entry has this value."""
        self._sets.pop(value, None)

    def change(self, changed: FrozenBitMap, now: Mapping[Any, Iterable[int]]) -> None:
        """Of these entries, those of `now` have its values, and no other."""
        for value, those in self._sets.items():
            if value not in now and those.intersect(changed):
                self._sets[value] = those - changed
        for value, numbers in now.items():
            self._sets[value] = self.get(value) - changed | FrozenBitMap(numbers)

    def dump(self) -> Iterator[tuple[Any, bytes]]:
        """For `load`: each value and its entries."""
        for value, those in self._sets.items():
            yield value, those.serialize()

    def load(self, value: Any, content: bytes) -> None:
        """Take in what `dump` gave."""
        self._sets[value] = FrozenBitMap.deserialize(content)
