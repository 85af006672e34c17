"""A database that changes by chance, and a shelf that goes along with it."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import msgspec
from sqlalchemy import Connection
from tracker_support import NOW, admit, entry_of, manifest_of, signed, store_manifest, tombstone_of

from protocol.entry import Entry
from protocol.identity import Identity
from protocol.ids import PeerId
from protocol.messages.finding import SORTS, Filters
from protocol.messages.shared import PeerState
from protocol.messages.tracking import Announce, Holding, Search
from tracker import catalogue, holdings, searching
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

    def change(self) -> None:
        """Some steps, whichever chance wants."""
        steps: list[Callable[[], None]] = [self.publish, self.edit, self.delete, self.doubt]
        steps += [self.announce, self.announce, self.announce, self.wait]
        for _ in range(self.chance.randint(1, 3)):
            self.chance.choice(steps)()

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
            self.database.write_now(partial(store_manifest, manifest=manifest))
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


def begin_changing(database: Database, keys: SwarmKeys, seed: int) -> Changing:
    """Three machines and some entries of theirs."""
    machines = [admit(database, keys, name)[0] for name in NAMES]
    changing = Changing(database, machines, random.Random(seed), Shelf(database.notes))
    for _ in range(12):
        changing.publish()
    return changing
