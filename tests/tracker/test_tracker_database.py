"""The database: migrations, durability of the write path, the data directory's lock and files."""

import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import trio
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from tracker_support import NOW, admit, entry_of, found, manifest_of, signed, tombstone_of

from protocol.approval import KEPT_FOR
from protocol.hashing import hash_tombstone
from tracker import approvals, catalogue, engines, members, swarm, tables
from tracker.data_dir import DataDir, write_secret
from tracker.database import open_database
from tracker.errors import DataDirectoryError, InUseError

BEFORE_0014 = """
DROP TABLE vocabulary; DROP TABLE vocabulary_runs; DROP TABLE inner_text; DROP TABLE inner_short;
DROP TABLE trackers; DROP TABLE present; DROP TABLE notes;
ALTER TABLE swarm DROP COLUMN touched;
"""
_BEFORE_0008 = (
    BEFORE_0014
    + """
DROP TABLE audit;
CREATE INDEX ix_entries_newest ON entries (shown, created, id);
ALTER TABLE entries DROP COLUMN rendition;
DROP INDEX ix_holdings_whole; DROP INDEX ix_holdings_of; DROP TABLE search_keys;
ALTER TABLE swarm DROP COLUMN epoch; ALTER TABLE swarm DROP COLUMN floor;
ALTER TABLE swarm DROP COLUMN base; ALTER TABLE swarm DROP COLUMN rebuilt;
"""
)
_BEFORE_0006 = """
ALTER TABLE entries DROP COLUMN learnt;
DROP INDEX ix_verdicts_signer; DROP INDEX ix_verdicts_decided;
ALTER TABLE verdicts DROP COLUMN signer; ALTER TABLE verdicts DROP COLUMN decided;
DROP TABLE held_tombstones;
CREATE TABLE held_tombstones (
    entry BLOB PRIMARY KEY REFERENCES entries (id), signer BLOB NOT NULL, sequence BIGINT NOT NULL,
    since BIGINT NOT NULL, body BLOB NOT NULL, signature BLOB NOT NULL
);
CREATE INDEX ix_held_tombstones_signer ON held_tombstones (signer);
"""


def test_an_empty_file_upgrades_and_again_is_harmless(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    path.touch()
    for _ in range(2):
        database = open_database(path)
        versions = database.read_now(
            lambda c: c.execute(text("SELECT * FROM alembic_version")).all()
        )
        assert [tuple(row) for row in versions] == [("0017",)]
        database.close()


def test_the_migrations_make_what_the_tables_say(tmp_path: Path) -> None:
    database = open_database(tmp_path / "t.db")
    options = {
        "include_name": lambda name, kind, _: (
            not str(name).startswith(("entry_", "inner_", "vocabulary"))
            or name in tables.metadata.tables
        )
    }
    differences = database.read_now(
        lambda c: compare_metadata(MigrationContext.configure(c, opts=options), tables.metadata)
    )
    assert differences == []
    database.close()


def test_entries_of_before_get_their_copies_and_size(tmp_path: Path) -> None:
    directory, database, keys, _ = found(tmp_path)
    author, _ = admit(database, keys)
    manifest = manifest_of(3)
    entry = entry_of(manifest, author, copies=3)
    database.write_now(lambda c: catalogue.store_record(c, signed(entry, author), entry, NOW))
    database.close()
    with closing(sqlite3.connect(directory.database)) as raw:
        raw.executescript(
            _BEFORE_0008
            + _BEFORE_0006
            + "DROP INDEX ix_holdings_partial; ALTER TABLE entries DROP COLUMN copies;"
            "ALTER TABLE entries DROP COLUMN size; UPDATE alembic_version SET version_num = '0004'"
        )
    database = open_database(directory.database)
    rows = database.read_now(lambda c: c.execute(text("SELECT copies, size FROM entries")).all())
    assert [tuple(row) for row in rows] == [(3, manifest.size)]
    database.close()


def test_what_was_held_and_decided_before_is_kept(tmp_path: Path) -> None:
    directory, database, keys, _ = found(tmp_path)
    author, _ = admit(database, keys)
    entry = entry_of(manifest_of(3), author)
    database.write_now(lambda c: catalogue.store_record(c, signed(entry, author), entry, NOW))
    database.close()
    tombstone = signed(tombstone_of(entry), author)
    held = (entry.id, author.peer, 1, NOW, tombstone.body, tombstone.signature)
    with closing(sqlite3.connect(directory.database)) as raw:
        raw.executescript(_BEFORE_0008 + _BEFORE_0006)
        raw.execute("INSERT INTO held_tombstones VALUES (?, ?, ?, ?, ?, ?)", held)
        raw.execute("INSERT INTO verdicts VALUES (?, ?, 1)", (b"h", author.peer))
        raw.execute("UPDATE alembic_version SET version_num = '0005'")
        raw.commit()
    database = open_database(directory.database)
    assert database.read_now(lambda c: approvals.held_page(c, b"")) == (tombstone,)
    (row,) = database.read_now(lambda c: c.execute(select(tables.held_tombstones)).all())
    assert (row.hash, row.manifest) == (hash_tombstone(tombstone.body), entry.manifest)
    (verdict,) = database.read_now(lambda c: c.execute(select(tables.verdicts)).all())
    assert (verdict.tombstone, verdict.approved) == (b"h", True)
    # Not so old that it would go at once.
    assert verdict.decided > KEPT_FOR
    database.close()


def test_a_migration_that_is_interrupted_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tracker.migrations.versions import v0001_start

    path = tmp_path / "t.db"
    script = (
        "import os, sys, sqlalchemy\n"
        "from pathlib import Path\n"
        "from sqlalchemy import event\n"
        "from sqlalchemy.engine import Engine\n"
        "def die(c, cursor, statement, *rest):\n"
        "    if 'CREATE TABLE holdings' in statement: os._exit(9)\n"
        "event.listen(Engine, 'before_cursor_execute', die)\n"
        "from tracker.database import open_database\n"
        f"open_database(Path({str(path)!r}))\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    open_database(path).close()
    assert v0001_start.revision == "0001"


def test_not_a_database(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    path.write_bytes(b"this is something else entirely, and long enough to be looked at" * 9)
    with pytest.raises(DataDirectoryError, match="cannot open"):
        open_database(path)


def test_another_program_that_writes_is_an_error_that_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_PATIENCE", 1)
    path = tmp_path / "tracker.db"
    with closing(open_database(path)) as database, closing(sqlite3.connect(path)) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DBAPIError, match="locked"):
            database.write_now(lambda _: None)
        with pytest.raises(DataDirectoryError, match="locked"):
            open_database(path)
        other.execute("ROLLBACK")
        database.write_now(lambda _: None)


def test_a_failed_write_changes_nothing(tmp_path: Path, engine: str) -> None:
    _, database, keys, _ = found(tmp_path)
    admit(database, keys)

    def fail(connection: object) -> None:
        members.revoke(connection, keys.signing, "laptop", 0, NOW)  # type: ignore[arg-type]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        database.write_now(fail)
    assert database.read_now(lambda c: swarm.load_roster(c, keys.public)).number == 2
    database.close()


@pytest.mark.trio
async def test_what_comes_after_a_write_keeps_the_order_of_writes(
    tmp_path: Path, engine: str
) -> None:
    _, database, _, _ = found(tmp_path)
    heard: list[int] = []
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(database.write, swarm.next_change, heard.append)
    assert heard == list(range(1, 21))
    database.close()


def test_everything_survives_being_killed(tmp_path: Path, engine: str) -> None:
    directory, database, keys, _ = found(tmp_path)
    database.close()
    directory.keep_place(directory.place())
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "sys.path.insert(0, 'tests/tracker')\n"
        "from tracker_support import admit\n"
        "from tracker.data_dir import DataDir\n"
        "from tracker.database import open_database\n"
        f"directory = DataDir(Path({str(directory.root)!r}))\n"
        "admit(open_database(directory.place()), directory.load_swarm_keys(), 'nas')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    again = open_database(directory.place())
    roster = again.read_now(lambda c: swarm.load_roster(c, keys.public))
    assert [member.name for member in roster.roster.members] == ["nas"]
    again.close()


def test_a_directory_has_one_user(tmp_path: Path) -> None:
    first, second = DataDir(tmp_path), DataDir(tmp_path)
    with (
        first.locked(),
        pytest.raises(InUseError, match="in use by another tracker"),
        second.locked(),
    ):
        pass
    with second.locked():
        pass


def test_secrets_are_for_the_owner_only(tmp_path: Path) -> None:
    directory, database, keys, identity = found(tmp_path)
    database.close()
    for path in (directory.swarm_key, directory.identity_key, directory.database):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(directory.swarm_key.read_bytes()) == 64
    assert directory.make_swarm_keys().psk == keys.psk
    assert directory.make_identity().peer == identity.peer
    assert keys.psk.hex() not in repr(keys)
    directory.swarm_key.write_bytes(b"short")
    with pytest.raises(DataDirectoryError, match="damaged"):
        directory.load_swarm_keys()
    write_secret(directory.swarm_key, b"whole")
    assert [path.name for path in tmp_path.rglob("*.new")] == []


def test_keys_of_another_swarm_are_noticed(tmp_path: Path, engine: str) -> None:
    _, database, _, _ = found(tmp_path / "one")
    _, other, keys, _ = found(tmp_path / "two")
    with pytest.raises(DataDirectoryError, match="different swarms"):
        database.read_now(lambda c: swarm.check_swarm(c, keys.public))
    database.close()
    other.close()
