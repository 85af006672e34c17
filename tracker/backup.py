"""Backups: the swarm's secrets and all rows in one sealed file, and a tracker made from one.

A backup is of one moment, also while the tracker runs, and knows nothing of engines. It is a row of
msgpack values: a head, then portions of rows (the table's name and each row's values), then None.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgpack
from sqlalchemy import Connection, Table

from tracker import swarm
from tracker.copying import COPIED, Portion, count_rows, fill_database, load_version, portions_of
from tracker.data_dir import DataDir, write_secret
from tracker.database import connect_database, open_database
from tracker.errors import DataDirectoryError
from tracker.sealed_file import read_sealed, write_sealed
from tracker.tracker import wall_clock

_BY_NAME = {table.name: table for table in COPIED}
_MOST_BUFFERED = 1 << 30


def write_backup(directory: DataDir, path: Path, passphrase: str) -> dict[str, int]:
    """Write a new file, whole or not at all; rows by table."""
    if path.exists():
        raise DataDirectoryError(f"{path} is there already")
    directory.check_made()
    database = connect_database(directory.place())
    try:
        with _new_file(path) as file:
            return database.read_now(lambda c: _write(c, directory, file, passphrase))
    finally:
        database.close()


def restore_backup(directory: DataDir, path: Path, passphrase: Callable[[], str]) -> dict[str, int]:
    """Make a tracker in a directory and database that have none; the caller holds its lock.

    Killed at any step it can be done again: the keys are put first, the rows in one transaction.
    """
    with path.open("rb") as file:
        values = _values(read_sealed(file, passphrase()))
        head = next(values)
        secrets = {directory.swarm_key: head["swarm"], directory.identity_key: head["identity"]}
        for place, secret in secrets.items():
            if place.exists() and place.read_bytes() != secret:
                raise DataDirectoryError(f"there is another tracker in {directory.root}")
        database = open_database(directory.place())
        try:
            found = database.read_now(load_version)
            if found != head["version"]:
                raise DataDirectoryError(
                    f"the backup is of version {head['version']} of the tables, and this program "
                    f"has {found}: restore it with the program that made it, then upgrade"
                )
            for place, secret in secrets.items():
                write_secret(place, secret)
            return database.write_now(lambda c: _fill(c, values, head["rows"], directory))
        finally:
            database.close()


def _write(
    connection: Connection, directory: DataDir, file: BinaryIO, passphrase: str
) -> dict[str, int]:
    rows = count_rows(connection)
    head = {
        "version": load_version(connection),
        "swarm": directory.swarm_key.read_bytes(),
        "identity": directory.identity_key.read_bytes(),
        "rows": rows,
    }

    def pieces() -> Iterator[bytes]:
        yield msgpack.packb(head)
        for table, some in portions_of(connection):
            yield msgpack.packb([table.name, some])
        yield msgpack.packb(None)

    write_sealed(file, passphrase, pieces())
    return rows


def _fill(
    connection: Connection,
    values: Iterator[Any],
    expected: dict[str, int],
    directory: DataDir,
) -> dict[str, int]:
    rows = fill_database(connection, _portions(values))
    if rows != expected:
        raise DataDirectoryError("the backup does not hold what it says: nothing is restored")
    # What came to pass after the backup was made, members give again.
    swarm.renew_epoch(connection, wall_clock())
    directory.keep_place(directory.place())
    return rows


def _portions(values: Iterator[Any]) -> Iterator[Portion]:
    for value in values:
        if value is None:
            # Only now is the whole file known to be as it was written.
            for _ in values:
                raise DataDirectoryError("the backup is damaged: it goes on behind its end")
            return
        name, rows = value
        table: Table = _BY_NAME[name]
        yield table, rows
    raise DataDirectoryError("the backup is damaged or not whole")


def _values(pieces: Iterator[bytes]) -> Iterator[Any]:
    unpacker = msgpack.Unpacker(max_buffer_size=_MOST_BUFFERED)
    for piece in pieces:
        unpacker.feed(piece)
        yield from unpacker


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """A file for its owner only that is there, and on disk, once it is whole."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
