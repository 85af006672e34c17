"""Backup, restore, and from one engine to the other: everything is there, or nothing is changed."""

import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from postgres import PASSWORD, Postgres
from sqlalchemy import URL, Connection, select
from tracker_support import (
    NOW,
    admit,
    entry_of,
    found,
    manifest_of,
    new_token,
    signed,
    store_manifest,
    tombstone_of,
)

from protocol.messages.tracking import Announce, Holding, Search
from tracker import catalogue, holdings, searching, tables
from tracker.backup import restore_backup, write_backup
from tracker.copying import copy_database
from tracker.data_dir import DataDir
from tracker.database import Database, connect_database, open_database
from tracker.errors import DataDirectoryError
from tracker.sealed_file import PORTION, read_sealed, write_sealed
from tracker.shelf import Shelf
from tracker.touched import Touched

_EPOCH = select(tables.swarm.c.epoch)
PASSPHRASE = "correct horse battery"
Target = Callable[[], DataDir]


@pytest.fixture
def other(
    tmp_path: Path, engine: str, postgres_server: Postgres, postgres_template: str
) -> Iterator[Target]:
    """Places for a tracker on the engine that the swarm is not on."""
    names: list[str] = []

    def make() -> DataDir:
        root = tmp_path / f"other{len(list(tmp_path.iterdir()))}"
        directory = DataDir(root)
        directory.create()
        if engine == "sqlite":
            names.append(postgres_server.make(postgres_template))
            return DataDir(root, postgres_server.url(names[-1]))
        return directory

    yield make
    for name in names:
        postgres_server.drop(name)


def filled(root: Path) -> tuple[DataDir, Database]:
    """A swarm with a row of everything, and more of some."""
    directory, database, keys, _ = found(root)
    author, _ = admit(database, keys, "Größe's PC")
    new_token(database, zone="attic")
    announced = []
    for number in range(30):
        manifest = manifest_of(9, number)
        salt = bytes([number]) * 16
        entry = entry_of(manifest, author, salt=salt, name=f"film {number} 日本.mkv")
        for record in (entry, *([tombstone_of(entry)] if number % 7 == 3 else [])):
            database.write_now(
                partial(_store, signed=signed(record, author), record=record)  # type: ignore[arg-type]
            )
        database.write_now(partial(store_manifest, manifest=manifest)) if number % 7 != 3 else None
        bits = (b"\xff\x80", None, b"\x01\x00")[number % 3]
        announced.append(Holding(manifest=manifest.id, bits=bits))
    announce = Announce(call=1, reset=True, stored=7, holdings=tuple(announced))
    database.write_now(partial(holdings.apply_announce, peer=author.peer, announce=announce))
    database.write_now(
        lambda c: c.execute(
            tables.held_tombstones.insert(),
            [{"entry": b"e", "hash": b"h", "signer": b"s", "manifest": b"m", "sequence": 1,
              "since": NOW, "rejected": True, "body": b"\0\xff", "signature": b""}],
        )
    )  # fmt: skip
    return directory, database


def _store(connection: Connection, signed: Any, record: Any) -> None:
    catalogue.store_record(connection, signed, record, NOW)


def everything(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of the swarm's tables, but what says which copy of a database it is."""
    own = {tables.swarm.c.epoch, tables.swarm.c.rebuilt}

    def rows(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
        found = {}
        for table in set(tables.metadata.sorted_tables) - tables.OF_TRACKERS:
            columns = [column for column in table.c if column not in own]
            rows = (tuple(row) for row in connection.execute(select(*columns)))
            found[table.name] = sorted(rows, key=repr)
        return found

    return database.read_now(rows)


def finds(database: Database, words: str) -> list[bytes]:
    """What a search gives."""
    database.notes.add(Touched(everything=True))
    shelf = Shelf(database.notes)
    request = Search(call=0, words=words, sort="name", limit=100, cursor=b"")
    page = database.look_now(lambda c: searching.search(c, request, {}, NOW, shelf))
    return [listing.record.body for listing in page.listings]


def same(first: Database, second: Database) -> None:
    assert everything(first) == everything(second)
    for words in ("", "film", "日", "1", "größe", "lm 2", "pc"):
        assert finds(first, words) == finds(second, words), words
    assert finds(second, "film")


def test_everything_is_copied_to_the_other_engine(
    tmp_path: Path, engine: str, other: Target
) -> None:
    _, source = filled(tmp_path)
    target = open_database(other().place())
    rows = copy_database(source, target)
    assert rows["entries"] == 30
    assert rows["search_keys"] == 26
    same(source, target)
    with pytest.raises(DataDirectoryError, match="a swarm in that database already"):
        copy_database(source, target)
    for database in (source, target):
        database.close()


def test_a_copy_that_fails_leaves_the_target_empty(
    tmp_path: Path, engine: str, other: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, source = filled(tmp_path)
    target = open_database(other().place())

    def fail(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr("tracker.search_index.put_new", fail)
        with pytest.raises(MemoryError):
            copy_database(source, target)
    assert not any(everything(target).values())
    copy_database(source, target)
    for database in (source, target):
        database.close()


def test_a_backup_is_restored_on_the_other_engine(
    tmp_path: Path, engine: str, other: Target
) -> None:
    directory, database = filled(tmp_path)
    path = tmp_path / "backup"
    rows = write_backup(directory, path, PASSPHRASE)
    assert path.stat().st_mode & 0o777 == 0o600
    raw = path.read_bytes()
    for secret in (directory.swarm_key.read_bytes()[:32], b"film 1", "Größe".encode()):
        assert secret not in raw
    with pytest.raises(DataDirectoryError, match="is there already"):
        write_backup(directory, path, PASSPHRASE)
    there = other()
    for _ in range(2):
        with pytest.raises(DataDirectoryError, match="passphrase is wrong"):
            restore_backup(there, path, lambda: PASSPHRASE + "!")
    assert not there.swarm_key.exists()
    assert restore_backup(there, path, lambda: PASSPHRASE) == rows
    assert there.swarm_key.read_bytes() == directory.swarm_key.read_bytes()
    assert there.make_identity().peer == directory.make_identity().peer
    again = open_database(DataDir(there.root).place())
    same(database, again)
    epochs = {each.read_now(lambda c: c.execute(_EPOCH).scalar_one()) for each in (database, again)}
    assert len(epochs) == 2, "members give what the older copy lacks"
    for each in (database, again):
        each.close()
    with pytest.raises(DataDirectoryError, match="a swarm in that database already"):
        restore_backup(there, path, lambda: PASSPHRASE)


def test_a_damaged_backup_restores_nothing(tmp_path: Path, engine: str, other: Target) -> None:
    directory, database = filled(tmp_path)
    path = tmp_path / "backup"
    write_backup(directory, path, PASSPHRASE)
    raw = path.read_bytes()
    chance = random.Random(7)
    there = other()
    open_database(there.place()).close()
    damaged = [raw[: chance.randrange(len(raw))] for _ in range(6)]
    damaged += [raw + b"\0", b"", raw[:30]]
    for at in [*chance.sample(range(len(raw)), 10), 0, len(raw) - 1]:
        damaged.append(raw[:at] + bytes([raw[at] ^ 1 << chance.randrange(8)]) + raw[at + 1 :])
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(DataDirectoryError):
            restore_backup(there, path, lambda: PASSPHRASE)
    empty = connect_database(there.place())
    assert not any(everything(empty).values())
    path.write_bytes(raw)
    restore_backup(there, path, lambda: PASSPHRASE)
    for each in (database, empty):
        each.close()


def test_portions_cannot_be_left_out_or_moved() -> None:
    file = io.BytesIO()
    content = random.Random(1).randbytes(2 * PORTION + 5)
    write_sealed(file, PASSPHRASE, [content[:7], content[7:]])
    raw = file.getvalue()
    assert b"".join(read_sealed(io.BytesIO(raw), PASSPHRASE)) == content
    header = len(raw) - 2 * (PORTION + 20) - 25
    one = header + PORTION + 20
    two = one + PORTION + 20
    for changed in (
        raw[:header] + raw[one:],
        raw[:two],
        raw[:one] + raw[two:],
        raw[:header] + raw[one:two] + raw[header:one] + raw[two:],
        raw + raw[two:],
    ):
        with pytest.raises(DataDirectoryError):
            list(read_sealed(io.BytesIO(changed), PASSPHRASE))


def test_an_older_database_is_not_backed_up(tmp_path: Path) -> None:
    directory, database = filled(tmp_path)
    database.write_now(
        lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = '0010'")
    )
    database.close()
    with pytest.raises(DataDirectoryError, match="start the tracker once"):
        write_backup(directory, tmp_path / "backup", PASSPHRASE)
    assert not (tmp_path / "backup").exists()


_DYING = (
    "import os, sys\n"
    "from sqlalchemy import event\n"
    "from sqlalchemy.engine import Engine\n"
    "import tracker.cli\n"
    "def die(c, cursor, statement, *rest):\n"
    "    if sys.argv[1] in statement: os._exit(9)\n"
    "event.listen(Engine, 'after_cursor_execute', die)\n"
    "event.listen(Engine, 'commit', lambda c: die(c, None, 'COMMIT'))\n"
    "sys.exit(tracker.cli.run_command(sys.argv[2:]))\n"
)


@pytest.mark.parametrize("at", ["CREATE TABLE holdings", "INTO holdings", "INTO search_keys"])
@pytest.mark.parametrize("command", ["restore", "migrate"])
def test_killed_it_can_be_done_again(
    tmp_path: Path, postgres_server: Postgres, command: str, at: str
) -> None:
    directory, database = filled(tmp_path)
    before = everything(database)
    database.close()
    name = postgres_server.make()
    url = postgres_server.url(name).render_as_string()
    if command == "restore":
        write_backup(directory, tmp_path / "backup", PASSPHRASE)
        data, said = tmp_path / "e", ["restore", str(tmp_path / "backup"), "--database", url]
    else:
        data, said = directory.root, ["migrate", "--to", url]
    dying = [sys.executable, "-c", _DYING, at, *said, "--data", str(data)]
    passphrase = {"TWOFOLD_PASSPHRASE": PASSPHRASE}
    assert subprocess.run(dying, env=os.environ | passphrase, check=False).returncode == 9
    assert run(data, *said, **passphrase)["exit"] == 0
    again = open_database(DataDir(data).place())
    assert again.engines.writer.dialect.name == "postgresql"
    assert everything(again) == before
    again.close()
    postgres_server.drop(name)


def run(data: Path, *arguments: str, **environment: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tracker", *arguments, "--data", str(data), "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
        env=os.environ | environment,
    )
    for secret in (PASSPHRASE, PASSWORD):
        assert secret not in done.stdout + done.stderr
    fields: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return fields | {"exit": done.returncode}


def test_by_commands(tmp_path: Path, postgres_server: Postgres) -> None:
    data, there, file = tmp_path / "d", tmp_path / "e", tmp_path / "backup"
    assert run(data, "init", "--name", "club", "--public", "nas.lan:4100")["exit"] == 0
    invite = run(data, "invite", "--zone", "attic")["id"]
    secret = tmp_path / "passphrase"
    secret.write_text(PASSPHRASE + "\n")
    assert "passphrase" in run(data, "backup", str(file))["error"]
    assert run(data, "backup", str(file), "--passphrase-file", str(secret))["exit"] == 0
    name = postgres_server.make()
    url: URL = postgres_server.tcp_url(name)
    to = url.render_as_string(hide_password=False)
    assert "TWOFOLD_MIGRATE_TO" in run(data, "migrate", "--to", to)["error"]
    assert run(data, "migrate", TWOFOLD_MIGRATE_TO=to)["exit"] == 0
    assert not (data / "tracker.db").exists()
    assert run(there, "restore", str(file), TWOFOLD_PASSPHRASE=PASSPHRASE)["exit"] == 0
    for each in (data, there):
        (found_invite,) = run(each, "members")["invites"]
        assert (found_invite["id"], found_invite["zone"]) == (invite, "attic")
    assert run(data, "migrate", "--to", "sqlite:")["exit"] == 0
    assert run(data, "members")["invites"][0]["id"] == invite
    postgres_server.drop(name)
