"""What searches keep in memory: after any change as if all had been read again, and read once."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import msgspec
import pytest
from sqlalchemy import Connection, event
from tracker_support import NOW, admit, entry_of, manifest_of, signed, tombstone_of

from protocol.entry import Entry
from protocol.identity import Identity
from protocol.ids import PeerId
from protocol.messages.finding import SORTS, Filters
from protocol.messages.shared import PeerState
from protocol.messages.tracking import Announce, Holding, Search
from tracker import catalogue, holdings, manifests, members, ordered, search_index, searching
from tracker import shelf as shelf_module
from tracker.data_dir import SwarmKeys
from tracker.database import Database
from tracker.listing import Page
from tracker.shelf import Shelf
from tracker.touched import Notes

NAMES = ("desk", "nas", "attic")
QUESTIONS = tuple(
    Search(call=0, words=words, filters=filters, sort=sort, limit=50)  # type: ignore[arg-type]
    for words in ("", "film", "a")
    for filters in (
        Filters(),
        Filters(copies="short"),
        Filters(machine="nas"),
        Filters(kind="video", author="desk"),
        Filters(least=200, after=NOW - 2),
    )
    for sort in SORTS
)


@dataclass
class Changing:
    """A database that changes, and the one shelf that goes along."""

    database: Database
    machines: list[Identity]
    chance: random.Random
    shelf: Shelf
    now: int = NOW
    made: int = 0
    entries: list[Entry] = field(default_factory=list)

    def ask(self, request: Search, shelf: Shelf) -> Page:
        states: dict[PeerId, PeerState] = {who.peer: "live" for who in self.machines}

        def work(connection: Connection) -> Page:
            return searching.search(connection, request, states, self.now, shelf)

        return self.database.read_now(work)

    def check(self) -> None:
        fresh = Shelf(Notes())
        for request in self.chance.sample(QUESTIONS, 15):
            assert self.ask(request, self.shelf) == self.ask(request, fresh), request

    def publish(self, shown: float = 0.8) -> None:
        number = self.made = self.made + 1
        author = self.chance.choice(self.machines)
        manifest = manifest_of(2, seed=number)
        entry = entry_of(
            manifest,
            author,
            salt=number.to_bytes(16),
            name=self.chance.choice(("film", "A film.mp4", "photo a.jpg", "notes")),
            size=100 * self.chance.randrange(4),
            created=NOW - self.chance.randrange(4),
            copies=self.chance.choice((1, 2)),
        )
        self._store(entry, author)
        if self.chance.random() < shown:
            self.database.write_now(partial(manifests.store_manifest, manifest=manifest))
        self.entries.append(entry)

    def edit(self) -> None:
        at = self.chance.randrange(len(self.entries))
        old = self.entries[at]
        name = self.chance.choice(("film b", "b.mp4", "nothing a"))
        entry = msgspec.structs.replace(old, name=name, sequence=old.sequence + 1)
        self._store(entry, self._author(old))
        self.entries[at] = entry

    def delete(self) -> None:
        entry = self.entries.pop(self.chance.randrange(len(self.entries)))
        author = self._author(entry)
        tombstone = tombstone_of(entry)
        self.database.write_now(
            lambda c: catalogue.store_record(c, signed(tombstone, author), tombstone, NOW)
        )

    def announce(self) -> None:
        chosen = self.chance.sample(self.entries, min(3, len(self.entries)))
        said = tuple(
            Holding(manifest=entry.manifest, bits=self.chance.choice((None, None, b"\x80", b"")))
            for entry in chosen
        )
        announce = Announce(call=0, stored=1, holdings=said, reset=self.chance.random() < 0.2)
        peer = self.chance.choice(self.machines).peer
        self.database.write_now(partial(holdings.apply_announce, peer=peer, announce=announce))

    def doubt(self) -> None:
        peer = self.chance.choice(self.machines).peer
        entry = self.chance.choice(self.entries)
        self.database.write_now(lambda c: holdings.doubt(c, peer, entry.manifest, self.now))

    def wait(self) -> None:
        self.now += holdings.DOUBTED_FOR // 2

    def _author(self, entry: Entry) -> Identity:
        return next(who for who in self.machines if bytes(who.peer) == entry.author)

    def _store(self, entry: Entry, author: Identity) -> None:
        record = signed(entry, author)
        self.database.write_now(lambda c: catalogue.store_record(c, record, entry, NOW))


@pytest.fixture
def changing(made: tuple[Database, SwarmKeys]) -> Changing:
    database, keys = made
    machines = [admit(database, keys, name)[0] for name in NAMES]
    changing = Changing(database, machines, random.Random(5), Shelf(database.notes))
    for _ in range(12):
        changing.publish()
    return changing


@pytest.mark.parametrize("few", [0, 1_000])
@pytest.mark.parametrize("seed", range(3))
def test_goes_along_with_every_change(
    changing: Changing, seed: int, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordered, "_FEW", few)
    monkeypatch.setattr(shelf_module, "_MANY", 0)
    changing.chance = random.Random(seed)
    changing.check()
    steps: list[Callable[[], None]] = [
        changing.publish,
        changing.edit,
        changing.announce,
        changing.announce,
    ]
    steps += [changing.announce, changing.delete, changing.doubt, changing.wait]
    for _ in range(20):
        for _ in range(changing.chance.randint(1, 3)):
            changing.chance.choice(steps)()
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
    assert 0 < len(statements) <= 4


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
