"""Entries and tombstones this machine has seen: checked first, then kept on disk."""

import sqlite3
from collections import deque
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

import structlog

from peer import former, records
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
    what_author_signed,
)
from protocol.errors import RemoteProtocolError
from protocol.ids import EntryId, ManifestId, PeerId
from protocol.signing import Signed

log = structlog.get_logger()

UNDONE_LATELY = 100
"""Deletions and restored entries that a peer is told of when a link opens: it may have missed
them while there was none."""


class Undoable(NamedTuple):
    """The newest record of an entry, and the entry as it was before, if that was known.

    `manifests` are all that it named before, the newest first.
    """

    record: Record
    original: Signed | None
    manifests: list[ManifestId]


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
        """Called with a new deletion, and with an entry that was deleted and is there again."""

    def load(self) -> None:
        """Read which manifests are wanted."""
        for manifest, copies in self._database.connection.execute(
            "SELECT manifest, max(copies) FROM records WHERE dead = 0 GROUP BY manifest"
        ):
            self._wanted[ManifestId(manifest)] = copies
        held = self._database.connection.execute(
            "SELECT entry, since FROM held_tombstones WHERE rejected = 0"
        )
        self._held = {EntryId(entry): since for entry, since in held}
        row = self._database.connection.execute(
            "SELECT value FROM facts WHERE name = 'change'"
        ).fetchone()
        self.seen_change = int(row[0]) if row else 0

    async def remember_change(self, change: int, *, set_back: bool = False) -> None:
        """Everything up to this change of the tracker's is known.

        A lower number than before counts only with `set_back`, of another database.
        """
        if change <= self.seen_change and not set_back:
            return
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

        A deletion that is one of a burst, or with `hold`, is only held: see `is_held`.
        RemoteProtocolError when it is forged or its signer is not a member, NotPermittedError when
        that is neither its author nor an admin.
        """
        record = open_record_untrusted(signed)
        if not self._may_speak(record):
            # By an admin that is none any more: what the author signed counts as it ever did.
            return await self.learn(what_author_signed(signed), mine=mine)
        now = self._now()
        outcome = await self._database.run(
            lambda c: records.learn(c, record, signed, now, published=not mine, hold=hold)
        )
        self._go_by(record, signed, outcome, now)
        return record, bool(outcome.copies)

    async def learn_listed(self, listed: Iterable[Signed]) -> list[Entry | None]:
        """Learn many records at once, as a search gives them: one transaction for all.

        The entry of each; None when it is forged, or deleted as far as is known here.
        """
        every = list(listed)
        kept = await self._database.run(lambda c: records.kept_of(c, every))
        now, checked = self._now(), [self._checked(signed, kept) for signed in every]

        def keep(connection: sqlite3.Connection) -> list[tuple[records.Outcome | None, bool]]:
            return [
                _keep_listed(connection, *each, now, new=each[1] not in kept)
                if each is not None
                else (None, False)
                for each in checked
            ]

        found: list[Entry | None] = []
        for each, (outcome, live) in zip(checked, await self._database.run(keep), strict=True):
            if each is not None and outcome is not None:
                self._go_by(*each, outcome, now)
            entry = each[0] if each is not None and live else None
            found.append(entry if isinstance(entry, Entry) else None)
        return found

    def _checked(self, signed: Signed, kept: Collection[Signed]) -> tuple[Record, Signed] | None:
        """What it says; of what is `kept` the signature was checked before it was."""
        try:
            record = read_record(signed.body) if signed in kept else open_record_untrusted(signed)
            if self._may_speak(record):
                return record, signed
            return self._checked(what_author_signed(signed), kept)
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

    def _go_by(self, record: Record, signed: Signed, outcome: records.Outcome, now: int) -> None:
        if outcome.waits:
            self._held.setdefault(record.id, now)
        else:
            self._held.pop(record.id, None)
        for manifest, copies in outcome.copies.items():
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

    def released(self, entry: EntryId) -> None:
        """The deletion of an entry waits no longer, in the database either."""
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

    async def find_deleted(self, prefix: bytes) -> Undoable:
        """The one entry whose id starts so that was deleted, or names other content by an edit.

        NotFoundError; UsageError when there are more, or when the entry is as it ever was.
        """
        high = prefix + b"\xff" * (16 - len(prefix))
        low = prefix.ljust(16, b"\0")

        def find(connection: sqlite3.Connection) -> list[Undoable]:
            rows = connection.execute(
                "SELECT body FROM records WHERE entry BETWEEN ? AND ? AND "
                "(dead = 1 OR entry IN (SELECT entry FROM former)) LIMIT 2",
                (low, high),
            ).fetchall()
            found = [read_record(body) for (body,) in rows]
            return [Undoable(each, *former.newest(connection, each.id)) for each in found]

        found = await self._database.run(find)
        if len(found) > 1:
            raise UsageError(f"{prefix.hex()} is the beginning of several ids; give more of it")
        if found:
            return found[0]
        try:
            await self.find_prefix(prefix)
        except NotFoundError:
            raise NotFoundError(
                f"no deleted entry {prefix.hex()} is known to this machine"
            ) from None
        raise UsageError(f"{prefix.hex()} has not been deleted")

    async def was_named(self, manifest: ManifestId) -> bool:
        """Whether an entry known here named a manifest, and was deleted or names another now."""
        return await self._database.run(lambda c: former.was_named(c, manifest))

    async def deleted_page(self, start: int) -> tuple[list[former.Deleted], int]:
        """What is in the trash, from number `start`, as entries named it; and how many in all."""
        return await self._database.run(lambda c: former.page(c, start))

    async def forget_former(self, before: int) -> None:
        """Forget what edits took away before a moment: the trash is emptied of it."""
        await self._database.run(lambda c: former.prune(c, before))

    async def find(self, entry: EntryId) -> tuple[Record, Signed] | None:
        """The newest record known of an entry."""
        signed = await self._database.run(lambda c: records.read(c, entry))
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
        return await self._database.run(
            lambda c: {each: records.naming(c, each) for each in manifests}
        )

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

    async def mark_published(self, record: Record, *, listed: bool = False) -> None:
        """The tracker has this record, and goes by it if `listed`."""
        now = self._now()

        def mark(connection: sqlite3.Connection) -> None:
            for table in ("records", "held_tombstones"):
                connection.execute(
                    f"UPDATE {table} SET published = 1 WHERE entry = ? AND sequence = ?",
                    (record.id, record.sequence),
                )
            if listed:
                records.confirm(connection, record.id, record.sequence, now)

        await self._database.run(mark)

    async def live_after(
        self, after: bytes, limit: int, *, renditions: bool = False
    ) -> list[Entry]:
        """Live entries by id, after one: a portion of all, for who looks at each.

        All but renditions, or just these.
        """
        rows = await self._database.run(
            lambda c: c.execute(
                "SELECT body FROM records WHERE dead = 0 AND rendition = ? AND entry > ? "
                "ORDER BY entry LIMIT ?",
                (renditions, after, limit),
            ).fetchall()
        )
        return _entries_of(rows)

    async def live_of(self, entries: Collection[EntryId]) -> dict[EntryId, Entry]:
        """Those of some entries that are known here and live."""
        if not entries:
            return {}
        places = ", ".join("?" * len(entries))
        rows = await self._database.run(
            lambda c: c.execute(
                f"SELECT body FROM records WHERE dead = 0 AND entry IN ({places})", tuple(entries)
            ).fetchall()
        )
        return {entry.id: entry for entry in _entries_of(rows)}

    def _recount(self, manifest: ManifestId, copies: int) -> None:
        if copies:
            self._wanted[manifest] = copies
        else:
            self._wanted.pop(manifest, None)
        self.on_recounted(manifest)


def _entries_of(rows: list[tuple[bytes]]) -> list[Entry]:
    records = [read_record(body) for (body,) in rows]
    return [record for record in records if isinstance(record, Entry)]


def _keep_listed(
    connection: sqlite3.Connection, record: Record, signed: Signed, now: int, *, new: bool
) -> tuple[records.Outcome | None, bool]:
    """What came of learning a record if it is new, and whether its entry lives."""
    outcome = None
    if new:
        outcome = records.learn(connection, record, signed, now, published=True, hold=False)
    known = records.read(connection, record.id)
    return outcome, known is None or isinstance(read_record(known.body), Entry)
