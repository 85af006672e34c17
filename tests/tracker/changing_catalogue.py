"""A database that changes by chance, and a shelf that goes along with it."""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import msgspec
from sqlalchemy import Connection
from tracker_support import NOW, admit, entry_of, manifest_of, signed, store_manifest, tombstone_of

from protocol.entry import Entry
from protocol.identity import Identity
from protocol.ids import PeerId
from protocol.manifest import Manifest
from protocol.messages.deleting import DecideBurst
from protocol.messages.finding import SORTS, Filters
from protocol.messages.shared import PeerState
from protocol.messages.tracking import Announce, Holding, Search
from protocol.pictures import QUALITIES, Picture, RenditionQuality, rendition_salt
from tracker import approvals, catalogue, holdings, searching
from tracker.data_dir import SwarmKeys
from tracker.database import Database
from tracker.errors import RequestFailedError
from tracker.listing import Page
from tracker.notes import SharedNotes, newest_note
from tracker.shelf import Shelf
from tracker.snapshot import MEMORY, Snapshot
from tracker.swarm import load_roster
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
    keys: SwarmKeys
    now: int = NOW
    made: int = 0
    entries: list[Entry] = field(default_factory=list)
    renditions: list[Entry] = field(default_factory=list)
    in_memory: int = 0
    """How often an answer took nothing from the database."""

    def ask(self, request: Search, shelf: Shelf) -> Page:
        """As the tracker does."""
        states: dict[PeerId, PeerState] = {who.peer: "live" for who in self.machines}
        found = searching.find_in_memory(request, states, self.now, shelf)
        if found is not None and found.is_told_at_once:
            self.in_memory += 1
            return searching.tell(MEMORY, found, states, self.now, shelf)

        def work(snapshot: Snapshot) -> Page:
            if found is None:
                return searching.search(snapshot, request, states, self.now, shelf)
            return searching.tell(snapshot, found, states, self.now, shelf)

        return self.database.look_now(work)

    def check(self) -> None:
        fresh = Shelf(Notes())
        if isinstance(self.database.notes, SharedNotes):
            newest = self.database.read_now(newest_note)
            self.database.notes.heard(newest, time.monotonic())
        for request in self.chance.sample(QUESTIONS, 15):
            true = self.ask(request, fresh)
            for _ in range(2):
                assert self.ask(request, self.shelf) == true, request

    def change(self) -> None:
        """Some steps, whichever chance wants."""
        steps: list[Callable[[], None]] = [self.publish, self.edit, self.delete, self.doubt]
        steps += [self.announce, self.announce, self.announce, self.wait]
        steps += [self.render, self.render, self.drop_rendition, self.decide_some]
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
        self.store(entry)
        if self.chance.random() < shown:
            self.database.write_now(partial(store_manifest, manifest=manifest))
        self.entries.append(entry)

    def edit(self) -> None:
        at = self.chance.randrange(len(self.entries))
        old = self.entries[at]
        name = self.chance.choice(("film b", "b.mp4", "nothing a"))
        entry = msgspec.structs.replace(old, name=name, sequence=old.sequence + 1)
        self.store(entry)
        self.entries[at] = entry

    def delete(self) -> None:
        self.remove(self.entries.pop(self.chance.randrange(len(self.entries))))

    def render(self) -> None:
        """A rendition of something that may be a picture."""
        of, quality = self.chance.choice(self.entries), self.chance.choice(QUALITIES)
        rendition = self.rendition_of(of, manifest_of(1), quality)
        with suppress(RequestFailedError):
            self.store(rendition)
            self.renditions.append(rendition)
        if self.chance.random() < 0.5:
            self.database.write_now(partial(store_manifest, manifest=manifest_of(1)))

    def drop_rendition(self) -> None:
        if self.renditions:
            self.remove(self.renditions.pop())

    def decide_some(self) -> None:
        with suppress(RequestFailedError):
            self.decide(self.chance.choice(NAMES), approve=self.chance.random() < 0.5)

    def decide(self, target: str, *, approve: bool) -> None:
        """An operator decides about a machine's deletions that wait."""

        def work(connection: Connection) -> None:
            roster = load_roster(connection, self.keys.public).roster
            request = DecideBurst(call=0, target=target, approve=approve)
            approvals.decide_as_operator(connection, self.keys.signing, roster, request, NOW)

        self.database.write_now(work)

    def add(self, name: str, manifest: Manifest, **fields: object) -> Entry:
        """An entry of the first machine's that is shown."""
        self.made += 1
        salt = self.made.to_bytes(16)
        entry = entry_of(manifest, self.machines[0], salt=salt, name=name, **fields)
        self.store(entry)
        self.database.write_now(partial(store_manifest, manifest=manifest))
        return entry

    def rendition_of(
        self, of: Entry, manifest: Manifest, quality: RenditionQuality = "medium"
    ) -> Entry:
        return entry_of(
            manifest,
            self._author(of),
            salt=rendition_salt(of.id, of.manifest, quality),
            picture=Picture(width=40, height=30, quality=quality, of=of.id),
        )

    def remove(self, entry: Entry) -> None:
        author, tombstone = self._author(entry), tombstone_of(entry)
        self.database.write_now(
            lambda c: catalogue.store_record(c, signed(tombstone, author), tombstone, NOW)
        )

    def store(self, entry: Entry) -> None:
        record = signed(entry, self._author(entry))
        self.database.write_now(lambda c: catalogue.store_record(c, record, entry, NOW))

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


def begin_changing(database: Database, keys: SwarmKeys, seed: int) -> Changing:
    """Three machines and some entries of theirs."""
    machines = [admit(database, keys, name)[0] for name in NAMES]
    changing = Changing(database, machines, random.Random(seed), Shelf(database.notes), keys)
    for _ in range(12):
        changing.publish()
    return changing
