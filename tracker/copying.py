"""Whole databases, row by row, whichever engine they are in: between two, or to and from a backup.

What searches are answered from is not copied but made anew: each engine has its own.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select, text

from protocol.entry import Entry, is_rendition, read_record
from tracker import search_index, tables
from tracker.database import Database
from tracker.errors import DataDirectoryError
from tracker.rows import Row, raw_rows
from tracker.touched import take_notes

AT_ONCE = 500
_MOST_BYTES = 4 << 20
COPIED: tuple[Table, ...] = tuple(
    table
    for table in tables.metadata.sorted_tables
    if table is not tables.search_keys and table not in tables.OF_TRACKERS
)
"""In an order in which what rows refer to is there before them."""

Portion = tuple[Table, list[Row]]


def copy_database(source: Database, target: Database) -> dict[str, int]:
    """Put all of a database into an empty one, in one transaction; rows by table, as checked."""

    def fill(into: Connection) -> dict[str, int]:
        return source.read_now(lambda out_of: copy(out_of, into))

    def copy(out_of: Connection, into: Connection) -> dict[str, int]:
        found = fill_database(into, portions_of(out_of))
        if found != count_rows(out_of):
            raise DataDirectoryError("not all rows have arrived: nothing is changed")
        return found

    return target.write_now(fill)


def portions_of(connection: Connection) -> Iterator[Portion]:
    """All rows, some hundreds at a time, and of large ones fewer."""
    for table in COPIED:
        portion: list[Row] = []
        size = 0
        for row in raw_rows(connection, select(table), many=True):
            portion.append(row)
            size += sum(len(value) for value in row if isinstance(value, bytes))
            if len(portion) == AT_ONCE or size > _MOST_BYTES:
                yield table, portion
                portion, size = [], 0
        if portion:
            yield table, portion


def fill_database(connection: Connection, portions: Iterable[Portion]) -> dict[str, int]:
    """Put rows into a database that is empty, and make them findable; rows by table."""
    if connection.execute(select(tables.swarm.c.id)).first() is not None:
        raise DataDirectoryError("there is a swarm in that database already")
    for table, rows in portions:
        names = table.columns.keys()
        connection.execute(insert(table), [dict(zip(names, row, strict=True)) for row in rows])
    _index_everything(connection)
    # Nobody has read anything of it yet, and its numbers are those of where it comes from.
    take_notes(connection)
    return count_rows(connection)


def count_rows(connection: Connection) -> dict[str, int]:
    """How many rows each table has, that of what is searched too."""
    return {
        table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in (*COPIED, tables.search_keys)
    }


def load_version(connection: Connection) -> str:
    """The version of the tables."""
    found: str = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    return found


def _index_everything(connection: Connection) -> None:
    entries, members = tables.entries, tables.members
    names = {
        row.peer: row.name for row in connection.execute(select(members.c.peer, members.c.name))
    }
    columns = (entries.c.number, entries.c.body, entries.c.author)
    shown = select(*columns).where(entries.c.shown).order_by(entries.c.number).limit(AT_ONCE)
    last = -1
    while rows := connection.execute(shown.where(entries.c.number > last)).all():
        last = rows[-1].number
        added: list[tuple[int, Entry, str]] = []
        for row in rows:
            record: Any = read_record(row.body)
            if isinstance(record, Entry) and not is_rendition(record):
                added.append((row.number, record, names.get(row.author, "")))
        if added:
            search_index.put_new(connection, added)
