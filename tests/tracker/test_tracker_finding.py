"""Searches: every filter, every order, pages across equal keys; with an index and along one.

What comes back is compared with what a plain reading of the rules over all entries gives.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import pytest
from sqlalchemy import Connection
from tracker_support import NOW, admit, entry_of, manifest_of, signed, store_manifest

from protocol.entry import Entry, read_record
from protocol.identity import Identity
from protocol.ids import PeerId
from protocol.kinds import content_kind, is_wanted
from protocol.messages.finding import SORTS, Filters
from protocol.messages.shared import PeerState
from protocol.messages.tracking import Announce, Holding, Search
from protocol.sorting import settled
from protocol.words import fold, name_key, nearness, searchable, spaced, split_query
from tracker import catalogue, finding, holdings, ordered, remembered, searching
from tracker.data_dir import SwarmKeys
from tracker.database import Database
from tracker.errors import RequestFailedError
from tracker.listing import Page
from tracker.shelf import Shelf
from tracker.snapshot import Snapshot

DAY = 86_400_000
NAMES = (
    "film", "Film.mp4", "film 2.MP4", "My film.mkv", "filmography.pdf", "telefilm.txt",
    "FILM NOIR", "фильм.mkv", "Фильмы на море.avi", "любимый фильм.mp3", "映画.mp4",
    "映画の本.epub", "好きな映画", "photo.jpg", "photo.JPEG", "photos.zip", "notes", "notes",
    "notes", "über-film.flac", "c++ film",
)  # fmt: skip
AUTHORS = ("desk", "nas", "Großmutter")
WORDS = (
    "", "film", "FILM", "fi", "f", "фильм", "映画", "画", "film mp4", "nas", "notes", "c++", "ß",
)  # fmt: skip
FILTERS = (
    Filters(),
    *(Filters(kind=kind) for kind in ("file", "folder", "image", "video", "audio")),
    *(Filters(kind=kind) for kind in ("document", "archive")),
    Filters(least=300),
    Filters(most=100),
    Filters(least=100, most=300),
    Filters(after=NOW - 2 * DAY),
    Filters(before=NOW - 2 * DAY),
    Filters(after=NOW - 3 * DAY, before=NOW - DAY),
    *(Filters(author=name) for name in ("desk", "NAS", "grossmutter")),
    *(Filters(machine=name) for name in AUTHORS),
    Filters(copies="short"),
    Filters(copies="safe"),
    Filters(kind="video", least=100, author="nas", copies="safe", after=NOW - 3 * DAY),
)


@dataclass
class Library:
    """A database with some entries in it, and who holds what."""

    database: Database
    machines: dict[str, Identity]
    states: dict[PeerId, PeerState]
    shelf: Shelf
    entries: list[Entry] = field(default_factory=list)
    held: dict[bytes, frozenset[str]] = field(default_factory=dict)

    def ask(self, request: Search) -> Page:
        return self.database.look_now(partial(self.look, request, self.shelf))

    def look(self, request: Search, shelf: Shelf, snapshot: Snapshot) -> Page:
        return searching.search(snapshot, request, self.states, NOW, shelf)

    def found(self, words: str, filters: Filters, sort: str, limit: int = 50) -> list[bytes]:
        ids, cursor = [], b""
        while True:
            request = Search(
                call=0, words=words, filters=filters, sort=sort, limit=limit, cursor=cursor  # type: ignore[arg-type]
            )  # fmt: skip
            page = self.ask(request)
            ids += [_entry(listing.record.body).id for listing in page.listings]
            cursor = page.cursor
            if not cursor:
                assert (page.total, page.more) == (len(ids), False)
                return ids

    def expected(self, words: str, filters: Filters, sort: str) -> list[bytes]:
        entries = [entry for entry in self.entries if self._meets(entry, words, filters)]
        query = split_query(words)
        keys: dict[str, Callable[[Entry], object]] = {
            "newest": lambda entry: (entry.created, entry.id),
            "oldest": lambda entry: (entry.created, entry.id),
            "name": lambda entry: (name_key(entry.name), entry.id),
            "largest": lambda entry: (entry.size, entry.id),
            "smallest": lambda entry: (entry.size, entry.id),
            "relevance": lambda entry: (_near(query, entry), entry.created, entry.id),
        }
        order = settled(sort, words=bool(query))  # type: ignore[arg-type]
        entries.sort(key=keys[order], reverse=order in ("newest", "largest", "relevance"))  # type: ignore[arg-type]
        return [entry.id for entry in entries]

    def _meets(self, entry: Entry, words: str, wanted: Filters) -> bool:
        names = {identity.peer: name for name, identity in self.machines.items()}
        author = names[PeerId(entry.author)]
        text = searchable((entry.name, entry.caption, *entry.tags, author))
        holders = self.held[entry.manifest]
        live = sum(self.states[self.machines[name].peer] == "live" for name in holders)
        return (
            all(word in text for word in fold(words).split())
            and (not wanted.kind or is_wanted(content_kind(entry.kind, entry.name), wanted.kind))
            and (wanted.least or 0) <= entry.size <= (wanted.most or entry.size)
            and (wanted.after or 0) <= entry.created <= (wanted.before or entry.created)
            and (not wanted.author or author.casefold() == wanted.author.casefold())
            and (not wanted.machine or wanted.machine in holders)
            and (not wanted.copies or (live < entry.copies) == (wanted.copies == "short"))
        )


def _entry(body: bytes) -> Entry:
    record = read_record(body)
    assert isinstance(record, Entry)
    return record


def _near(query: object, entry: Entry) -> int:
    return nearness(query, name_key(entry.name), spaced(fold(entry.name)))  # type: ignore[arg-type]


@pytest.fixture
def library(made: tuple[Database, SwarmKeys]) -> Library:
    """Three machines, one of them away; sizes, days and names of which several are alike."""
    database, keys = made
    machines = {name: admit(database, keys, name)[0] for name in AUTHORS}
    states: dict[PeerId, PeerState] = {who.peer: "live" for who in machines.values()}
    states[machines["Großmutter"].peer] = "gone"
    library = Library(database, machines, states, Shelf(database.notes))
    holdings_of: dict[str, list[Holding]] = {name: [] for name in AUTHORS}
    for number, name in enumerate(NAMES):
        manifest = manifest_of(2, seed=number)
        author = machines[AUTHORS[number % 3]]
        entry = entry_of(
            manifest,
            author,
            salt=bytes([number]) * 16,
            name=name,
            caption="a film by the sea" if number % 5 == 0 else "",
            tags=("映画",) if number % 7 == 0 else (),
            size=100 * (number % 5),
            created=NOW - (number % 4) * DAY,
            kind="folder" if number % 6 == 5 else "file",
            copies=1 + number % 2,
        )
        record = signed(entry, author)
        database.write_now(partial(catalogue.store_record, signed=record, record=entry, now=NOW))
        database.write_now(partial(store_manifest, manifest=manifest))
        holders = [each for at, each in enumerate(AUTHORS) if number % 7 & (1 << at)]
        for holder in holders:
            holdings_of[holder].append(Holding(manifest=manifest.id, bits=None))
        library.entries.append(entry)
        library.held[entry.manifest] = frozenset(holders)
    for name, held in holdings_of.items():
        announce = Announce(call=0, stored=1, holdings=tuple(held))
        database.write_now(
            partial(holdings.apply_announce, peer=machines[name].peer, announce=announce)
        )
    return library


@pytest.fixture(params=["few", "many"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to find: as where few entries are met, and as where many are."""
    if request.param == "many":
        for module, name in ((finding, "_FEW"), (ordered, "_FEW"), (ordered, "_LOOKED_AT")):
            monkeypatch.setattr(module, name, 0)
        monkeypatch.setattr(remembered, "_SHARE", 1 << 30)


@pytest.mark.usefixtures("way")
def test_every_filter_with_words_in_every_order(library: Library) -> None:
    for words, filters in itertools.product(("", "film", "фильм"), FILTERS):
        for sort in SORTS:
            expected = library.expected(words, filters, sort)
            assert library.found(words, filters, sort) == expected, (words, filters, sort)
    assert all(library.expected("", filters, "name") for filters in FILTERS[:-1])


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("words", WORDS)
def test_words_of_three_scripts_nearest_first(library: Library, words: str) -> None:
    for sort in SORTS:
        assert library.found(words, Filters(), sort) == library.expected(words, Filters(), sort)


def test_exact_then_prefix_then_word_then_part(library: Library) -> None:
    names = {entry.id: entry.name for entry in library.entries}
    found = [names[entry] for entry in library.found("film", Filters(), "relevance")]
    near = [found.index(name) for name in ("film", "Film.mp4", "My film.mkv", "telefilm.txt")]
    assert near == sorted(near)
    assert near[0] == 0
    assert found.index("filmography.pdf") < found.index("My film.mkv")


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_pages_neither_repeat_nor_skip_where_keys_are_alike(library: Library, limit: int) -> None:
    for words, sort in itertools.product(("", "film", "画"), SORTS):
        whole = library.expected(words, Filters(), sort)
        assert library.found(words, Filters(), sort, limit) == whole, (words, sort)


@pytest.mark.parametrize("sort", SORTS)
def test_what_is_added_and_deleted_meanwhile_moves_nothing(library: Library, sort: str) -> None:
    request = Search(call=0, words="film", sort=sort, limit=4)  # type: ignore[arg-type]
    page = library.ask(request)
    before = library.found("film", Filters(), sort)
    gone = [_entry(listing.record.body) for listing in page.listings][3]

    def hide(connection: Connection) -> None:
        row = catalogue._table.c
        number = connection.execute(
            catalogue.select(row.number).where(row.id == gone.id)
        ).scalar_one()
        catalogue.search_index.remove(connection, number)

    library.database.write_now(hide)
    rest = Search(call=0, words="film", sort=sort, cursor=page.cursor)  # type: ignore[arg-type]
    ids = [_entry(listing.record.body).id for listing in library.ask(rest).listings]
    assert ids == before[4:]


def test_what_makes_no_sense_is_refused_with_a_reason(library: Library) -> None:
    refused = (
        (Filters(least=2, most=1), "larger than the most"),
        (Filters(after=2, before=1), "later than"),
        (Filters(author="nobody"), "no machine of this swarm is called 'nobody'"),
        (Filters(machine="de"), "no machine of this swarm is called 'de'"),
    )
    for filters, text in refused:
        with pytest.raises(RequestFailedError, match=text):
            library.ask(Search(call=0, words="", filters=filters))


def test_a_machine_by_its_key_or_the_beginning_of_it(library: Library) -> None:
    by_name = library.found("", Filters(author="nas"), "name")
    key = library.machines["nas"].peer.hex()
    assert library.found("", Filters(author=key), "name") == by_name
    assert library.found("", Filters(author=key[:10].upper()), "name") == by_name


def test_a_cursor_of_another_order_is_refused(library: Library) -> None:
    page = library.ask(Search(call=0, words="film", limit=2))
    for sort in ("newest", "name", "largest"):
        with pytest.raises(RequestFailedError, match="cursor"):
            library.ask(Search(call=0, words="film", sort=sort, cursor=page.cursor))  # type: ignore[arg-type]
    with pytest.raises(RequestFailedError, match="cursor"):
        library.ask(Search(call=0, words="", sort="name", cursor=b"\x03\xff" + bytes(16)))


def test_copies_that_parts_make_up_count(library: Library) -> None:
    entry = next(entry for entry in library.entries if len(library.held[entry.manifest]) == 0)
    short = Filters(copies="short")
    assert entry.id in library.found("", short, "name")
    for name, bits in (("desk", b"\x80"), ("nas", b"\x40")):
        announce = Announce(
            call=0, stored=1, holdings=(Holding(manifest=entry.manifest, bits=bits),)
        )
        library.database.write_now(
            partial(holdings.apply_announce, peer=library.machines[name].peer, announce=announce)
        )
    assert (entry.id in library.found("", short, "name")) == (entry.copies > 1)
    assert (entry.id in library.found("", Filters(copies="safe"), "name")) == (entry.copies == 1)
