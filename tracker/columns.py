"""What entries are sorted by, by their numbers, in arrays: some 60 bytes of each. Pure."""

from array import array
from collections.abc import Callable
from typing import Any

_ID = 16


class Columns:
    """Times, sizes, names and ids. A name that changes leaves its old text behind."""

    def __init__(self) -> None:
        self.ids = bytearray()
        self.created = array("q")
        self.sizes = array("q")
        self.texts = bytearray()
        """The names, one after the other."""
        self.begins = array("Q")
        self.lengths = array("H")
        """Where in `texts` each name is."""

    def __len__(self) -> int:
        return len(self.created)

    def put(self, number: int, created: int, size: int, name: str, entry: bytes) -> None:
        """Keep these of an entry."""
        short = number + 1 - len(self)
        if short > 0:
            self._grow(short)
        text = name.encode()
        self.ids[number * _ID : number * _ID + _ID] = entry
        self.created[number], self.sizes[number] = created, size
        self.begins[number], self.lengths[number] = len(self.texts), len(text)
        self.texts += text

    def id(self, number: int) -> bytes:
        """The id of an entry."""
        return bytes(self.ids[number * _ID : number * _ID + _ID])

    def name(self, number: int) -> str:
        """What names are sorted by."""
        begins = self.begins[number]
        return self.texts[begins : begins + self.lengths[number]].decode()

    def by(self, column: str) -> "Key":
        """What an order by one of them needs to know."""
        return Key(self._keys()[column], self.id)

    def _keys(self) -> dict[str, Callable[[int], Any]]:
        return {
            "created": lambda number: self.created[number],
            "size": lambda number: self.sizes[number],
            "name": self.name,
        }

    def _grow(self, by: int) -> None:
        self.ids += bytes(by * _ID)
        for column in (self.created, self.sizes, self.begins, self.lengths):
            column.frombytes(bytes(by * column.itemsize))


class Key:
    """Key and id of entries by their numbers."""

    def __init__(self, key: Callable[[int], Any], entry: Callable[[int], bytes]) -> None:
        self.key = key
        self._entry = entry

    def place(self, number: int) -> tuple[Any, bytes]:
        """Key and id."""
        return self.key(number), self._entry(number)
