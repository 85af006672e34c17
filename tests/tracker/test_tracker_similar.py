"""Searches for what is mistyped, and by names inside folders; both engines find the same."""

import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from test_tracker_database import BEFORE_0014
from tracker_support import NOW, PIECE, admit, entry_of, found, signed, store_manifest, tombstone_of

from protocol.entry import Entry, read_record
from protocol.geometry import Geometry
from protocol.hashing import hash_piece
from protocol.identity import Identity
from protocol.manifest import FileRecord, Manifest, make_manifest
from protocol.messages.finding import Filters
from protocol.messages.tracking import Search
from protocol.similar import (
    LIKENESS,
    key_of,
    learned,
    likeness,
    most_apart,
    nearest_first,
    neighbours,
    trigrams,
)
from tracker import (
    catalogue,
    finding,
    in_bulk,
    ordered,
    remembered,
    search_index,
    searching,
)
from tracker.copying import copy_database
from tracker.data_dir import DataDir, SwarmKeys
from tracker.database import Database, open_database
from tracker.listing import Page
from tracker.shelf import Shelf
from tracker.snapshot import Snapshot

_DIE = (
    "import os, pathlib, sys\n"
    "from sqlalchemy import event\n"
    "from sqlalchemy.engine import Engine\n"
    "def die(c, cursor, statement, *rest):\n"
    "    if sys.argv[2] in statement: os._exit(9)\n"
    "event.listen(Engine, 'before_cursor_execute', die)\n"
    "from tracker.database import open_database\n"
    "open_database(pathlib.Path(sys.argv[1]))\n"
)


def folder_of(*paths: str) -> Manifest:
    """A manifest of a folder with a byte in each file."""
    files = [FileRecord(path=path, offset=at, size=1) for at, path in enumerate(paths)]
    pieces = -(-len(paths) // PIECE)
    hashes = [hash_piece(b"%d" % piece + paths[0].encode()) for piece in range(pieces)]
    geometry = Geometry(piece_length=PIECE, length=len(paths), short={})
    return make_manifest(geometry, hashes, files)


@dataclass
class Library:
    """A database, its shelf, and who adds to it."""

    database: Database
    author: Identity
    shelf: Shelf = field(init=False)
    added: int = 0

    def __post_init__(self) -> None:
        self.shelf = Shelf(self.database.notes)

    def entry(self, name: str, *inner: str, **fields: object) -> Entry:
        """A record of something new, its manifest not stored."""
        self.added += 1
        self.manifest = folder_of(*inner) if inner else folder_of(f"{name}{self.added}")
        return entry_of(
            self.manifest,
            self.author,
            salt=self.added.to_bytes(16),
            name=name,
            kind="folder" if inner else "file",
            created=NOW + self.added,
            **fields,
        )

    def put(self, entry: Entry) -> None:
        record = signed(entry, self.author)
        self.database.write_now(
            partial(catalogue.store_record, signed=record, record=entry, now=NOW)
        )

    def add(self, name: str, *inner: str, **fields: object) -> Entry:
        entry = self.entry(name, *inner, **fields)
        self.put(entry)
        self.database.write_now(partial(store_manifest, manifest=self.manifest))
        return entry

    def page(self, words: str, limit: int = 50, cursor: bytes = b"", **asked: object) -> Page:
        request = Search(call=0, words=words, limit=limit, cursor=cursor, **asked)  # type: ignore[arg-type]

        def look(snapshot: Snapshot) -> Page:
            return searching.search(snapshot, request, {}, NOW, self.shelf)

        return self.database.look_now(look)

    def found(self, words: str, limit: int = 50, **asked: object) -> list[str]:
        names, cursor = [], b""
        while True:
            page = self.page(words, limit, cursor, **asked)
            names += names_of(page)
            cursor = page.cursor
            if not cursor:
                assert page.total == len(names)
                return names

    def replaced(self, words: str) -> dict[str, tuple[str, ...]]:
        return {each.word: each.instead for each in self.page(words).replaced}


def names_of(page: Page) -> list[str]:
    records = [read_record(listing.record.body) for listing in page.listings]
    return [record.name for record in records if isinstance(record, Entry)]


@pytest.fixture
def library(made: tuple[Database, SwarmKeys]) -> Library:
    database, keys = made
    return Library(database, admit(database, keys, "Grandma")[0])


@pytest.fixture(params=["few", "many"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to find: as where few entries are met, and as where many are."""
    if request.param == "many":
        monkeypatch.setattr(finding, "_FEW", -1)
        monkeypatch.setattr(ordered, "_LOOKED_AT", 0)
        monkeypatch.setattr(remembered, "_SHARE", 1 << 30)


@pytest.mark.usefixtures("way")
def test_mistyped_words_find_what_was_meant(library: Library) -> None:
    library.add("Holiday film.mp4", caption="the beach at Étretat", tags=("accommodation",))
    library.add("Фильмы на море.avi")
    library.add("budget 2026.ods")
    for typed, meant in (
        ("holliday", "holiday"),
        ("hoilday", "holiday"),
        ("etretat", "étretat"),
        ("baech", "beach"),
        ("flim", "film"),
        ("accomodtion", "accommodation"),
        ("GRANMDA", "grandma"),
        ("фльмы", "фильмы"),
        ("budgte 2026", "budget"),
    ):
        assert library.found(typed), typed
        assert meant in library.replaced(typed)[typed.split()[0].casefold()], typed
    assert library.found("holliday flim") == ["Holiday film.mp4"]
    assert library.replaced("holliday flim mp4") == {"holliday": ("holiday",), "flim": ("film",)}
    assert library.found("hollidayfilm") == library.found("hol1day") == []


def test_what_is_there_is_never_replaced(library: Library) -> None:
    library.add("holliday.txt")
    library.add("holiday.txt")
    library.add("2025")
    assert library.found("holliday") == ["holliday.txt"]
    assert library.found("holl") == ["holliday.txt"]
    assert library.page("holliday").replaced == ()
    # Nothing has all of them, but each is somewhere.
    assert library.found("holliday 2025") == []
    # Numbers and short words are what they are.
    assert library.found("2026") == library.found("txd") == []
    # The word is there, if not with this filter.
    assert library.found("holliday", filters=Filters(kind="image")) == []


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("limit", [1, 2, 50])
def test_what_is_similar_comes_in_pages_nearest_first(library: Library, limit: int) -> None:
    for name in ("leech.jpg", "my beach", "beaches", "leech", "beach", "reach"):
        library.add(name)
    found = library.found("beech", limit)
    assert found == ["beach", "beaches", "leech", "my beach", "leech.jpg"]
    assert library.found("beech", limit, sort="name") == sorted(found)
    assert library.found("beech", filters=Filters(kind="image")) == ["leech.jpg"]


def test_words_of_what_was_edited_or_deleted_are_not_offered(library: Library) -> None:
    entry = library.add("holiday")
    manifest = library.manifest
    library.add("holidays in winter")
    assert library.replaced("holliday") == {"holliday": ("holiday",)}
    fields = {"salt": entry.salt, "sequence": 2, "created": entry.created}
    library.put(entry_of(manifest, library.author, name="summer", **fields))
    assert library.found("holliday") == ["holidays in winter"]
    assert library.found("sumner") == ["summer"]
    gone = tombstone_of(entry, sequence=3)
    library.database.write_now(
        lambda c: catalogue.store_record(c, signed(gone, library.author), gone, NOW)
    )
    assert library.found("sumner") == []
    assert library.page("sumner").replaced == ()


@pytest.mark.usefixtures("way")
def test_folders_are_found_by_the_names_in_them_after_all_others(library: Library) -> None:
    library.add(
        "pictures", "DCIM/Étretat/IMG_2041.JPG", "DCIM/Étretat/beach at noon.JPG", "日本.txt"
    )
    library.add("beach.txt")
    library.add("noon", "beach.png", "other")
    for words in ("beach", "bea", "be"):
        assert library.found(words) == library.found(words, 1) == ["beach.txt", "noon", "pictures"]
    assert library.found("beach", sort="oldest") == ["pictures", "beach.txt", "noon"]
    assert library.found("img_2041") == library.found("日本") == ["pictures"]
    assert library.found("étretat pict") == library.found("ÉTRETAT NOON") == ["pictures"]
    assert library.found("beach noon") == ["noon", "pictures"]
    told = {
        name: listing.inside
        for page in [library.page("beach")]
        for name, listing in zip(names_of(page), page.listings, strict=True)
    }
    assert told == {"beach.txt": "", "noon": "beach.png", "pictures": "beach at noon.jpg"}
    assert library.found("beach", filters=Filters(kind="folder")) == ["noon", "pictures"]
    # A mistyped name in a folder is found as well.
    assert library.found("etretta") == ["pictures"]


def test_names_in_folders_follow_the_entry(library: Library) -> None:
    entry = library.entry("trip", "sunset.jpg")
    library.put(entry)
    assert library.found("sunset") == []
    first = library.manifest
    library.database.write_now(partial(store_manifest, manifest=first))
    assert library.found("sunset") == ["trip"]
    other = folder_of("sunrise.jpg")
    edited = entry_of(
        other, library.author, salt=entry.salt, sequence=2, name="trip", kind="folder"
    )
    library.put(edited)
    library.database.write_now(partial(store_manifest, manifest=other))
    assert library.found("sunset") == []
    assert library.found("sunrise") == ["trip"]
    gone = tombstone_of(edited, sequence=3)
    library.database.write_now(
        lambda c: catalogue.store_record(c, signed(gone, library.author), gone, NOW)
    )
    assert library.found("sunrise") == []


def test_a_member_that_is_renamed_is_found_mistyped(library: Library) -> None:
    library.add("trip", "sunset.jpg")

    def rename(connection: Connection) -> None:
        statement = text("UPDATE members SET name = 'Aunt Josephine'")
        connection.execute(statement)
        catalogue.index_author(connection, library.author.peer)

    library.database.write_now(rename)
    assert library.found("josefine") == library.found("sunset") == ["trip"]


def test_a_huge_folder_is_found_by_some_of_its_names(library: Library) -> None:
    library.add(
        "huge", *(f"part{number % 7}/picture-of-day-{number:06}" for number in range(30_000))
    )
    assert library.found("part5") == library.found("day-000123") == ["huge"]
    assert library.found("day-029999") == []


def test_what_is_given_in_bulk_is_found_the_same(library: Library) -> None:
    entry = library.entry("trip", "sunset at sea.jpg")
    manifest = library.manifest
    giver = in_bulk.Giver(library.author.peer, NOW, rebuilding=True)
    record = (signed(entry, library.author), entry)
    library.database.write_now(lambda c: in_bulk.put_records(c, giver, [record]))
    library.database.write_now(lambda c: in_bulk.put_manifests(c, [manifest]))
    assert library.found("sunset") == library.found("sunste") == library.found("tirp") == ["trip"]


def test_a_copy_of_the_database_finds_the_same(library: Library, tmp_path: Path) -> None:
    library.add("trip", "sunset at sea.jpg")
    directory = DataDir(tmp_path / "copy")
    directory.create()
    target = open_database(directory.place())
    copy_database(library.database, target)
    copied = Library(target, library.author)
    assert copied.found("sunset") == copied.found("sunste") == copied.found("tirp") == ["trip"]
    target.close()


def test_a_database_of_before_is_indexed(tmp_path: Path) -> None:
    directory, database, keys, _ = found(tmp_path)
    library = Library(database, admit(database, keys, "Grandma")[0])
    for number in range(3):
        library.add(f"trip {number}", f"sunset {number}.jpg")
    database.close()
    with closing(sqlite3.connect(directory.database)) as raw:
        raw.executescript(BEFORE_0014 + "UPDATE alembic_version SET version_num = '0013'")
    database = open_database(directory.place())
    again = Library(database, library.author)
    assert again.found("sunste") == ["trip 2", "trip 1", "trip 0"]
    assert again.found("tirp granmda") == ["trip 2", "trip 1", "trip 0"]
    database.close()


def test_a_database_of_before_is_indexed_whole_or_not_at_all(tmp_path: Path) -> None:
    directory, database, keys, _ = found(tmp_path)
    library = Library(database, admit(database, keys, "Grandma")[0])
    library.add("trip", "sunset.jpg")
    database.close()
    with closing(sqlite3.connect(directory.database)) as raw:
        raw.executescript(BEFORE_0014 + "UPDATE alembic_version SET version_num = '0013'")
    for at in ("INSERT INTO inner_short", "INSERT INTO vocabulary_runs", "UPDATE alembic_version"):
        killed = subprocess.run([sys.executable, "-c", _DIE, directory.database, at], check=False)
        assert killed.returncode == 9, at
    database = open_database(directory.place())
    again = Library(database, library.author)
    assert again.found("sunste") == again.found("tirp") == ["trip"]
    database.close()


def test_both_vocabularies_know_what_is_alike(library: Library) -> None:
    chance = random.Random(3)
    syllables = ["ho", "li", "day", "аня", "для", "tion", "ac", "com", "мо", "é", "ess", "ing"]
    words: set[str] = set()
    while len(words) < 400:
        words |= learned("".join(chance.choices(syllables, k=chance.randrange(2, 5))))

    def fill(connection: Connection) -> None:
        kept = search_index.vocabulary(connection)
        kept.learn(connection, words)
        kept.learn(connection, set(chance.sample(sorted(words), 50)))

    library.database.write_now(fill)

    def check(connection: Connection) -> None:
        kept = search_index.vocabulary(connection)
        for word in chance.sample(sorted(words), 30):
            typed = mistyped(word, chance)
            key, most = key_of(typed), most_apart(typed)
            near = sorted(each for each in words if key_of(each) in neighbours(key))
            assert list(kept.with_keys(connection, neighbours(key))) == near
            measured = sorted(
                (-likeness(trigrams(key), trigrams(key_of(each))), each)
                for each in words
                if abs(len(key_of(each)) - len(key)) <= most
            )
            alike = [each for by, each in measured if -by >= LIKENESS][:100]
            assert list(kept.alike(connection, key, most)) == alike
            assert word in [each for _, each in nearest_first(typed, near)]

    def look(snapshot: Snapshot) -> None:
        if snapshot.connection.dialect.name == "postgresql":
            # As somebody may have set it for all.
            snapshot.connection.exec_driver_sql("SET pg_trgm.similarity_threshold = 0.9")
        check(snapshot.connection)

    library.database.look_now(look)


def mistyped(word: str, chance: random.Random) -> str:
    at = chance.randrange(len(word) - 1)
    ways: list[Callable[[], str]] = [
        lambda: word[:at] + word[at + 1 :],
        lambda: word[:at] + "x" + word[at:],
        lambda: word[:at] + "x" + word[at + 1 :],
        lambda: word[:at] + word[at + 1] + word[at] + word[at + 2 :],
    ]
    return chance.choice(ways)()
