"""The data directory and the database in it: whose they are, damaged, older, newer."""

import os
import sqlite3
import stat
from pathlib import Path

import pytest
import trio
from peer_net import Clock, SwarmOfPeers

from peer.data_dir import DataDir, write_private
from peer.database import _MIGRATIONS, Database, open_database
from peer.errors import InUseError, NotJoinedError, PeerError
from peer.store.file_stats import read_stats
from peer.store.splitter import FileStat
from protocol.ids import ManifestId, PeerId

M1, M2 = ManifestId(b"1" * 32), ManifestId(b"2" * 32)
PEER = PeerId(b"p" * 32)


# The data directory


def test_a_second_lock_is_refused(directory: DataDir) -> None:
    lock = directory.lock()
    with pytest.raises(InUseError, match="already running"):
        directory.lock()
    os.close(lock)
    os.close(directory.lock())


def test_secrets_are_for_their_owner_only(tmp_path: Path, swarm: SwarmOfPeers) -> None:
    mask = os.umask(0)
    try:
        swarm.join(tmp_path / "data", "nas")
        directory = DataDir(tmp_path / "data")
        os.close(directory.lock())
        open_database(directory.database).close()
    finally:
        os.umask(mask)
    for name in ("identity.key", "membership.json", "lock", "peer.db"):
        assert stat.S_IMODE((directory.root / name).stat().st_mode) == 0o600, name
    for folder in (directory.root, directory.content, directory.trash, directory.spool):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not list(directory.root.glob("*.new"))


def test_the_identity_stays(directory: DataDir) -> None:
    assert directory.load_identity().peer == directory.load_identity().peer
    assert directory.is_joined()
    assert "psk" not in repr(directory.load_joined())


@pytest.mark.parametrize("damage", [b"", b"zz", b"00" * 63, b"\xff\xfe", b"{}"])
def test_damaged_files_say_which(directory: DataDir, damage: bytes) -> None:
    write_private(directory.root / "identity.key", damage)
    with pytest.raises(PeerError, match=r"identity\.key is damaged"):
        directory.load_identity()
    write_private(directory.root / "membership.json", damage)
    with pytest.raises(PeerError, match=r"membership\.json is damaged"):
        directory.load_joined()


def test_not_joined_yet_says_what_to_do(tmp_path: Path) -> None:
    directory = DataDir(tmp_path)
    assert not directory.is_joined()
    with pytest.raises(NotJoinedError, match="twofold join"):
        directory.load_joined()


def test_a_data_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PeerError, match="cannot use data directory"):
        DataDir(tmp_path / "file" / "data").create()


# The database


def test_migrating_twice_is_harmless(tmp_path: Path) -> None:
    first = open_database(tmp_path / "peer.db")
    first.run_sync(lambda c: c.execute("INSERT INTO facts VALUES ('a', 1)"))
    schema = first.connection.execute("SELECT sql FROM sqlite_master").fetchall()
    first.close()
    second = open_database(tmp_path / "peer.db")
    assert second.connection.execute("SELECT sql FROM sqlite_master").fetchall() == schema
    assert second.connection.execute("SELECT count(*) FROM facts").fetchone() == (1,)
    assert second.connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert second.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    second.close()


def test_an_older_database_keeps_all_it_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 3 moves the manifests to a table of their own, version 4 packs the stats."""
    with monkeypatch.context() as before:
        before.setattr("peer.database._MIGRATIONS", _MIGRATIONS[:1])
        old = open_database(tmp_path / "peer.db")
    for key in (b"a", b"b"):
        row = (key, key * 100_000)
        old.connection.execute("INSERT INTO contents VALUES (?, ?, '/x', 1, 9, NULL, NULL)", row)
        files = [(key, 1, 2**40, 10**18), (key, 0, 9, -7)]
        old.connection.executemany("INSERT INTO stats VALUES (?, ?, ?, ?)", files)
    old.close()
    new = open_database(tmp_path / "peer.db").connection
    held = "SELECT manifest, path, size, encoded FROM contents JOIN manifests USING (manifest)"
    rows = [(key, "/x", 9, key * 100_000) for key in (b"a", b"b")]
    assert new.execute(held).fetchall() == rows
    new.execute("DELETE FROM contents WHERE manifest = ?", (b"a",))
    assert new.execute(held).fetchall() == rows[1:]
    left = new.execute("SELECT manifest, files FROM file_stats").fetchall()
    assert left == [(b"b", 2)]
    assert read_stats(new, ManifestId(b"b")) == {0: FileStat(9, -7), 1: FileStat(2**40, 10**18)}
    assert new.execute("SELECT manifest FROM manifests").fetchall() == [(b"b",)]
    new.close()


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    database = open_database(tmp_path / "peer.db")
    database.connection.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(PeerError, match="newer twofold"):
        open_database(tmp_path / "peer.db")


@pytest.mark.parametrize("content", [b"not a database at all" * 100, None])
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes | None) -> None:
    if content is None:
        (tmp_path / "peer.db").mkdir()
    else:
        (tmp_path / "peer.db").write_bytes(content)
    with pytest.raises(PeerError, match="cannot be used"):
        open_database(tmp_path / "peer.db")


@pytest.mark.trio
async def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO facts VALUES ('half', 1)")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        await database.run(work)
    assert await database.run(lambda c: c.execute("SELECT * FROM facts").fetchall()) == []


@pytest.mark.trio
async def test_many_tasks_share_one_connection(database: Database, autojump_clock: Clock) -> None:
    async def add(number: int) -> None:
        await database.run(
            lambda c: c.execute("INSERT INTO facts VALUES (?, ?)", (str(number), number))
        )

    async with trio.open_nursery() as nursery:
        for number in range(50):
            nursery.start_soon(add, number)
    assert database.connection.execute("SELECT count(*) FROM facts").fetchone() == (50,)
