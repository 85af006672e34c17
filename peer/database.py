"""The peer's SQLite file: what is held and where, records seen, addresses, the roster.

One connection, used in one thread at a time; every `run` is one transaction, durable when it
returns (`synchronous=FULL`).
"""

import os
import sqlite3
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import trio

from peer.errors import PeerError
from protocol.entry import read_record
from protocol.hashing import hash_tombstone

_T = TypeVar("_T")

_VERSION_1 = """
CREATE TABLE contents (
    manifest BLOB PRIMARY KEY,
    encoded BLOB NOT NULL,
    path TEXT,             -- where the user keeps it; NULL: in our own content file
    pieces INTEGER NOT NULL,
    size INTEGER NOT NULL, -- bytes of stored content
    bits BLOB,             -- NULL: all pieces
    trashed INTEGER        -- milliseconds since 1970; NULL: in use
) WITHOUT ROWID;
CREATE TABLE stats (       -- how the user's files looked when their pieces were verified
    manifest BLOB NOT NULL REFERENCES contents ON DELETE CASCADE,
    file INTEGER NOT NULL,
    size INTEGER NOT NULL,
    mtime INTEGER NOT NULL, -- nanoseconds
    PRIMARY KEY (manifest, file)
) WITHOUT ROWID;
CREATE TABLE records (
    entry BLOB PRIMARY KEY,
    manifest BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    copies INTEGER NOT NULL, -- 0 when dead
    published INTEGER NOT NULL,
    body BLOB NOT NULL,
    signature BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX records_by_manifest ON records (manifest);
CREATE INDEX records_to_publish ON records (published) WHERE published = 0;
CREATE TABLE addresses (
    peer BLOB PRIMARY KEY,
    addresses TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""
_VERSION_2 = """
ALTER TABLE contents ADD COLUMN passing INTEGER NOT NULL DEFAULT 0; -- see Content.passing
CREATE TABLE notices (     -- which of a user's shared files have changed
    manifest BLOB PRIMARY KEY,
    noticed INTEGER NOT NULL, -- milliseconds since 1970
    path TEXT NOT NULL,
    files INTEGER NOT NULL,
    changed BLOB NOT NULL,    -- one bit a file, as in a bitfield
    names TEXT NOT NULL       -- of a few of them, a line each
) WITHOUT ROWID;
"""
# A row without ROWID is read and written whole, and that of a content is touched for every batch of
# pieces, and once for each row of `stats` that refers to it.
_VERSION_3 = """
CREATE TABLE manifests (
    manifest BLOB PRIMARY KEY REFERENCES contents ON DELETE CASCADE,
    encoded BLOB NOT NULL
);
INSERT INTO manifests SELECT manifest, encoded FROM contents;
ALTER TABLE contents DROP COLUMN encoded;
"""
# A row for each file of a folder took longer to write than the files of some take to be copied.
_VERSION_4 = """
CREATE TABLE file_stats (  -- how the user's files looked when their pieces were verified
    manifest BLOB PRIMARY KEY REFERENCES contents ON DELETE CASCADE,
    files INTEGER NOT NULL,
    packed BLOB NOT NULL   -- see peer/store/file_stats.py
);
INSERT INTO file_stats
    SELECT manifest, count(*), pack_stats(file, size, mtime) FROM stats GROUP BY manifest;
DROP TABLE stats;
"""
_VERSION_5 = """
CREATE TABLE scrubbed (    -- when each content was last read through
    manifest BLOB PRIMARY KEY,
    read INTEGER NOT NULL  -- milliseconds since 1970
) WITHOUT ROWID;
CREATE TABLE faults (      -- what went wrong with what is kept; see peer.faults
    kind TEXT NOT NULL,
    about BLOB NOT NULL,
    day INTEGER NOT NULL,  -- since 1970
    subject TEXT NOT NULL,
    count INTEGER NOT NULL,
    noticed INTEGER NOT NULL, -- milliseconds since 1970
    PRIMARY KEY (kind, about, day)
) WITHOUT ROWID;
"""
_VERSION_6 = """
ALTER TABLE records ADD COLUMN deleted_body BLOB;      -- of a tombstone: the entry it deleted
ALTER TABLE records ADD COLUMN deleted_signature BLOB;
CREATE INDEX contents_in_trash ON contents (trashed) WHERE trashed IS NOT NULL;
CREATE TABLE held_tombstones ( -- deletions that wait for approval
    entry BLOB PRIMARY KEY,
    signer BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    since INTEGER NOT NULL,    -- milliseconds since 1970
    published INTEGER NOT NULL,
    body BLOB NOT NULL,
    signature BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX held_tombstones_by_signer ON held_tombstones (signer);
CREATE TABLE deletions (       -- what was deleted lately without anybody's approval
    entry BLOB PRIMARY KEY,
    signer BLOB NOT NULL,
    moment INTEGER NOT NULL    -- milliseconds since 1970
) WITHOUT ROWID;
CREATE TABLE approvals (
    signature BLOB PRIMARY KEY,
    body BLOB NOT NULL,
    kept INTEGER NOT NULL,     -- milliseconds since 1970
    published INTEGER NOT NULL
);
CREATE TABLE verdicts (        -- what approvals say of tombstones, by hash
    tombstone BLOB NOT NULL,
    deleter BLOB NOT NULL,
    approved INTEGER NOT NULL,
    PRIMARY KEY (tombstone, deleter)
) WITHOUT ROWID;
"""
_VERSION_7 = """
CREATE TABLE events (          -- the newest 200; see peer.events
    number INTEGER PRIMARY KEY,
    moment INTEGER NOT NULL,   -- milliseconds since 1970
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    about BLOB NOT NULL
);
"""
_VERSION_8 = """
CREATE TABLE former (          -- what entries named before; see peer.former
    entry BLOB NOT NULL,
    manifest BLOB NOT NULL,
    sequence INTEGER NOT NULL, -- of the entry when it named that
    signer BLOB NOT NULL,      -- of what took it away, at this moment:
    moment INTEGER NOT NULL,   -- milliseconds since 1970
    body BLOB NOT NULL,
    signature BLOB NOT NULL,
    PRIMARY KEY (entry, manifest)
) WITHOUT ROWID;
CREATE INDEX former_by_manifest ON former (manifest);
CREATE INDEX former_by_moment ON former (moment);
INSERT INTO former
    SELECT entry, field_of(deleted_body, 'manifest'), field_of(deleted_body, 'sequence'),
        field_of(body, 'signer'), field_of(body, 'deleted'), deleted_body, deleted_signature
    FROM records WHERE deleted_body IS NOT NULL;
ALTER TABLE records DROP COLUMN deleted_body;
ALTER TABLE records DROP COLUMN deleted_signature;
ALTER TABLE held_tombstones ADD COLUMN hash BLOB NOT NULL DEFAULT x''; -- as in `verdicts`
ALTER TABLE held_tombstones ADD COLUMN rejected INTEGER NOT NULL DEFAULT 0;
UPDATE held_tombstones SET hash = hash_tombstone(body);
CREATE INDEX held_tombstones_by_hash ON held_tombstones (hash);
DROP INDEX held_tombstones_by_signer;
CREATE INDEX held_tombstones_waiting ON held_tombstones (signer, rejected, since);
ALTER TABLE verdicts ADD COLUMN decided INTEGER NOT NULL DEFAULT 0; -- milliseconds since 1970
UPDATE verdicts SET decided = strftime('%s', 'now') * 1000;
CREATE INDEX verdicts_by_age ON verdicts (decided);
"""
_VERSION_9 = """
CREATE TABLE unwanted (        -- what `twofold drop` gave up; see peer/swarm/handing_on.py
    manifest BLOB PRIMARY KEY,
    since INTEGER NOT NULL     -- milliseconds since 1970
) WITHOUT ROWID;
"""
_VERSION_10 = """
ALTER TABLE records ADD COLUMN rendition INTEGER NOT NULL DEFAULT 0; -- also of its tombstone
"""
_VERSION_11 = """
ALTER TABLE addresses ADD COLUMN proven TEXT NOT NULL DEFAULT '[]'; -- where its key was proven
ALTER TABLE records ADD COLUMN told INTEGER NOT NULL DEFAULT 0; -- see peer/rollbacks.py
"""
_MIGRATIONS = [
    _VERSION_1,
    _VERSION_2,
    _VERSION_3,
    _VERSION_4,
    _VERSION_5,
    _VERSION_6,
    _VERSION_7,
    _VERSION_8,
    _VERSION_9,
    _VERSION_10,
    _VERSION_11,
]
_DISK_ERRORS = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY)


class _PackStats:
    """The aggregate of version 4: number, size and time of files, 24 bytes each."""

    def __init__(self) -> None:
        self._rows: list[bytes] = []

    def step(self, *row: int) -> None:
        self._rows.append(struct.pack("<qqq", *row))

    def finalize(self) -> bytes:
        return b"".join(self._rows)


class Database:
    """Open with `open_database`; `run` from trio, `connection` only inside it or at start."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._limiter = trio.CapacityLimiter(1)
        self._lock = threading.RLock()
        self._closed = False

    async def run(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Run `work` as one transaction in the database's thread; not cancelled half-way.

        PeerError when the disk is full or fails.
        """
        try:
            return await trio.to_thread.run_sync(self.run_sync, work, limiter=self._limiter)
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DISK_ERRORS:
                raise
            raise PeerError(f"the database cannot be written: {error}") from None

    def run_sync(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """The same, where no event loop is needed."""
        with self._lock:
            if self._closed:
                raise PeerError("the database is closed")
            with self.connection:
                self.connection.execute("BEGIN IMMEDIATE")
                return work(self.connection)

    def read_sync(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Read without a transaction, in whatever thread."""
        with self._lock:
            if self._closed:
                raise PeerError("the database is closed")
            return work(self.connection)

    def close(self) -> None:
        """Close the file, when the work under way is done: SQLite crashes under closed feet."""
        with self._lock:
            self._closed = True
            self.connection.close()


def open_database(path: Path) -> Database:
    """Open and bring up to date. PeerError when the file is damaged or of a newer version."""
    try:
        # Made first, as SQLite would let others read it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        _migrate(connection)
    except (sqlite3.DatabaseError, OSError) as error:
        raise PeerError(f"the database {path} cannot be used: {error}") from None
    return Database(connection)


def _migrate(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(_MIGRATIONS):
        raise PeerError("the database was written by a newer twofold; update this machine")
    # Declared for aggregates of numbers only.
    connection.create_aggregate("pack_stats", 3, _PackStats)  # type: ignore[arg-type]
    connection.create_function("hash_tombstone", 1, hash_tombstone)
    connection.create_function("field_of", 2, lambda body, name: getattr(read_record(body), name))
    for number in range(version, len(_MIGRATIONS)):
        connection.executescript(
            f"BEGIN;{_MIGRATIONS[number]};PRAGMA user_version={number + 1};COMMIT;"
        )
