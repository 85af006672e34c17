"""What was last read of entries, by their numbers, up to so many bytes. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Recent(Generic[_T]):
    """`size` tells the bytes of one; what was not asked for the longest is the first to go."""

    def __init__(self, most: int, size: Callable[[_T], int]) -> None:
        self._most = most
        self._size = size
        self._kept: dict[int, _T] = {}
        self._bytes = 0

    def get(self, numbers: Iterable[int]) -> tuple[dict[int, _T], list[int]]:
        """What there is of some entries, and of which there is nothing."""
        kept, found, lacking = self._kept, {}, []
        for number in numbers:
            one = kept.pop(number, None)
            if one is None:
                lacking.append(number)
            else:
                found[number] = kept[number] = one
        return found, lacking

    def put(self, read: Mapping[int, _T]) -> None:
        """Keep what was read."""
        self.forget(read)
        self._kept.update(read)
        self._bytes += sum(map(self._size, read.values()))
        while self._bytes > self._most:
            self._bytes -= self._size(self._kept.pop(next(iter(self._kept))))

    def forget(self, numbers: Iterable[int]) -> None:
        """These have changed."""
        for number in numbers:
            one = self._kept.pop(number, None)
            if one is not None:
                self._bytes -= self._size(one)


def get_all(
    recent: Recent[_T], numbers: Iterable[int], read: Callable[[list[int]], Mapping[int, _T]]
) -> dict[int, _T]:
    """What there is of some entries, reading what is not in memory."""
    found, lacking = recent.get(numbers)
    if lacking:
        more = read(lacking)
        recent.put(more)
        found |= more
    return found
