"""What shown entries are found and sorted by, in memory: 200 bytes of each, read from the database.

A search brings it up to date first, with what transactions have noted since (`touched`): it knows
all that was on disk when the search began. One search at a time looks at it.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, select

from tracker import tables
from tracker.masks import mask_of
from tracker.ordered import Ordered
from tracker.possession import Possession
from tracker.rows import Row, portions, raw_rows
from tracker.touched import MOST, Notes, Touched

_MANY = 1_000
_MOST_REMEMBERED = 100
_keys = tables.search_keys
_NAMELESS = "  "
_COLUMNS = select(
    _keys.c.number,
    _keys.c.created,
    _keys.c.size,
    _keys.c.name,
    _keys.c.id,
    _keys.c.kind,
    _keys.c.author,
    _keys.c.copies,
    (_keys.c.named == _NAMELESS).label("nameless"),
)


class Shelf:
    """All shown entries. Use `held` to look at it."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._lock = threading.Lock()
        self._clear()

    @contextmanager
    def held(self, connection: Connection, now: int) -> Iterator["Shelf"]:
        """It, as new as the snapshot of `connection`, which has read nothing yet."""
        with self._lock:
            touched = self._notes.take()
            try:
                self._bring_up(connection, touched, now)
            except BaseException:
                # Half done: the next one reads everything.
                self._notes.add(Touched(everything=True))
                raise
            yield self

    def load(self, connection: Connection, now: int) -> None:
        """Be up to date, so that the first search need not wait."""
        with self.held(connection, now):
            return

    def mask(self, numbers: Sequence[int]) -> int:
        """The set of these entries, as far as they are shown."""
        if not numbers:
            return 0
        if max(numbers, default=0) >= self.length:
            numbers = [number for number in numbers if number < self.length]
        return mask_of(numbers, self.length) & self.shown

    def remembered(self, words: str, look: Callable[[], Sequence[int]]) -> int:
        """The entries that `look` finds by some words; what many have is looked up once."""
        known = self._remembered.get(words)
        if known is not None:
            return known
        numbers = look()
        found = self.mask(numbers)
        if len(numbers) > _MANY:
            while len(self._remembered) >= _MOST_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[words] = found
        return found

    def with_value(self, column: str, values: Iterable[Any]) -> int:
        """The entries whose kind or author is one of these."""
        found = 0
        for value in values:
            found |= self._values[column].get(value, 0)
        return found

    def value_masks(self, column: str) -> Mapping[Any, int]:
        """The entries by their value of a column: kind, author, copies or nameless."""
        return self._values[column]

    @property
    def length(self) -> int:
        """More than the highest number."""
        return len(self.ids)

    def _clear(self) -> None:
        self.ids: list[bytes] = []
        self.shown = 0
        self._remembered: dict[str, int] = {}
        self._created: list[int] = []
        self._sizes: list[int] = []
        self._names: list[str] = []
        self._values: dict[str, dict[Any, int]] = {}
        self.orders: dict[str, Ordered] = {}
        self.possession = Possession()

    def _bring_up(self, connection: Connection, touched: Touched, now: int) -> None:
        touched.add(Touched(manifests=self.possession.doubts_over(now)))
        if touched.everything:
            self._load(connection, now)
            return
        if not touched:
            return
        entries = set(touched.entries)
        for some in portions(sorted(touched.manifests)):
            naming = select(_keys.c.number).where(_keys.c.manifest.in_(some))
            entries |= set(connection.execute(naming).scalars())
        if len(entries) > MOST:
            self._load(connection, now)
            return
        if touched.entries:
            self._refresh(connection, sorted(touched.entries))
        self.possession.refresh(connection, sorted(entries), self.length, now)
        for peer in touched.peers:
            self.possession.load(connection, self.length, now, peer)

    def _load(self, connection: Connection, now: int) -> None:
        self._clear()
        values: dict[str, dict[Any, list[int]]] = _empty_values()
        numbers: list[int] = []
        for row in raw_rows(connection, _COLUMNS.order_by(_keys.c.number), many=True):
            self._put_columns(row)
            numbers.append(row[0])
            _put_values(values, row)
        self.shown = mask_of(numbers, self.length)
        self._values = {
            column: {value: mask_of(those, self.length) for value, those in by.items()}
            for column, by in values.items()
        }
        for column, keys in self._keys().items():
            in_order = select(_keys.c.number).order_by(_keys.c[column], _keys.c.id)
            ordered = (row[0] for row in raw_rows(connection, in_order, many=True))
            self.orders[column] = Ordered(keys, self.ids, ordered)
        self.possession.load(connection, self.length, now)

    def _refresh(self, connection: Connection, numbers: list[int]) -> None:
        self._remembered.clear()
        for number in numbers:
            if self.shown >> number & 1:
                for order in self.orders.values():
                    order.drop(number)
        keep = ~mask_of(numbers, max(numbers) + 1)
        values = _empty_values()
        there = []
        for some in portions(numbers):
            for row in raw_rows(connection, _COLUMNS.where(_keys.c.number.in_(some))):
                self._put_columns(row)
                _put_values(values, row)
                there.append(row[0])
        self.shown = self.shown & keep | mask_of(there, self.length)
        for column, by in self._values.items():
            for value in by.keys() | values[column].keys():
                by[value] = by.get(value, 0) & keep | mask_of(values[column][value], self.length)
        for number in there:
            for order in self.orders.values():
                order.put(number)

    def _put_columns(self, row: Row) -> None:
        number, created, size, name, entry = row[:5]
        short = number + 1 - len(self.ids)
        if short > 0:
            self.ids += [b""] * short
            self._created += [0] * short
            self._sizes += [0] * short
            self._names += [""] * short
        self.ids[number], self._created[number] = entry, created
        self._sizes[number], self._names[number] = size, name

    def _keys(self) -> dict[str, Sequence[Any]]:
        return {"created": self._created, "size": self._sizes, "name": self._names}


def _empty_values() -> dict[str, dict[Any, list[int]]]:
    return {name: defaultdict(list) for name in ("kind", "author", "copies", "nameless")}


def _put_values(values: dict[str, dict[Any, list[int]]], row: Row) -> None:
    number, *_, kind, author, copies, nameless = row
    values["kind"][kind].append(number)
    values["author"][author].append(number)
    values["copies"][copies].append(number)
    values["nameless"][nameless].append(number)
