"""What searches keep in memory: after any change as if all had been read again, and read once."""

import random

import pytest
from changing_catalogue import QUESTIONS, Changing, begin_changing
from sqlalchemy import Connection, event
from tracker_support import NOW, entry_of, manifest_of, signed

from protocol.messages.finding import SORTS, Filters
from protocol.messages.tracking import Search
from tracker import (
    catalogue,
    finding,
    members,
    ordered,
    remembered,
    search_index,
)
from tracker.data_dir import SwarmKeys
from tracker.database import Database


@pytest.fixture
def changing(made: tuple[Database, SwarmKeys]) -> Changing:
    return begin_changing(*made, seed=5)


# Words are remembered as those of many, of few, or as one and then as the other.
@pytest.mark.parametrize("share", [0, 4, 1 << 30])
@pytest.mark.parametrize("looked_at", [0, 1 << 30])
@pytest.mark.parametrize("seed", range(3))
def test_goes_along_with_every_change(
    changing: Changing, seed: int, looked_at: int, share: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordered, "_LOOKED_AT", looked_at)
    # Nothing is looked at one by one.
    monkeypatch.setattr(finding, "_FEW", -1)
    monkeypatch.setattr(remembered, "_SHARE", share)
    monkeypatch.setattr(remembered, "_CHANGES", 5)
    changing.chance = random.Random(seed)
    changing.check()
    for _ in range(20):
        changing.change()
        changing.check()


def test_a_machine_that_is_revoked_holds_nothing(
    changing: Changing, made: tuple[Database, SwarmKeys]
) -> None:
    for _ in range(6):
        changing.announce()
    changing.check()
    nas = Search(call=0, words="", filters=Filters(machine="nas"))
    assert changing.ask(nas, changing.shelf).total
    signing = made[1].signing
    changing.database.write_now(lambda c: members.revoke(c, signing, "nas", 0, NOW))
    assert not changing.ask(nas, changing.shelf).total


def test_what_was_not_written_is_not_noted(changing: Changing) -> None:
    changing.check()
    entry = entry_of(manifest_of(2), changing.machines[0], salt=b"\xff" * 16, name="film")

    def fail(connection: Connection) -> None:
        catalogue.store_record(connection, signed(entry, changing.machines[0]), entry, NOW)
        search_index.put(connection, 1, entry, "desk")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        changing.database.write_now(fail)
    assert not changing.database.read_now(changing.database.notes.take)
    changing.check()


def test_is_read_once_and_then_only_what_changed(changing: Changing, engine: str) -> None:
    changing.check()
    statements: list[str] = []

    def note(connection, cursor, statement, parameters, context, many):  # type: ignore[no-untyped-def]
        if "search_keys" in statement and not statement.startswith("EXPLAIN"):
            statements.append(statement)
            if engine != "sqlite":
                return
            cursor.execute("EXPLAIN QUERY PLAN " + statement, parameters)
            scans = [row[3] for row in cursor.fetchall() if row[3].startswith("SCAN")]
            assert not scans, (statement, scans)

    event.listen(changing.database.engines.reader, "before_cursor_execute", note)
    for request in (QUESTIONS[0], QUESTIONS[len(SORTS) * 2]):
        changing.ask(request, changing.shelf)
    assert not statements
    changing.announce()
    changing.publish(shown=1)
    changing.ask(QUESTIONS[0], changing.shelf)
    assert 0 < len(statements) <= 5


def test_half_brought_up_is_read_again(changing: Changing, monkeypatch: pytest.MonkeyPatch) -> None:
    changing.check()
    changing.publish(shown=1)

    def fail(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(changing.shelf.possession, "refresh", fail)
        with pytest.raises(MemoryError):
            changing.ask(QUESTIONS[0], changing.shelf)
    changing.check()


def test_many_changes_are_not_told_apart(
    changing: Changing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracker.touched.MOST", 2)
    changing.check()
    for _ in range(4):
        changing.publish(shown=1)
    assert changing.database.notes._touched.everything
    changing.check()
