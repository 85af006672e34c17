"""Entries and tombstones this machine has seen: checked first, then kept on disk."""

import sqlite3
from collections.abc import Callable

import structlog

from peer.database import Database
from peer.errors import NotFoundError, UsageError
from peer.roster_book import RosterBook
from protocol.entry import Entry, Record, Tombstone, open_record_untrusted, supersedes
from protocol.errors import RemoteProtocolError
from protocol.ids import EntryId, ManifestId, PeerId
from protocol.signing import Signed

log = structlog.get_logger()


class Catalogue:
    """Records by entry id, and how many copies each manifest is wanted in."""

    def __init__(self, database: Database, rosters: RosterBook) -> None:
        self._database = database
        self._rosters = rosters
        self._wanted: dict[ManifestId, int] = {}
        self.seen_change = 0
        """The number of the last change the tracker told of."""
        self.on_recounted: Callable[[ManifestId], None] = lambda _: None
        """Called when another number of copies may be wanted of a manifest."""

    def load(self) -> None:
        """Read which manifests are wanted."""
        for manifest, copies in self._database.connection.execute(
            "SELECT manifest, max(copies) FROM records WHERE dead = 0 GROUP BY manifest"
        ):
            self._wanted[ManifestId(manifest)] = copies
        row = self._database.connection.execute(
            "SELECT value FROM facts WHERE name = 'change'"
        ).fetchone()
        self.seen_change = int(row[0]) if row else 0

    async def remember_change(self, change: int) -> None:
        """Everything up to this change of the tracker's is known."""
        self.seen_change = change
        await self._database.run(
            lambda c: c.execute("INSERT OR REPLACE INTO facts VALUES ('change', ?)", (change,))
        )

    def copies_wanted(self, manifest: ManifestId) -> int:
        """The most copies any live entry wants of a manifest; 0 when none names it."""
        return self._wanted.get(manifest, 0)

    async def learn(self, signed: Signed, *, mine: bool = False) -> tuple[Record, bool]:
        """Check a record and keep it if it is new; the record, and whether it was.

        RemoteProtocolError when it is forged or its author is not a member.
        """
        record = open_record_untrusted(signed)
        if self._rosters.find(PeerId(record.author)) is None:
            raise RemoteProtocolError("the author of the entry is not a member")

        def keep(connection: sqlite3.Connection) -> dict[ManifestId, int]:
            # One transaction: of two records learnt at once the newer must win.
            known = _read(connection, record.id)
            previous = open_record_untrusted(known) if known else None
            if previous is not None and not supersedes(record, previous):
                return {}
            _write(connection, record, signed, published=not mine)
            named = {record.manifest, previous.manifest if previous else record.manifest}
            return {manifest: _copies(connection, manifest) for manifest in named}

        changed = await self._database.run(keep)
        for manifest, copies in changed.items():
            self._recount(manifest, copies)
        return record, bool(changed)

    async def find(self, entry: EntryId) -> tuple[Record, Signed] | None:
        """The newest record known of an entry."""
        signed = await self._database.run(lambda c: _read(c, entry))
        return (open_record_untrusted(signed), signed) if signed else None

    async def find_prefix(self, prefix: bytes) -> Entry:
        """The one live entry whose id starts so. NotFoundError; UsageError when there are more."""
        high = prefix + b"\xff" * (16 - len(prefix))
        rows = await self._database.run(
            lambda c: c.execute(
                "SELECT body, signature FROM records WHERE dead = 0 AND entry BETWEEN ? AND ? "
                "LIMIT 2",
                (prefix.ljust(16, b"\0"), high),
            ).fetchall()
        )
        if not rows:
            raise NotFoundError(f"no entry {prefix.hex()} is known")
        if len(rows) > 1:
            raise UsageError(f"{prefix.hex()} is the beginning of several ids; give more of it")
        record = open_record_untrusted(Signed(*rows[0]))
        if isinstance(record, Tombstone):
            raise NotFoundError(f"{prefix.hex()} has been deleted")
        return record

    async def naming(self, manifest: ManifestId) -> list[Signed]:
        """The live entries that name a manifest."""
        return (await self.naming_each([manifest]))[manifest]

    async def naming_each(self, manifests: list[ManifestId]) -> dict[ManifestId, list[Signed]]:
        """The live entries that name each of several manifests, read at once."""
        return await self._database.run(lambda c: {each: _naming(c, each) for each in manifests})

    async def unpublished(self, after: bytes = b"") -> list[Signed]:
        """Records made here that no tracker has confirmed: 500 of them, by entry id, after one."""
        rows = await self._database.run(
            lambda c: c.execute(
                "SELECT body, signature FROM records WHERE published = 0 AND entry > ? "
                "ORDER BY entry LIMIT 500",
                (after,),
            ).fetchall()
        )
        return [Signed(*row) for row in rows]

    async def mark_published(self, record: Record) -> None:
        """The tracker has this record."""
        await self._database.run(
            lambda c: c.execute(
                "UPDATE records SET published = 1 WHERE entry = ? AND sequence = ?",
                (record.id, record.sequence),
            )
        )

    async def search(self, words: str, limit: int) -> list[Signed]:
        """Live entries that contain all words, newest first: for when no tracker answers."""
        wanted = words.casefold().split()

        def matching(connection: sqlite3.Connection) -> list[Signed]:
            found: list[tuple[int, Signed]] = []
            rows = connection.execute("SELECT body, signature FROM records WHERE dead = 0")
            for row in rows:
                signed = Signed(*row)
                entry = open_record_untrusted(signed)
                if isinstance(entry, Entry):
                    text = " ".join((entry.name, entry.caption, *entry.tags)).casefold()
                    if all(word in text for word in wanted):
                        found.append((entry.created, signed))
            found.sort(key=lambda pair: -pair[0])
            return [signed for _, signed in found[:limit]]

        return await self._database.run(matching)

    def _recount(self, manifest: ManifestId, copies: int) -> None:
        if copies:
            self._wanted[manifest] = copies
        else:
            self._wanted.pop(manifest, None)
        self.on_recounted(manifest)


def _copies(connection: sqlite3.Connection, manifest: ManifestId) -> int:
    (copies,) = connection.execute(
        "SELECT max(copies) FROM records WHERE manifest = ? AND dead = 0", (manifest,)
    ).fetchone()
    return copies or 0


def _naming(connection: sqlite3.Connection, manifest: ManifestId) -> list[Signed]:
    rows = connection.execute(
        "SELECT body, signature FROM records WHERE manifest = ? AND dead = 0 LIMIT 16", (manifest,)
    )
    return [Signed(*row) for row in rows]


def _read(connection: sqlite3.Connection, entry: EntryId) -> Signed | None:
    row = connection.execute(
        "SELECT body, signature FROM records WHERE entry = ?", (entry,)
    ).fetchone()
    return Signed(*row) if row else None


def _write(
    connection: sqlite3.Connection, record: Record, signed: Signed, *, published: bool
) -> None:
    dead = isinstance(record, Tombstone)
    copies = 0 if isinstance(record, Tombstone) else record.copies
    connection.execute(
        "INSERT OR REPLACE INTO records "
        "(entry, manifest, sequence, dead, copies, published, body, signature) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            record.id,
            record.manifest,
            record.sequence,
            dead,
            copies,
            published,
            signed.body,
            signed.signature,
        ),
    )
