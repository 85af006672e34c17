"""What searches need lies in a file between two runs, and is used when it is of this moment."""

import random
from pathlib import Path

import pytest
from changing_catalogue import QUESTIONS, Changing, begin_changing
from sqlalchemy import event
from tracker_support import found

from tracker import finding, kept_shelf, remembered
from tracker.data_dir import SwarmKeys
from tracker.database import Database
from tracker.kept_shelf import KeptShelf
from tracker.shelf import Shelf
from tracker.touched import Touched


@pytest.fixture
def changing(made: tuple[Database, SwarmKeys], monkeypatch: pytest.MonkeyPatch) -> Changing:
    monkeypatch.setattr(finding, "_FEW", -1)
    monkeypatch.setattr(remembered, "_SHARE", 1 << 30)
    return begin_changing(*made, seed=7)


@pytest.fixture
def kept(tmp_path: Path, changing: Changing) -> KeptShelf:
    """Of the changing database, with a file of it as it is now."""
    kept = KeptShelf(tmp_path / "search.cache", "here")
    stop(changing, kept)
    return kept


def stop(changing: Changing, kept: KeptShelf) -> None:
    """As a tracker that stops."""
    shelf = changing.shelf = Shelf(changing.database.notes, kept)
    changing.database.notes.add(Touched(everything=True))
    changing.check()
    changing.database.write_now(lambda connection: shelf.keep(connection, changing.now))


def start(changing: Changing, kept: KeptShelf) -> list[str]:
    """As a tracker that starts; what it asks of the entries' keys."""
    changing.database.notes.add(Touched(everything=True))
    changing.shelf = Shelf(changing.database.notes, kept)
    asked: list[str] = []

    def note(connection, cursor, statement, parameters, context, many):  # type: ignore[no-untyped-def]
        if "search_keys" in statement:
            asked.append(statement)

    reader = changing.database.engines.reader
    event.listen(reader, "before_cursor_execute", note)
    changing.ask(QUESTIONS[0], changing.shelf)
    event.remove(reader, "before_cursor_execute", note)
    return asked


@pytest.mark.parametrize("seed", range(3))
def test_goes_on_where_it_stopped(changing: Changing, kept: KeptShelf, seed: int) -> None:
    changing.chance = random.Random(seed)
    for _ in range(4):
        assert start(changing, kept) == []
        for _ in range(3):
            changing.check()
            changing.change()
        changing.ask(QUESTIONS[len(QUESTIONS) // 3], changing.shelf)
        words = set(changing.shelf.remembered.words)
        assert words
        changing.database.write_now(lambda c: changing.shelf.keep(c, changing.now))
        assert start(changing, kept) == []
        assert set(changing.shelf.remembered.words) == words


@pytest.mark.parametrize("step", ["publish", "edit", "delete", "announce", "doubt"])
def test_what_has_changed_since_is_read_anew(
    changing: Changing, kept: KeptShelf, step: str
) -> None:
    getattr(changing, step)()
    assert start(changing, kept)
    changing.check()
    assert start(changing, kept) == []
    changing.check()


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_file_is_thrown_away(changing: Changing, kept: KeptShelf, seed: int) -> None:
    chance, content = random.Random(seed), bytearray(kept._path.read_bytes())
    at = chance.randrange(len(content))
    if seed % 2:
        content[at] ^= 1 << chance.randrange(8)
    else:
        del content[at:]
    kept._path.write_bytes(content)
    assert start(changing, kept), at
    changing.check()
    assert start(changing, kept) == []


def test_one_that_makes_no_sense_is_thrown_away(
    changing: Changing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = KeptShelf(tmp_path / "search.cache", "here")
    sections = kept_shelf._sections
    with monkeypatch.context() as patched:
        # As another version may have written it.
        patched.setattr(kept_shelf, "_sections", lambda shelf: list(sections(shelf))[3:])
        stop(changing, kept)
    assert start(changing, kept)
    changing.check()
    assert start(changing, kept) == []


def test_one_killed_while_it_was_written_leaves_the_one_before(
    changing: Changing, kept: KeptShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = kept._path.read_bytes()
    beside = kept._path.with_name("search.cache.new")
    beside.write_bytes(before[: len(before) // 2])
    assert start(changing, kept) == []

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(kept_shelf, "_sections", full)
        changing.database.write_now(lambda c: changing.shelf.keep(c, changing.now))
    assert kept._path.read_bytes() == before
    assert not beside.exists()
    kept._path.unlink()
    beside.write_bytes(before)
    assert start(changing, kept)
    changing.check()


def test_one_of_another_database_is_thrown_away(
    changing: Changing, kept: KeptShelf, tmp_path: Path
) -> None:
    _, other, keys, _ = found(tmp_path / "other")
    elsewhere = begin_changing(other, keys, seed=7)
    assert start(elsewhere, kept)
    elsewhere.check()
    other.close()
    assert start(changing, KeptShelf(kept._path, "there"))


def test_without_a_place_for_it_all_is_read(changing: Changing, tmp_path: Path) -> None:
    nowhere = KeptShelf(tmp_path / "missing" / "search.cache", "here")
    assert start(changing, nowhere)
    changing.check()
