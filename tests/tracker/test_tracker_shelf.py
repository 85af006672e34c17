"""What searches keep in memory: after any change as if all had been read again, and read once."""

import math
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest
from changing_catalogue import QUESTIONS, Changing, begin_changing
from postgres import Postgres
from sqlalchemy import Connection, event
from tracker_support import (
    NOW,
    admit,
    entry_of,
    folder_of,
    found,
    manifest_of,
    signed,
    store_manifest,
)

from protocol import delete_brake
from protocol.entry import Entry, read_record
from protocol.messages.finding import SORTS, Filters
from protocol.messages.tracking import Announce, Holding, Listing, Search
from tracker import (
    catalogue,
    finding,
    holdings,
    members,
    notes,
    ordered,
    remembered,
    search_index,
    searching,
)
from tracker.data_dir import SwarmKeys
from tracker.database import Database, open_database
from tracker.errors import RequestFailedError
from tracker.kept_shelf import KeptShelf
from tracker.shelf import Shelf
from tracker.snapshot import MEMORY


@pytest.fixture
def changing(made: tuple[Database, SwarmKeys]) -> Changing:
    return begin_changing(*made, seed=5)


# Words are remembered as those of many, of few, or as one and then as the other.
@pytest.mark.parametrize("share", [0, 4, 1 << 30])
# Nothing is looked at one by one, or all.
@pytest.mark.parametrize(("looked_at", "few"), [(0, -1), (1 << 30, -1), (0, 400)])
@pytest.mark.parametrize("seed", range(3))
def test_goes_along_with_every_change(
    changing: Changing,
    seed: int,
    looked_at: int,
    few: int,
    share: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ordered, "_LOOKED_AT", looked_at)
    monkeypatch.setattr(finding, "_FEW", few)
    # Some deletions wait until somebody decides about them.
    monkeypatch.setattr(delete_brake, "FEW", 1)
    monkeypatch.setattr(notes, "_HEARS_FOR", math.inf)
    monkeypatch.setattr(remembered, "_SHARE", share)
    monkeypatch.setattr(remembered, "_CHANGES", 5)
    changing.chance = random.Random(seed)
    changing.check()
    for _ in range(20):
        changing.change()
        changing.check()
    assert changing.in_memory > 100


def test_who_joins_can_be_asked_for(changing: Changing, made: tuple[Database, SwarmKeys]) -> None:
    by_late = Search(call=0, words="", filters=Filters(author="late"))
    for _ in range(2):
        with pytest.raises(RequestFailedError, match="no machine of this swarm is called 'late'"):
            changing.ask(by_late, changing.shelf)
    admit(*made, "late")
    assert not changing.ask(by_late, changing.shelf).total


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


ALL = Search(call=0, words="", limit=50)


def told_of(changing: Changing, entry: Entry) -> Listing:
    """How an entry is listed, now also in memory."""
    changing.check()
    listings = changing.ask(ALL, changing.shelf).listings
    (listed,) = [each for each in listings if read_record(each.record.body).id == entry.id]
    return listed


def test_what_comes_to_a_picture_is_told_at_once(changing: Changing) -> None:
    picture = changing.add("sea.jpg", manifest_of(3))
    rendition = changing.rendition_of(picture, manifest_of(4))
    assert told_of(changing, picture).renditions == ()
    changing.store(rendition)
    assert told_of(changing, picture).renditions == ()
    changing.database.write_now(partial(store_manifest, manifest=manifest_of(4)))
    assert len(told_of(changing, picture).renditions) == 1
    changing.remove(rendition)
    assert told_of(changing, picture).renditions == ()
    changing.store(changing.rendition_of(picture, manifest_of(4), "low"))
    assert [each.quality for each in told_of(changing, picture).renditions] == ["low"]


def test_deletions_that_wait_are_told_at_once(
    changing: Changing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delete_brake, "FEW", 0)
    monkeypatch.setattr(delete_brake, "SHARE", 1000)
    first, second = (changing.add(name, manifest_of(3)) for name in ("one", "two"))
    assert not told_of(changing, first).held
    changing.remove(first)
    assert told_of(changing, first).held
    changing.decide("desk", approve=False)
    assert not told_of(changing, first).held
    changing.remove(second)
    assert told_of(changing, second).held
    changing.decide("desk", approve=True)
    assert second.id not in {
        read_record(each.record.body).id for each in changing.ask(ALL, changing.shelf).listings
    }


def test_a_doubt_about_a_part_ends_by_itself(changing: Changing) -> None:
    entry, desk = changing.add("film", manifest_of(3)), changing.machines[0].peer
    part = Holding(manifest=entry.manifest, bits=b"\x80")
    announce = Announce(call=0, stored=1, holdings=(part,))
    changing.database.write_now(partial(holdings.apply_announce, peer=desk, announce=announce))
    assert [each.pieces for each in told_of(changing, entry).holders] == [1]
    changing.database.write_now(lambda c: holdings.doubt(c, desk, entry.manifest, changing.now))
    assert told_of(changing, entry).holders == ()
    changing.now += holdings.DOUBTED_FOR
    assert [each.pieces for each in told_of(changing, entry).holders] == [1]


@pytest.fixture
def shared(server: Postgres, tmp_path: Path) -> Iterator[Changing]:
    """On a database that other trackers write to."""
    _, database, keys, _ = found(tmp_path)
    yield begin_changing(database, keys, seed=5)
    database.close()


def test_what_others_wrote_is_asked_for_once_heard(shared: Changing) -> None:
    changing = shared
    changing.check()
    other = open_database(changing.database.engines.writer.url)
    entry = entry_of(manifest_of(2), changing.machines[0], salt=b"\xfd" * 16, name="film")
    record = signed(entry, changing.machines[0])
    other.write_now(lambda c: catalogue.store_record(c, record, entry, NOW))
    other.write_now(lambda c: store_manifest(c, manifest_of(2)))
    other.close()
    changing.check()
    assert told_of(changing, entry)


def test_what_is_kept_is_the_newest(shared: Changing, tmp_path: Path) -> None:
    changing, database, path = shared, shared.database, tmp_path / "search.cache"
    changing.shelf = Shelf(database.notes, KeptShelf(path, "here"))
    changing.check()
    other = open_database(database.engines.writer.url)
    entry = entry_of(manifest_of(2), changing.machines[0], salt=b"\xfc" * 16, name="film")
    record = signed(entry, changing.machines[0])
    other.write_now(lambda c: catalogue.store_record(c, record, entry, NOW))
    other.write_now(lambda c: store_manifest(c, manifest_of(2)))
    # Of that nothing was heard.
    database.write_now(lambda c: changing.shelf.keep(c, NOW))
    changing.shelf = Shelf(other.notes, KeptShelf(path, "here"))
    changing.database = other
    assert told_of(changing, entry)
    other.close()
    changing.database = database


@pytest.mark.parametrize("several", [8, 300])
def test_much_that_is_new_is_soon_in_memory(
    changing: Changing, several: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes, "_HEARS_FOR", math.inf)
    monkeypatch.setattr(ordered, "_QUICKLY_CUT", 0)
    monkeypatch.setattr(ordered, "_SEVERAL", several)
    changing.check()
    for _ in range(20):
        changing.publish(shown=1)
    changing.check()
    for sort in SORTS:
        request = Search(call=0, words="", sort=sort)
        changing.ask(request, changing.shelf)
        before = changing.in_memory
        changing.ask(request, changing.shelf)
        assert changing.in_memory == before + 1, sort


def test_a_page_that_is_cut_goes_on_where_it_was(changing: Changing) -> None:
    """Though what was found last is called otherwise before it is told."""
    caption = "long " * 380
    entries = [changing.add(f"{at:03}", manifest_of(3), caption=caption) for at in range(60)]
    request = Search(call=0, words="long", sort="name", limit=50)
    changing.check()
    fresh = changing.ask(request, changing.shelf)
    last = read_record(fresh.listings[-1].record.body)
    assert len(fresh.listings) < 50
    found = searching.find_in_memory(request, {}, NOW, changing.shelf)
    assert found is not None
    renamed = msgspec.structs.replace(
        next(entry for entry in entries if entry.id == last.id), name="zzz", sequence=2
    )
    changing.store(renamed)
    changing.ask(ALL, changing.shelf)
    page = searching.tell(MEMORY, found, {}, NOW, changing.shelf)
    rest = msgspec.structs.replace(request, cursor=page.cursor)
    listings = changing.ask(rest, changing.shelf).listings
    names = [getattr(read_record(each.record.body), "name", "") for each in listings]
    at = len(page.listings)
    assert names[:10] == [f"{number:03}" for number in range(at, at + 10)]


@pytest.mark.parametrize(
    ("names", "letters", "words", "at_once"),
    [
        (100, 3, "zoo", True),
        (100, 90, "zoo", False),
        (400, 5, "zoo", True),
        (400, 5, "zoo oo zo", False),
    ],
)
def test_names_inside_are_told_at_once_unless_looking_through_them_takes_long(
    changing: Changing, names: int, letters: int, words: str, at_once: bool
) -> None:
    for folder in range(3):
        paths = [f"{at:0{letters}}" for at in range(names)]
        manifest = folder_of([*paths, f"zoo {folder}"])
        changing.add(f"folder {folder}", manifest, kind="folder", files=names + 1)
    request = Search(call=0, words=words, sort="name")
    changing.check()
    for _ in range(2):
        before = changing.in_memory
        told = changing.ask(request, changing.shelf).listings
        assert [each.inside for each in told] == ["zoo 0", "zoo 1", "zoo 2"]
    assert changing.in_memory - before == at_once
