"""The database: one connection that writes, a few that read, and the migrations.

Invariant: only the holder of the data directory's lock opens one, and writes happen one after the
other, each in one transaction that is on disk when it returns.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import trio
from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError

from tracker.errors import DataDirectoryError
from tracker.touched import Notes, take_notes

_READERS = 4
_MIGRATIONS = Path(__file__).parent / "migrations"
_T = TypeVar("_T")


class Database:
    """Work given to `write` and `read` is a function of a connection, run in a thread."""

    def __init__(self, writer: Engine, reader: Engine) -> None:
        self._writer = writer
        self._reader = reader
        self._writing = trio.Lock()
        self._reading = trio.CapacityLimiter(_READERS)
        self.notes = Notes()
        """What was changed of what searches keep in memory."""

    async def write(
        self, work: Callable[[Connection], _T], then: Callable[[_T], None] | None = None
    ) -> _T:
        """Do `work` in one transaction; `then` sees what it gave before the next write starts.

        So whatever `then` tells others, they hear in the order of the transactions.
        """
        async with self._writing:
            result = await trio.to_thread.run_sync(self.write_now, work)
            if then is not None:
                then(result)
            return result

    async def read(self, work: Callable[[Connection], _T]) -> _T:
        """Do `work` on one snapshot of the database."""
        return await trio.to_thread.run_sync(self.read_now, work, limiter=self._reading)

    def write_now(self, work: Callable[[Connection], _T]) -> _T:
        """As `write`, in this thread; not while tasks write."""
        with self._writer.begin() as connection:
            take_notes(connection)  # a transaction that failed may have left some
            result = work(connection)
            touched = take_notes(connection)
        self.notes.add(touched)
        return result

    def read_now(self, work: Callable[[Connection], _T]) -> _T:
        """As `read`, in this thread."""
        with self._reader.begin() as connection:
            return work(connection)

    def close(self) -> None:
        """Let go of the file."""
        self._reader.dispose()
        self._writer.dispose()


def open_database(path: Path) -> Database:
    """Open the SQLite database at `path`, bringing its tables up to date; it may be missing."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise DataDirectoryError(f"cannot open {path}: {error.strerror}") from None
    url = URL.create("sqlite", database=str(path))
    writer = create_engine(url, pool_size=1, max_overflow=0)
    reader = create_engine(url, pool_size=_READERS, max_overflow=0)
    _prepare(writer, "IMMEDIATE", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")
    _prepare(reader, "DEFERRED", "query_only=ON", "cache_size=-16384")
    try:
        with writer.begin() as connection:
            migrate(connection)
    except DatabaseError as error:
        raise DataDirectoryError(f"cannot open {path}: {error.orig}") from error
    return Database(writer, reader)


def migrate(connection: Connection) -> None:
    """Bring the tables up to date, within the transaction of `connection`."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _prepare(engine: Engine, begin: str, *pragmas: str) -> None:
    def connected(raw: Any, _record: object) -> None:
        # Python's own transaction control would commit before DDL and begin too late for reads.
        raw.isolation_level = None
        for pragma in ("busy_timeout=10000", *pragmas):
            raw.execute(f"PRAGMA {pragma}")

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(f"BEGIN {begin}")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
