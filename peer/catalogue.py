"""Entries and tombstones this machine has seen: checked first, then kept on disk."""

import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import structlog

from peer import brake
from peer.database import Database
from peer.errors import NotFoundError, NotPermittedError, UsageError
from peer.roster_book import RosterBook
from protocol.entry import (
    Entry,
    Record,
    RestoredEntry,
    Tombstone,
    may_sign,
    open_record_untrusted,
    read_record,
    supersedes,
    what_author_signed,
)
from protocol.errors import RemoteProtocolError
from protocol.ids import EntryId, ManifestId, PeerId
from protocol.signing import Signed

log = structlog.get_logger()

UNDONE_LATELY = 100
"""Tombstones and restored entries that a peer is told of when a link opens: it may have missed
them while there was none."""


class _Outcome(NamedTuple):
    """Of learning a record: the copies wanted of manifests it changed that for, if anything."""

    copies: Mapping[ManifestId, int] = {}
    held: bool = False
    undone: bool = False


class Catalogue:
    """Records by entry id, and how many copies each manifest is wanted in.

    `now` gives milliseconds since 1970, for the brake on bursts of deletions.
    """

    def __init__(self, database: Database, rosters: RosterBook, now: Callable[[], int]) -> None:
        self._database = database
        self._rosters = rosters
        self._now = now
        self._held: dict[EntryId, int] = {}
        """Deletions that wait for approval, and since when."""
        self._wanted: dict[ManifestId, int] = {}
        self.seen_change = 0
        """The number of the last change the tracker told of."""
        self.on_recounted: Callable[[ManifestId], None] = lambda _: None
        """Called when another number of copies may be wanted of a manifest."""
        self.undone_lately: deque[Signed] = deque(maxlen=UNDONE_LATELY)
        """The newest such records, the oldest first."""
        self.on_undone: Callable[[Record, Signed], None] = lambda *_: None
        """Called with a new tombstone, and with an entry that was deleted and is there again."""

    def load(self) -> None:
        """Read which manifests are wanted."""
        for manifest, copies in self._database.connection.execute(
            "SELECT manifest, max(copies) FROM records WHERE dead = 0 GROUP BY manifest"
        ):
            self._wanted[ManifestId(manifest)] = copies
        held = self._database.connection.execute("SELECT entry, since FROM held_tombstones")
        self._held = {EntryId(entry): since for entry, since in held}
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

    async def learn(
        self, signed: Signed, *, mine: bool = False, hold: bool = False
    ) -> tuple[Record, bool]:
        """Check a record and keep it if it is new; the record, and whether it came to effect.

        A tombstone that is one of a burst, or with `hold`, is only held: see `is_held`.
        RemoteProtocolError when it is forged or its signer is not a member, NotPermittedError when
        that is neither its author nor an admin.
        """
        record = open_record_untrusted(signed)
        if not self._may_speak(record):
            # By an admin that is none any more: what the author signed counts as it ever did.
            return await self.learn(what_author_signed(signed), mine=mine)
        now = self._now()
        outcome = await self._database.run(
            lambda c: _keep(c, record, signed, now, mine=mine, hold=hold)
        )
        self._go_by(record, signed, outcome, now)
        return record, bool(outcome.copies)

    async def learn_listed(self, listed: Iterable[Signed]) -> list[Entry | None]:
        """Learn many records at once, as a search gives them: one transaction for all.

        The entry of each; None when it is forged, or deleted as far as is known here.
        """
        now, checked = self._now(), [self._checked(signed) for signed in listed]

        def keep(connection: sqlite3.Connection) -> list[tuple[_Outcome, bool]]:
            kept = []
            for each in checked:
                outcome, live = _Outcome(), False
                if each is not None:
                    outcome = _keep(connection, *each, now)
                    known = _read(connection, each[0].id)
                    live = known is None or isinstance(read_record(known.body), Entry)
                kept.append((outcome, live))
            return kept

        found: list[Entry | None] = []
        for each, (outcome, live) in zip(checked, await self._database.run(keep), strict=True):
            if each is not None:
                self._go_by(*each, outcome, now)
            entry = each[0] if each is not None and live else None
            found.append(entry if isinstance(entry, Entry) else None)
        return found

    def _checked(self, signed: Signed) -> tuple[Record, Signed] | None:
        try:
            record = open_record_untrusted(signed)
            if self._may_speak(record):
                return record, signed
            return self._checked(what_author_signed(signed))
        except (RemoteProtocolError, NotPermittedError):
            return None

    def _may_speak(self, record: Record) -> bool:
        """Whether a record's signer may; False for what an admin restored who is none any more.

        RemoteProtocolError for one that is no member, NotPermittedError for any other.
        """
        if self._rosters.find(PeerId(record.signer)) is None:
            raise RemoteProtocolError("the author of the entry is not a member")
        if may_sign(record, self._rosters.admins()):
            return True
        if isinstance(record, RestoredEntry):
            return False
        raise NotPermittedError("only the author of an entry or an admin can delete it")

    def _go_by(self, record: Record, signed: Signed, outcome: _Outcome, now: int) -> None:
        if outcome.held:
            self._held.setdefault(record.id, now)
        for manifest, copies in outcome.copies.items():
            self._held.pop(record.id, None)
            self._recount(manifest, copies)
        if outcome.undone:
            self.undone_lately.append(signed)
            self.on_undone(record, signed)

    def is_held(self, entry: EntryId) -> bool:
        """Whether a deletion of this entry waits for approval."""
        return entry in self._held

    def held_since(self) -> list[int]:
        """Since when (milliseconds) each deletion that waits for approval does."""
        return list(self._held.values())

    async def release(self, entry: EntryId) -> None:
        """The deletion of an entry waits no longer."""
        await self._database.run(lambda c: brake.drop(c, [entry]))
        self._held.pop(entry, None)

    async def newest_sequence(self, entry: EntryId) -> int:
        """The highest sequence of a record of an entry, held ones too; 0 when none is known."""
        row = await self._database.run(
            lambda c: c.execute(
                "SELECT max(sequence) FROM (SELECT sequence FROM records WHERE entry = ?1 "
                "UNION ALL SELECT sequence FROM held_tombstones WHERE entry = ?1)",
                (entry,),
            ).fetchone()
        )
        return row[0] or 0

    async def find_deleted(self, prefix: bytes) -> tuple[Tombstone, Signed | None]:
        """The one tombstone whose entry's id starts so, and the entry as it was if that is known.

        NotFoundError; UsageError when there are more, or when the entry is still there.
        """
        high = prefix + b"\xff" * (16 - len(prefix))
        rows = await self._database.run(
            lambda c: c.execute(
                "SELECT body, deleted_body, deleted_signature FROM records "
                "WHERE entry BETWEEN ? AND ? ORDER BY dead DESC LIMIT 2",
                (prefix.ljust(16, b"\0"), high),
            ).fetchall()
        )
        records = [read_record(row[0]) for row in rows]
        dead = [record for record in records if isinstance(record, Tombstone)]
        if records and not dead:
            raise UsageError(f"{prefix.hex()} has not been deleted")
        if not dead:
            raise NotFoundError(f"no deleted entry {prefix.hex()} is known to this machine")
        if len(dead) > 1:
            raise UsageError(f"{prefix.hex()} is the beginning of several ids; give more of it")
        _, body, signature = rows[0]
        return dead[0], Signed(body, signature) if body is not None else None

    async def deleted_naming(self, manifest: ManifestId) -> list[tuple[Signed, Signed | None]]:
        """The tombstones of entries that named a manifest, and those entries where known."""
        rows = await self._database.run(
            lambda c: c.execute(
                "SELECT body, signature, deleted_body, deleted_signature FROM records "
                "WHERE manifest = ? AND dead = 1 LIMIT 16",
                (manifest,),
            ).fetchall()
        )
        return [
            (Signed(row[0], row[1]), Signed(row[2], row[3]) if row[2] is not None else None)
            for row in rows
        ]

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

        def mark(connection: sqlite3.Connection) -> None:
            for table in ("records", "held_tombstones"):
                connection.execute(
                    f"UPDATE {table} SET published = 1 WHERE entry = ? AND sequence = ?",
                    (record.id, record.sequence),
                )

        await self._database.run(mark)

    async def live_after(self, after: bytes, limit: int) -> list[Entry]:
        """Live entries by id, after one: a portion of all, for who looks at each."""
        rows = await self._database.run(
            lambda c: c.execute(
                "SELECT body FROM records WHERE dead = 0 AND entry > ? ORDER BY entry LIMIT ?",
                (after, limit),
            ).fetchall()
        )
        records = [read_record(body) for (body,) in rows]
        return [record for record in records if isinstance(record, Entry)]

    def _recount(self, manifest: ManifestId, copies: int) -> None:
        if copies:
            self._wanted[manifest] = copies
        else:
            self._wanted.pop(manifest, None)
        self.on_recounted(manifest)


def _keep(
    connection: sqlite3.Connection,
    record: Record,
    signed: Signed,
    now: int,
    *,
    mine: bool = False,
    hold: bool = False,
) -> _Outcome:
    # In one transaction: of two records learnt at once the newer must win.
    known = _read(connection, record.id)
    previous = read_record(known.body) if known else None
    if previous is not None and not supersedes(record, previous):
        return _Outcome()
    if isinstance(record, Tombstone) and isinstance(previous, Entry):
        approved = brake.verdict(connection, signed, record)
        if approved is False:
            return _Outcome()
        if not approved and (hold or not brake.passes(connection, record, now)):
            brake.hold(connection, signed, record, now, published=not mine)
            return _Outcome(held=True)
    deleted = _deleted(connection, record, known)
    _write(connection, record, signed, deleted, published=not mine)
    brake.superseded(connection, record)
    named = {record.manifest, previous.manifest if previous else record.manifest}
    undone = isinstance(record, Tombstone) or isinstance(previous, Tombstone)
    return _Outcome({each: _copies(connection, each) for each in named}, undone=undone)


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


def _deleted(connection: sqlite3.Connection, record: Record, known: Signed | None) -> Signed | None:
    """The entry that a tombstone deletes, or that the one before it had deleted."""
    if known is None or not isinstance(record, Tombstone):
        return None
    if isinstance(read_record(known.body), Entry):
        return known
    row = connection.execute(
        "SELECT deleted_body, deleted_signature FROM records WHERE entry = ?", (record.id,)
    ).fetchone()
    return Signed(*row) if row and row[0] is not None else None


def _write(
    connection: sqlite3.Connection,
    record: Record,
    signed: Signed,
    deleted: Signed | None,
    *,
    published: bool,
) -> None:
    dead = isinstance(record, Tombstone)
    copies = 0 if isinstance(record, Tombstone) else record.copies
    connection.execute(
        "INSERT OR REPLACE INTO records (entry, manifest, sequence, dead, copies, published, "
        "body, signature, deleted_body, deleted_signature) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            record.id,
            record.manifest,
            record.sequence,
            dead,
            copies,
            published,
            signed.body,
            signed.signature,
            deleted.body if deleted else None,
            deleted.signature if deleted else None,
        ),
    )
