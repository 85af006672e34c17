"""PostgreSQL itself: migrations, the order of texts, transactions, a server that goes away."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio
import trio.testing
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from postgres import PASSWORD, Postgres
from sqlalchemy import URL, Connection, create_engine, delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from tracker_support import NOW, Swarm, admit, entry_of, found, manifest_of, running, signed

from protocol.messages.base import Failed
from protocol.messages.shared import GetMachines
from protocol.messages.tracking import Publish, Search
from tracker import catalogue, members, swarm, tables
from tracker.database import Database, open_database
from tracker.errors import DataDirectoryError, RequestFailedError
from tracker.snapshot import Snapshot
from tracker.words_postgres import PostgresWords

MIGRATIONS = Path(swarm.__file__).parent / "migrations"
WORDS = ("entry_words", "entry_terms", "inner_words", "inner_terms", "vocabulary")
_DIE = (
    "import os, sys\n"
    "from sqlalchemy import event, make_url\n"
    "from sqlalchemy.engine import Engine\n"
    "def die(c, cursor, statement, *rest):\n"
    "    if sys.argv[2] in statement: os._exit(9)\n"
    "event.listen(Engine, 'before_cursor_execute', die)\n"
    "from tracker.database import open_database\n"
    "open_database(make_url(sys.argv[1]))\n"
)


@pytest.fixture
def empty(postgres_server: Postgres) -> Iterator[URL]:
    """A database with nothing in it."""
    name = postgres_server.make()
    yield postgres_server.url(name)
    postgres_server.drop(name)


def cut_off(server: Postgres, database: Database) -> None:
    """End all connections of a database, as a restart of the server does."""
    name = database.engines.writer.url.database
    server.do(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")


def test_the_migrations_make_what_the_tables_say(empty: URL) -> None:
    database = open_database(empty)
    options = {"include_name": lambda name, *_: name not in WORDS}
    differences = database.read_now(
        lambda c: compare_metadata(MigrationContext.configure(c, opts=options), tables.metadata)
    )
    assert differences == []
    database.close()


@pytest.mark.parametrize(
    "at", ["CREATE TABLE holdings", "entry_words", "ix_vocabulary_key", "UPDATE alembic_version"]
)
def test_a_migration_that_is_killed_leaves_nothing(empty: URL, at: str) -> None:
    where = empty.render_as_string(hide_password=False)
    done = subprocess.run([sys.executable, "-c", _DIE, where, at], check=False)
    assert done.returncode == 9
    database = open_database(empty)
    versions = database.read_now(lambda c: c.execute(text("SELECT * FROM alembic_version")).all())
    assert [tuple(row) for row in versions] == [("0017",)]
    database.close()


def test_words_of_before_are_found(postgres_server: Postgres) -> None:
    url = postgres_server.url(postgres_server.make())
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    rows = [
        {"number": 1, "text": "film\nnas", "terms": ["f", "fi", "i", "as", " film"]},
        {"number": 2, "text": "notes\nnas", "terms": ["n", "no", "as", " notes"]},
    ]
    with create_engine(url).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0016")
        for name in ("entry_words", "inner_words"):
            put = text(f"INSERT INTO {name} VALUES (:number, :text, :terms)")
            connection.execute(put, rows)
    database = open_database(url)
    for name in ("entry", "inner"):
        index = PostgresWords(name)

        def found(connection: Connection, index: PostgresWords = index) -> object:
            few = [index.numbers_with(connection, word) for word in ("film", "fi", "as", "x")]
            named = index.numbers_named(connection, "notes")
            return few, named, index.texts(connection, [1, 2, 3])

        texts = {1: "film\nnas", 2: "notes\nnas"}
        assert database.read_now(found) == ([[1], [1], [1, 2], []], [2], texts)
    database.close()
    assert url.database is not None
    postgres_server.drop(url.database)


def test_trackers_that_start_at_once_do_not_collide(empty: URL) -> None:
    script = _DIE.replace("event.listen", "0 and event.listen")
    where = empty.render_as_string(hide_password=False)
    command = [sys.executable, "-c", script, where, "nothing"]
    starting = [subprocess.Popen(command) for _ in range(4)]
    assert [each.wait(60) for each in starting] == [0, 0, 0, 0]


def test_another_encoding_is_refused(postgres_server: Postgres) -> None:
    postgres_server.do(
        "CREATE DATABASE t_latin OWNER twofold TEMPLATE template0 ENCODING 'LATIN1' "
        "LOCALE_PROVIDER libc LOCALE 'C'"
    )
    with pytest.raises(DataDirectoryError, match="encoding UTF8, not LATIN1"):
        open_database(postgres_server.url("t_latin"))
    postgres_server.drop("t_latin")


def test_a_wrong_password_is_not_told(postgres_server: Postgres) -> None:
    url = postgres_server.tcp_url("postgres", PASSWORD + "!")
    with pytest.raises(DataDirectoryError, match="password authentication failed") as caught:
        open_database(url.set(drivername="postgresql+psycopg"))
    assert PASSWORD not in str(caught.value)
    assert PASSWORD not in repr(caught.value.__cause__)


def test_names_are_ordered_by_code_points(tmp_path: Path, server: Postgres) -> None:
    _, database, keys, _ = found(tmp_path)
    names = ["b", "A", "a", "Z", "\u00e9", "_", "\U0001f4a9", "\uffee"]
    for name in names:
        admit(database, keys, name)
    listed = [member.name for member in database.read_now(members.list_members)]
    # Names that differ in case alone are told apart.
    assert listed == sorted(listed)
    row = {"created": 0, "size": 0, "kind": "", "copies": 0, "author": b"", "manifest": b""}
    database.write_now(
        lambda c: c.execute(
            insert(tables.search_keys),
            [
                row | {"number": at, "id": bytes([at]), "name": name, "named": name}
                for at, name in enumerate(names)
            ],
        )
    )
    keyed = select(tables.search_keys.c.name).order_by(tables.search_keys.c.name)
    assert database.read_now(lambda c: c.execute(keyed).scalars().all()) == sorted(names)
    database.close()


def test_a_read_has_one_snapshot(tmp_path: Path, server: Postgres) -> None:
    _, database, keys, _ = found(tmp_path)

    def twice(connection: object) -> tuple[int, int]:
        before = members.load_number(connection)  # type: ignore[arg-type]
        admit(database, keys)
        return before, members.load_number(connection)  # type: ignore[arg-type]

    assert database.read_now(twice) == (1, 1)
    assert database.read_now(members.load_number) == 2
    database.close()


def test_writes_of_two_trackers_go_one_after_the_other(tmp_path: Path, server: Postgres) -> None:
    directory, first, _, _ = found(tmp_path)
    second = open_database(directory.place())
    turns = 20

    def draw_each(database: Database) -> None:
        for _ in range(turns):
            # Read, then written: lost without a lock.
            def draw(connection: object) -> None:
                number = swarm.newest_change(connection)  # type: ignore[arg-type]
                connection.execute(update(tables.swarm).values(change=number + 1))  # type: ignore[attr-defined]

            database.write_now(draw)

    threads = [threading.Thread(target=draw_each, args=(each,)) for each in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert first.read_now(swarm.newest_change) == 2 * turns
    for database in (first, second):
        database.close()


def test_what_may_succeed_is_tried_again(tmp_path: Path, server: Postgres) -> None:
    _, database, _, _ = found(tmp_path)
    attempts: list[int] = []

    def work(connection: object) -> int:
        attempts.append(swarm.next_change(connection))  # type: ignore[arg-type]
        if len(attempts) < 3:
            failing = "DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$"
            connection.execute(text(failing))  # type: ignore[attr-defined]
        return attempts[-1]

    assert database.write_now(work) == 1
    assert attempts == [1, 1, 1]
    database.close()


def test_a_server_that_was_away_is_found_again(tmp_path: Path, server: Postgres) -> None:
    _, database, keys, _ = found(tmp_path)
    author, _ = admit(database, keys)
    entry = entry_of(manifest_of(1), author)

    def cut_within(connection: object) -> None:
        catalogue.store_record(connection, signed(entry, author), entry, NOW)  # type: ignore[arg-type]
        cut_off(server, database)

    with pytest.raises(RequestFailedError, match="does not answer now"):
        database.write_now(cut_within)
    stored = database.write_now(
        lambda c: catalogue.store_record(c, signed(entry, author), entry, NOW)
    )
    assert stored.change == 1
    cut_off(server, database)
    assert database.read_now(members.load_number) == 2
    assert database.look_now(lambda snapshot: members.load_number(snapshot.connection)) == 2
    cut_off(server, database)
    assert database.look_now(lambda snapshot: members.load_number(snapshot.connection)) == 2
    with pytest.raises(RequestFailedError, match="does not answer now"):
        database.look_now(cut_while_looking(server, database))
    database.close()


def cut_while_looking(server: Postgres, database: Database) -> Callable[[Snapshot], object]:
    """A look during which all connections end, however often it is begun anew."""

    def look(snapshot: Snapshot) -> object:
        members.load_number(snapshot.connection)
        cut_off(server, database)
        return members.load_number(snapshot.connection)

    return look


def test_what_looks_rows_up_writes_nothing(tmp_path: Path, server: Postgres) -> None:
    _, database, _, _ = found(tmp_path)
    with pytest.raises(DBAPIError, match="read-only"):
        database.look_now(lambda snapshot: snapshot.connection.execute(delete(tables.swarm)))
    database.close()


@pytest.mark.trio
async def test_the_tracker_outlives_its_server(
    tmp_path: Path,
    server: Postgres,
    nursery: trio.Nursery,
    mock_clock: trio.testing.MockClock,
) -> None:
    with running(tmp_path, nursery) as club:
        await _outlive(club, server, mock_clock)
        nursery.cancel_scope.cancel()


async def _outlive(club: Swarm, server: Postgres, clock: trio.testing.MockClock) -> None:
    identity = club.admit("laptop")
    talk = await club.present(identity)
    club.nursery.start_soon(club.tracker.keep_time)
    name = club.database.engines.writer.url.database
    server.do(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    cut_off(server, club.database)
    entry = entry_of(manifest_of(1), identity)
    record = signed(entry, identity)
    for asked, fields in ((Publish, {"record": record}), (Search, {"words": "film"})):
        answer = await talk.ask(asked, **fields)
        assert isinstance(answer, Failed)
        assert "does not answer now" in answer.text
    await club.tracker.save_everything()
    server.do(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert not isinstance(await talk.ask(Publish, record=record), Failed)
    assert (await talk.ask(Search, words="film")).total == 0  # its manifest is not here
    assert len((await talk.ask(GetMachines)).machines) == 1
