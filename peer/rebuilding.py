"""Gives a tracker what it lacks of what this machine knows: entries, and manifests that are here.

A tracker whose database is another than the one we knew, or an older copy of it, is offered all
that is known here, a portion at a time, from a place of our own on, so that members seldom offer
the same at the same time. It asks for what it lacks, and tells what it knows to be newer.
"""

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial

import structlog
import trio

from peer.catalogue import Catalogue
from peer.database import Database
from peer.errors import PeerError, UnreachableError
from peer.tracker_link import TrackerLink
from protocol.ids import EntryId, ManifestId, PeerId
from protocol.messages.base import Done, Message
from protocol.messages.rebuilding import (
    MOST_GIVEN,
    MOST_OFFERED,
    GiveEntries,
    GiveManifests,
    KnownEntry,
    OfferEntries,
    Wanted,
)
from protocol.messages.tracking import Presented
from protocol.signing import Signed

log = structlog.get_logger()

AGAIN_AFTER = 2.0
"""Seconds until portions are offered again of which others had just been asked for something."""
RECORD_BYTES = 60_000
"""Of records in one message, which has 65,519 at most."""
MANIFEST_BYTES = 1 << 20
_LAST = b"\xff" * 17


class Rebuilding:
    """`begin` at each connect; `run` does the rest."""

    def __init__(
        self, me: PeerId, database: Database, catalogue: Catalogue, tracker: TrackerLink
    ) -> None:
        self._start = bytes(me[:16])
        self._database = database
        self._catalogue = catalogue
        self._tracker = tracker
        self._lacking: Presented | None = None
        self._told = trio.Event()
        self.epoch = b""
        """Which database of the tracker knows all that is known here."""

    def load(self) -> None:
        """Read which one did in an earlier run."""
        row = self._database.connection.execute(
            "SELECT value FROM facts WHERE name = 'epoch'"
        ).fetchone()
        self.epoch = row[0] if row else b""

    def is_lacking(self, presented: Presented) -> bool:
        """Whether the tracker's database is not the one we knew, or was set back."""
        return presented.epoch != self.epoch or presented.change < self._catalogue.seen_change

    async def begin(self, presented: Presented, *, set_back: bool = False) -> None:
        """The tracker is connected. If it lacks something, nothing it confirmed counts any more."""
        if not (set_back or self.is_lacking(presented)):
            return
        await self._remember(b"", _forget_confirmed)
        await self._catalogue.remember_change(presented.change, set_back=True)
        self._lacking = presented
        self._told.set()

    async def run(self) -> None:
        """Give it what it lacks, for ever."""
        while True:
            await self._told.wait()
            self._told = trio.Event()
            presented = self._lacking
            try:
                await self._give_all()
                if presented is not None and presented is self._lacking:
                    await self._remember(presented.epoch)
            except PeerError as error:
                log.info("the tracker was not told all that is known", reason=str(error))
                if self._tracker.connected:
                    await trio.sleep(AGAIN_AFTER)
                    self._told.set()

    async def _give_all(self) -> None:
        log.info("telling the tracker all that is known here")
        again: list[tuple[bytes, bytes]] = []
        for first, last in ((self._start, _LAST), (b"", self._start)):
            after = first
            while known := await self._known(after, last):
                if await self._offer(known):
                    again.append((after, known[-1][0]))
                after = known[-1][0]
        while again:
            await self._offer([])
            await trio.sleep(AGAIN_AFTER)
            again = [part for part in again if await self._offer(await self._known(*part))]
        await self._offer([])
        log.info("the tracker knows all that is known here")

    async def _offer(self, known: list[KnownEntry]) -> bool:
        """Offer a portion and give what is asked for; whether to offer it again later.

        An empty one says that the last was given: what is left of it may be asked of others.
        """
        wanted, _ = await self._tracker.call(
            lambda call: OfferEntries(call=call, known=tuple(known)), Wanted
        )
        await self._give_records(wanted.records)
        await self._give_manifests(wanted.manifests)
        return wanted.busy > 0

    async def _give_records(self, entries: Sequence[EntryId]) -> None:
        while entries:
            found = await self._database.run(partial(_read_records, entries=entries))
            entries = entries[len(found) :]
            records = tuple(record for record in found if record is not None)
            await self._give(partial(GiveEntries, records=records))

    async def _give_manifests(self, entries: Sequence[EntryId]) -> None:
        while entries:
            found = await self._database.run(partial(_read_manifests, entries=entries))
            entries = entries[len(found) :]
            given = [each for each in found if each is not None]
            if given:
                content = b"".join(encoded for _, encoded in given)
                sizes = tuple((manifest, len(encoded)) for manifest, encoded in given)
                make = partial(GiveManifests, length=len(content), manifests=sizes)
                await self._give(make, content)

    async def _give(self, make: Callable[..., Message], content: bytes | None = None) -> None:
        try:
            await self._tracker.call(lambda call: make(call=call), Done, content)
        except UnreachableError:
            raise
        except PeerError as error:
            # What it will not have of this must not keep the rest from it.
            log.warning("the tracker refuses what it asked for", reason=str(error))

    async def _known(self, after: bytes, last: bytes) -> list[KnownEntry]:
        return await self._database.run(lambda c: _read_known(c, after, last))

    async def _remember(
        self, epoch: bytes, also: Callable[[sqlite3.Connection], None] | None = None
    ) -> None:
        def write(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO facts VALUES ('epoch', ?)", (epoch,))
            if also is not None:
                also(connection)

        await self._database.run(write)
        self.epoch = epoch


def _forget_confirmed(connection: sqlite3.Connection) -> None:
    """Approvals, and deletions that wait for one, are published anew; records are offered."""
    connection.execute("UPDATE approvals SET published = 0")
    connection.execute("UPDATE held_tombstones SET published = 0 WHERE rejected = 0")


def _read_known(connection: sqlite3.Connection, after: bytes, last: bytes) -> list[KnownEntry]:
    rows = connection.execute(
        "SELECT entry, sequence, dead, EXISTS "
        "(SELECT 1 FROM manifests AS m WHERE m.manifest = r.manifest) "
        "FROM records AS r WHERE entry > ? AND entry <= ? ORDER BY entry LIMIT ?",
        (after, last, MOST_OFFERED),
    )
    return [(EntryId(row[0]), row[1], bool(row[2]), bool(row[3])) for row in rows]


def _read_records(
    connection: sqlite3.Connection, entries: Sequence[EntryId]
) -> list[Signed | None]:
    """The records of the first few entries, as many as fit a message."""
    found: list[Signed | None] = []
    size = 0
    for entry in entries[:MOST_GIVEN]:
        row = connection.execute(
            "SELECT body, signature FROM records WHERE entry = ?", (entry,)
        ).fetchone()
        size += sum(map(len, row)) + 32 if row else 0
        if size > RECORD_BYTES and found:
            break
        found.append(Signed(*row) if row else None)
    return found


def _read_manifests(
    connection: sqlite3.Connection, entries: Sequence[EntryId]
) -> list[tuple[ManifestId, bytes] | None]:
    """The same of the manifests they name, up to some size together, or a larger one alone."""
    found: list[tuple[ManifestId, bytes] | None] = []
    size = 0
    for entry in entries[:MOST_GIVEN]:
        row = connection.execute(
            "SELECT m.rowid, manifest, length(encoded) FROM records JOIN manifests AS m "
            "USING (manifest) WHERE entry = ?",
            (entry,),
        ).fetchone()
        size += row[2] if row else 0
        if size > MANIFEST_BYTES and any(found):
            break
        read = "SELECT encoded FROM manifests WHERE rowid = ?"
        encoded = connection.execute(read, (row[0],)).fetchone()[0] if row else b""
        found.append((ManifestId(row[1]), encoded) if row else None)
    return found
