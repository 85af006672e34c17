"""The two engines: how each is connected to, and what differs but for the index of words.

Invariant: on both, a write sees all writes before it and no other goes on beside it, and a read has
one snapshot, which begins with its first question. What only looks rows up has that on SQLite; on
PostgreSQL each of its questions has its own.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from tracker.aside import Aside
from tracker.database_place import Place
from tracker.errors import DataDirectoryError
from tracker.news import begin_news
from tracker.notes import CHANNEL, NOTIFIES, SharedNotes, write_note
from tracker.touched import Notes, Touched

if TYPE_CHECKING:
    import psycopg

READERS = 4
_WRITER_MEMORY = ("cache_size=-32768", "wal_autocheckpoint=32000", "temp_store=MEMORY")
"""32 MiB of pages, and 128 MiB in the log before it goes to its place: new rows lie all over the
tables, so that with the 2 and 4 MiB of SQLite each page is read and written many times. What undoes
a statement of many rows is in memory, and not in a file in /tmp, which may be small."""
_PATIENCE = 10_000
"""Milliseconds in which another program may be done with a file."""
_MIGRATING = 0x74776F666F6C64
"""The advisory lock of migrations: "twofold"."""
_LOCK_WRITES = text("SELECT id FROM swarm FOR UPDATE")
_SETTINGS: dict[str, Any] = {
    "application_name": "twofold-tracker",
    "client_encoding": "utf8",
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "tcp_user_timeout": 15_000,
    # What is prepared is planned without its words; poolers do not know it either.
    "prepare_threshold": None,
}
_ENOUGH_MEMORY = """
SELECT set_config('work_mem', '32MB', false)
WHERE pg_size_bytes(current_setting('work_mem')) < pg_size_bytes('32MB')
"""
"""With less it forgets which rows of a page it has found, and looks at all again."""
_READ_ONLY = "SET default_transaction_read_only = on"
_AHEAD = "SET effective_io_concurrency = 64"
"""Rows that are looked up lie all over the disk: so many are read at once."""
_JIT = "SET jit = off"
"""It takes a tenth of a second, whenever a plan seems costly, as what is off does."""
_BITMAPS = "SET enable_seqscan = off; SET enable_indexscan = off"
"""Else what nearly all entries have is looked for in each row, which takes ten times as long: the
planner thinks that taking terms apart costs nothing; and rows of a page are read one by one."""
_AGAIN = frozenset({"40001", "40P01"})
"""Serialization failures, which engines of several machines have, and deadlocks."""


@dataclass(frozen=True)
class Engines:
    """One database: `writer` has one connection, `reader` a few.

    `looker` has a few more to look up rows by indexes and in no order, each question a snapshot of
    its own; None where `reader` does that as well.
    """

    writer: Engine
    reader: Engine
    looker: Engine | None
    lock_writes: Callable[[Connection], None]
    """Called first in each transaction that writes."""
    lock_migration: Callable[[Connection], None]
    tell_others: Callable[[Connection, Touched], None]
    """Called last in each transaction that writes, with what it has touched."""
    notes: Notes
    """What was changed of what searches keep in memory."""
    aside: "Aside | None" = None
    """What trackers say to one another here; None where there can be one alone."""

    def dispose(self) -> None:
        """Let go of it."""
        if self.aside is not None:
            self.aside.close()
        if self.looker is not None:
            self.looker.dispose()
        self.reader.dispose()
        self.writer.dispose()


def open_engines(place: Place) -> Engines:
    """Connect to nothing yet, but make a missing file."""
    return _sqlite(place) if isinstance(place, Path) else _postgres(place)


def is_away(error: DBAPIError) -> bool:
    """Whether the server cannot be reached or is not able to; what was asked may be right."""
    from_server = isinstance(error, OperationalError) and hasattr(error.orig, "sqlstate")
    return error.connection_invalidated or from_server


def is_to_repeat(error: DBAPIError) -> bool:
    """Whether the same transaction may succeed when it is tried again."""
    return getattr(error.orig, "sqlstate", None) in _AGAIN


def _sqlite(path: Path) -> Engines:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise DataDirectoryError(f"cannot open {path}: {error.strerror}") from None
    url = URL.create("sqlite", database=str(path))
    writer = create_engine(url, pool_size=1, max_overflow=0)
    # The one that was used last has what is read often in its memory.
    reader = create_engine(url, pool_size=READERS, max_overflow=0, pool_use_lifo=True)
    settings = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")
    _prepare(writer, "IMMEDIATE", *settings, *_WRITER_MEMORY)
    _prepare(reader, "DEFERRED", "query_only=ON", "cache_size=-65536", "mmap_size=2147418112")
    return Engines(writer, reader, None, _nothing, _nothing, _count, Notes())


def _prepare(engine: Engine, begin: str, *pragmas: str) -> None:
    def connected(raw: Any, _record: object) -> None:
        # Python's own transaction control would commit before DDL and begin too late for reads.
        raw.isolation_level = None
        for pragma in (f"busy_timeout={_PATIENCE}", *pragmas):
            raw.execute(f"PRAGMA {pragma}")

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(f"BEGIN {begin}")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)


def _postgres(url: URL) -> Engines:
    settings = {key: value for key, value in _SETTINGS.items() if key not in url.query}
    options: dict[str, Any] = {"connect_args": settings, "max_overflow": 0}
    writer = create_engine(url, pool_size=1, pool_pre_ping=True, **options)
    # As with SQLite: what was asked last knows the tables.
    options |= {"pool_size": READERS, "pool_use_lifo": True}
    reader = create_engine(url, pool_pre_ping=True, **options)
    # No question but those that are asked: each takes as long as finding a few rows.
    looker = create_engine(url, isolation_level="AUTOCOMMIT", **options)
    event.listen(writer, "connect", _prepare_writer)
    event.listen(reader, "connect", _prepare_reader)
    event.listen(looker, "connect", _prepare_looker)
    aside = Aside(create_engine(url, poolclass=NullPool, connect_args=settings))
    return Engines(
        writer,
        reader,
        looker,
        _lock_swarm,
        _lock_migration,
        write_note,
        SharedNotes(),
        aside,
    )


def _prepare_writer(raw: "psycopg.Connection[Any]", record: Any) -> None:
    # Here, as it takes 8 MB that a tracker on SQLite need not have.
    import psycopg

    # After the wait for its lock a write must see what the one before has left.
    raw.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    # A tracker that hangs, or is cut off, must not keep the lock from others for long.
    raw.execute("SET idle_in_transaction_session_timeout = '60s'")
    raw.commit()
    # Not all that speak PostgreSQL's language can: others are asked for news every second.
    try:
        raw.execute("SELECT pg_notify(%s, '')", (CHANNEL,))
        raw.commit()
        record.info[NOTIFIES] = True
    except psycopg.DatabaseError:
        raw.rollback()
        record.info[NOTIFIES] = False


def _prepare_reader(raw: "psycopg.Connection[Any]", _record: Any) -> None:
    import psycopg

    raw.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    _set(raw, _ENOUGH_MEMORY, _AHEAD, _JIT)
    raw.read_only = True


def _prepare_looker(raw: "psycopg.Connection[Any]", _record: Any) -> None:
    _set(raw, _ENOUGH_MEMORY, _AHEAD, _JIT, _BITMAPS, _READ_ONLY)


def _set(raw: "psycopg.Connection[Any]", *settings: str) -> None:
    """Not all that speak PostgreSQL's language know of these."""
    import psycopg

    for each in settings:
        try:
            raw.execute(each)
            raw.commit()
        except psycopg.DatabaseError:
            raw.rollback()


def _lock_swarm(connection: Connection) -> None:
    begin_news(connection)
    connection.execute(_LOCK_WRITES)


def _lock_migration(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATING})
    encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    if encoding != "UTF8":
        raise DataDirectoryError(f"the database must have the encoding UTF8, not {encoding}")


def _nothing(_connection: Connection) -> None:
    return


def _count(connection: Connection, touched: Touched) -> None:
    if touched:
        connection.exec_driver_sql("UPDATE swarm SET touched = touched + 1")
