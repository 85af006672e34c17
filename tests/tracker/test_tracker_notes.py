"""Notes in the database: what one tracker writes, the searches of the others know."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from postgres import Postgres
from sqlalchemy import Connection, func, select
from tracker_support import NOW, admit, entry_of, found, manifest_of, signed, store_manifest

from protocol.entry import Entry
from protocol.identity import Identity
from protocol.messages.tracking import Search
from tracker import catalogue, notes, searching, tables
from tracker.database import Database, open_database
from tracker.notes import NOTIFIES, drop_notes, newest_note
from tracker.shelf import Shelf


def searched(database: Database, shelf: Shelf, words: str) -> int:
    request = Search(call=0, words=words, sort="name", limit=100, cursor=b"")
    return database.look_now(lambda c: searching.search(c, request, {}, NOW, shelf)).total


def share(database: Database, author: Identity, seed: int = 0, **changes: Any) -> Entry:
    manifest = manifest_of(2, seed)
    entry = entry_of(manifest, author, salt=bytes([seed]) * 16, **changes)

    def store(connection: Connection) -> None:
        catalogue.store_record(connection, signed(entry, author), entry, NOW)
        store_manifest(connection, manifest)

    database.write_now(store)
    return entry


@pytest.fixture
def pair(tmp_path: Path, server: Postgres) -> Iterator[tuple[Database, Database, Identity]]:
    """One database, opened twice, and a member."""
    _, database, keys, _ = found(tmp_path)
    author, _ = admit(database, keys)
    again = open_database(database.engines.writer.url)
    yield database, again, author
    again.close()
    database.close()


def test_searches_know_what_the_other_has_written(
    pair: tuple[Database, Database, Identity],
) -> None:
    first, second, author = pair
    shelves = Shelf(first.notes), Shelf(second.notes)
    for number, writer in enumerate((first, second, first), start=1):
        share(writer, author, number)
        for database, shelf in zip((first, second), shelves, strict=True):
            assert searched(database, shelf, "film") == number


def test_who_is_behind_reads_everything(pair: tuple[Database, Database, Identity]) -> None:
    first, second, author = pair
    shelf = Shelf(second.notes)
    share(first, author, 1)
    assert searched(second, shelf, "film") == 1
    for number in (2, 3, 4):
        share(first, author, number)
    newest = first.read_now(newest_note)
    first.write_now(lambda c: drop_notes(c, newest))
    assert second.read_now(lambda c: notes.notes_from(c, 1)) is None
    assert searched(second, shelf, "film") == 4
    share(first, author, 5)
    assert searched(second, shelf, "film") == 5


def test_a_failed_transaction_leaves_no_note(pair: tuple[Database, Database, Identity]) -> None:
    first, _, author = pair
    before = first.read_now(newest_note)

    def fail(connection: Connection) -> None:
        entry = entry_of(manifest_of(1), author)
        catalogue.store_record(connection, signed(entry, author), entry, NOW)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        first.write_now(fail)
    assert first.read_now(newest_note) == before
    first.write_now(lambda connection: None)
    assert first.read_now(newest_note) == before, "what changes nothing says nothing"


def test_an_engine_that_cannot_notify_writes_notes(
    pair: tuple[Database, Database, Identity],
) -> None:
    first, second, author = pair
    with first.engines.writer.connect() as connection:
        connection.info[NOTIFIES] = False
    shelf = Shelf(second.notes)
    share(first, author, 1)
    assert searched(second, shelf, "film") == 1


def test_sqlite_has_one_tracker_and_no_notes(made: tuple[Database, Any], engine: str) -> None:
    database, keys = made
    author, _ = admit(database, keys)
    share(database, author)
    count = database.read_now(
        lambda c: c.execute(select(func.count()).select_from(tables.notes)).scalar_one()
    )
    assert (count > 1) == (database.engines.aside is not None) == (engine == "postgres")
