"""What shown entries are found and sorted by, in memory: 220 bytes of each, read from the database.

A search brings it up to date first, with what transactions have noted since (`touched`): it knows
all that this tracker had on disk when the search began, and what others on its database wrote as
far as it heard of that. One search at a time looks at it. With it lies what was read of entries.
"""

import threading
from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from sys import getsizeof
from typing import Any

from pyroaring import FrozenBitMap
from sqlalchemy import Connection, select

from protocol.ids import PeerId
from tracker import search_index, tables
from tracker.columns import Columns
from tracker.kept_shelf import KeptShelf
from tracker.ordered import Ordered
from tracker.possession import Possession
from tracker.recent import Recent
from tracker.remembered import Remembered
from tracker.rows import Row, portions, raw_rows
from tracker.sets import Sets
from tracker.shown_rows import ShownRow
from tracker.snapshot import NotInMemoryError, Snapshot
from tracker.text_store import TextStore
from tracker.touched import MOST, Notes, Touched

_keys = tables.search_keys
_NAMELESS = "  "
_MANY_PEERS = 50
"""If more have changed all is read again, which takes as long."""
_ROWS = 32 << 20
_NAMED = 12 << 20
"""Bytes of what is read of entries that were found, and of the spaced words of their names."""
_TEXTS, _INSIDE = 128 << 20, 64 << 20
"""Bytes of what entries say of themselves, and of the names in folders."""
_OF_A_NUMBER = 130
_MOST_CALLED = 1_000
_SETS = ("kind", "author", "copies", "nameless")
_ORDERS = ("created", "size", "name")
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
    """All shown entries. Use `held` to look at it; `kept` is where it lies between two runs."""

    def __init__(self, notes: Notes, kept: KeptShelf | None = None) -> None:
        self._notes = notes
        self._kept = kept
        self._lock = threading.Lock()
        self.version = 0
        """Rises with each change."""
        self._clear()

    @contextmanager
    def held(self, snapshot: Snapshot, now: int) -> Iterator["Shelf"]:
        """It, at least as new as what this tracker has written and was told of by others.

        Of the snapshot nothing was read yet; it may be newer.
        """
        with self._lock:
            if not self._is_new(now):
                self._catch_up(snapshot.whole, now)
            yield self

    @contextmanager
    def held_as_it_is(self, now: int) -> Iterator["Shelf"]:
        """It, if that is new and can be looked at without waiting; NotInMemoryError otherwise."""
        if not self._lock.acquire(blocking=False):
            raise NotInMemoryError
        try:
            if not self._is_new(now):
                raise NotInMemoryError
            yield self
        finally:
            self._lock.release()

    def load(self, snapshot: Snapshot, now: int) -> None:
        """Be up to date, so that the first search need not wait."""
        with self.held(snapshot, now):
            return

    def cut_orders(self, snapshot: Snapshot, now: int) -> None:
        """Prepare for wide ranges, which takes a moment of many entries."""
        with self.held(snapshot, now):
            for order in self.orders.values():
                order.get_ready()

    def keep(self, connection: Connection, now: int) -> None:
        """Write it down for the next start; while nothing else is written to the database."""
        if self._kept is not None and self.length:
            with self._lock:
                # Also what others wrote a moment ago, of which nothing was heard yet.
                self._catch_up(connection, now)
                self._kept.write(connection, self)

    def keep_read(
        self, rows: Mapping[int, ShownRow], inside: Mapping[int, str], version: int
    ) -> None:
        """Remember what was read when the shelf was of a version, unless it has changed since."""
        lasting = {number: row for number, row in rows.items() if not row.passing}
        with self._lock:
            if version == self.version:
                self.rows.put(lasting)
                self.inside.put_read(inside)

    def remember_called(self, called: str, peers: Sequence[PeerId]) -> None:
        """Remember which machines have a name."""
        if len(self.called) >= _MOST_CALLED:
            self.called.clear()
        self.called[called] = peers

    def order(self, snapshot: Snapshot, column: str) -> Ordered:
        """The entries in the order of a column."""
        ordered = self.orders[column]
        if not ordered.ready:
            snapshot.take_time()
        return ordered

    def those(self, numbers: Sequence[int]) -> FrozenBitMap:
        """The set of these entries, as far as they are shown."""
        return FrozenBitMap(numbers) & self.shown

    def found_by(self, word: str, look: Callable[[], Sequence[int]]) -> FrozenBitMap:
        """The entries that `look` finds by a word; what many have is looked up once."""
        return self.remembered.find(word, look, self.length) & self.shown

    def with_value(self, column: str, values: Iterable[Any]) -> FrozenBitMap:
        """The entries whose kind or author is one of these."""
        those = self.sets[column]
        return FrozenBitMap.union(FrozenBitMap(), *(those.get(value) for value in values))

    @property
    def length(self) -> int:
        """More than the highest number."""
        return len(self.columns)

    def put_orders(self, numbers: Mapping[str, Iterable[int]]) -> None:
        """The entries in each order; of the columns as they are."""
        self.orders = {
            column: Ordered(self.columns.by(column), numbers[column]) for column in _ORDERS
        }

    def _clear(self) -> None:
        self.columns = Columns()
        self.shown = FrozenBitMap()
        self.sets = {name: Sets() for name in _SETS}
        self.put_orders(defaultdict(tuple))
        self.remembered = Remembered()
        self.possession = Possession()
        self.texts, self.inside = TextStore(_TEXTS), TextStore(_INSIDE)
        self.named = Recent[str](_NAMED, _bytes_of)
        self._forget_peers()

    def _forget_peers(self) -> None:
        self.rows = Recent[ShownRow](_ROWS, ShownRow.bytes)
        self.called: dict[str, Sequence[PeerId]] = {}
        """Machines by the names that were asked for."""

    def _forget_read(self, entries: Collection[int]) -> None:
        self.rows.forget(entries)
        self.named.forget(entries)

    def _is_new(self, now: int) -> bool:
        return self._notes.quiet() and not self.possession.any_doubt_over(now)

    def _catch_up(self, connection: Connection, now: int) -> None:
        touched = self._notes.take(connection)
        touched.add(Touched(manifests=self.possession.doubts_over(now)))
        try:
            if touched:
                self._bring_up(connection, touched, now)
        except BaseException:
            # Half done: the next one reads everything.
            self._notes.add(Touched(everything=True))
            raise

    def _bring_up(self, connection: Connection, touched: Touched, now: int) -> None:
        self.version += 1
        if touched.everything or len(touched.peers) > _MANY_PEERS:
            self._load(connection, now)
            return
        entries = set(touched.entries)
        for some in portions(sorted(touched.manifests)):
            naming = select(_keys.c.number).where(_keys.c.manifest.in_(some))
            entries |= set(connection.execute(naming).scalars())
        if len(entries) > MOST:
            self._load(connection, now)
            return
        self._forget_read(entries)
        if touched.entries:
            self._refresh(connection, sorted(touched.entries))
        self.possession.refresh(connection, sorted(entries), now)
        for peer in touched.peers:
            self.possession.load(connection, now, peer)
        if touched.peers:
            self._forget_peers()
            self.possession.load_parts(connection)

    def _load(self, connection: Connection, now: int) -> None:
        self._clear()
        kept = self._kept
        if kept is not None and kept.read(connection, self):
            self._bring_up(connection, Touched(), now)
            return
        self._clear()
        self._read_columns(connection)
        self.possession.load(connection, now)
        self.possession.load_parts(connection)
        if kept is not None:
            kept.write(connection, self)

    def _read_columns(self, connection: Connection) -> None:
        values = _empty_values()
        numbers = array("I")
        for row in raw_rows(connection, _COLUMNS.order_by(_keys.c.number), many=True):
            self.columns.put(*row[:5])
            _put_values(values, row)
            numbers.append(row[0])
        self.shown = FrozenBitMap(numbers)
        for column, by in values.items():
            for value, those in by.items():
                self.sets[column].put(value, those)
        self.put_orders({column: _in_order(connection, column) for column in _ORDERS})
        for store, texts in (
            (self.texts, search_index.all_texts),
            (self.inside, search_index.all_texts_inside),
        ):
            with closing(texts(connection)) as rows:
                all(store.put(number, text) for number, text in rows)

    def _refresh(self, connection: Connection, numbers: list[int]) -> None:
        changed = FrozenBitMap(numbers)
        was_shown = list(self.shown & changed)
        for order in self.orders.values():
            order.drop(was_shown)
        values = _empty_values()
        there = []
        for some in portions(numbers):
            for row in raw_rows(connection, _COLUMNS.where(_keys.c.number.in_(some))):
                self.columns.put(*row[:5])
                _put_values(values, row)
                there.append(row[0])
        self.shown = self.shown - changed | FrozenBitMap(there)
        for column, by in values.items():
            self.sets[column].change(changed, by)
        for order in self.orders.values():
            order.put(there)
        texts = search_index.texts_of(connection, there)
        self.remembered.change(numbers, texts)
        self.texts.forget([number for number in numbers if number not in texts])
        for number, each in texts.items():
            self.texts.put(number, each.text)
        inside = {number: each.inside for number, each in texts.items() if each.inside}
        self.inside.forget([number for number in numbers if number not in inside])
        for number, names in inside.items():
            self.inside.put(number, names)


def _bytes_of(text: str) -> int:
    return getsizeof(text) + _OF_A_NUMBER


def _in_order(connection: Connection, column: str) -> Iterator[int]:
    in_order = select(_keys.c.number).order_by(_keys.c[column], _keys.c.id)
    return (row[0] for row in raw_rows(connection, in_order, many=True))


def _empty_values() -> "dict[str, dict[Any, array[int]]]":
    return {name: defaultdict(_no_numbers) for name in _SETS}


def _no_numbers() -> "array[int]":
    return array("I")


def _put_values(values: "dict[str, dict[Any, array[int]]]", row: Row) -> None:
    number, *_, kind, author, copies, nameless = row
    values["kind"][kind].append(number)
    values["author"][author].append(number)
    values["copies"][copies].append(number)
    values["nameless"][nameless].append(number)
