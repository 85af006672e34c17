"""Many records and manifests at once, as members give them to a tracker that lacks them.

The rules are those of `catalogue` and `manifests`; what is new is written with a few statements for
all. A record that replaces another, or must be looked at more closely, goes the usual way.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, bindparam, select, true, update

from protocol.entry import (
    Entry,
    Record,
    RestoredEntry,
    Tombstone,
    is_rendition,
    may_sign,
    open_record_untrusted,
    read_record,
    supersedes,
    what_author_signed,
)
from protocol.errors import RemoteProtocolError
from protocol.ids import EntryId, ManifestId, PeerId
from protocol.manifest import Manifest
from protocol.roster import OUTSIDE
from protocol.signing import Signed
from tracker import brake, catalogue, search_index, tables
from tracker.catalogue import Stored
from tracker.errors import RequestFailedError
from tracker.news import note_change
from tracker.rows import SOME, change_rows, put_rows, rows_among
from tracker.swarm import next_change

_log = structlog.get_logger()
_entries = tables.entries
_named = tables.entry_manifests
_KEPT = select(tables.manifests.c.id).where(tables.manifests.c.id.in_(SOME))
"""Those of some manifests that are here."""
_NAMING = select(_entries.c.number, _entries.c.manifest, _entries.c.body, _entries.c.shown).where(
    _entries.c.manifest.in_(SOME), _entries.c.deleted.is_(False)
)
"""The live entries that name some manifests."""
_SHOW = update(_entries).where(_entries.c.number == bindparam("of")).values(shown=true())
_NAMES = select(tables.members.c.peer, tables.members.c.name).where(tables.members.c.peer.in_(SOME))
_KNOWN = [
    select(column).where(column.in_(SOME))
    for column in (_entries.c.id, tables.held_tombstones.c.entry)
]
Checked = tuple[Signed, Record]


@dataclass(frozen=True)
class Giver:
    """Who gives records, when, and whether this database is being rebuilt.

    Then what was said by machines that are members no more counts, as it did before; and so does
    a deletion that another than its signer gives, who goes by it: it was no burst.
    """

    peer: PeerId
    now: int
    rebuilding: bool


@dataclass(frozen=True)
class Fresh:
    """A record that was written, under its change's number; `shown` when its manifest is here."""

    change: int
    signed: Signed
    record: Record
    shown: bool


def check_records(records: Iterable[Signed]) -> list[Checked]:
    """Those of some records that are what their signers signed."""
    checked = []
    for signed in records:
        try:
            checked.append((signed, open_record_untrusted(signed)))
        except RemoteProtocolError as error:
            _log.warning("a record that was given is forged", why=str(error))
    return checked


def put_records(
    connection: Connection, giver: Giver, checked: list[Checked]
) -> list[tuple[Stored, Signed]]:
    """Put records into the catalogue; those of which others may have to hear."""
    allowed = _Signers(connection, giver).allowed(checked)
    there = known(connection, allowed.keys())
    fresh: list[Checked] = []
    others: list[Checked] = []
    for entry, each in allowed.items():
        usual = entry in there or (isinstance(each[1], Tombstone) and not _vouched(giver, each[1]))
        (others if usual else fresh).append(each)
    news = _news_of(connection, put_fresh(connection, fresh, giver.now))
    for signed, record in others:
        try:
            news.append((_put_other(connection, giver, signed, record), signed))
        except (RequestFailedError, RemoteProtocolError) as error:
            _log.info("a record that was given is refused", entry=record.id.hex(), why=str(error))
    return news


def put_manifests(
    connection: Connection, given: Iterable[Manifest], *, named_soon: bool = False
) -> set[ManifestId]:
    """Keep checked manifests, and show the entries that name them; those that nothing names.

    So nobody fills the tracker's disk with what nobody can find: a live entry names what is kept,
    or an edit that is held; or what is written next does, if they are `named_soon`.
    """
    by_id = {manifest.id: manifest for manifest in given}
    if not by_id:
        return set()
    for (each,) in rows_among(connection, _KEPT, list(by_id)):
        del by_id[each]
    rows = rows_among(connection, _NAMING, list(by_id))
    named = {manifest for _, manifest, _, _ in rows}
    unnamed = (
        set()
        if named_soon
        else {each for each in by_id.keys() - named if not brake.names(connection, each)}
    )
    kept = [
        {"id": manifest.id, "pieces": manifest.pieces, "encoded": manifest.encoded}
        for manifest in by_id.values()
        if manifest.id not in unnamed
    ]
    put_rows(connection, tables.manifests, kept)
    _show(connection, [(number, body) for number, _, body, shown in rows if not shown], by_id)
    return unnamed


def _show(
    connection: Connection,
    waiting: Sequence[tuple[int, bytes]],
    by_id: dict[ManifestId, Manifest],
) -> None:
    """Show entries, by their numbers and records, whose manifests have come."""
    change_rows(connection, _SHOW, [{"of": number} for number, _ in waiting])
    records = [(number, read_record(body)) for number, body in waiting]
    for _, record in records:
        manifest = by_id[record.manifest]
        if isinstance(record, Entry) and (record.size, record.pieces) != (
            manifest.size,
            manifest.pieces,
        ):
            _log.warning("an entry disagrees with its manifest", entry=record.id.hex())
    _index(connection, records)


def put_fresh(connection: Connection, fresh: Sequence[Checked], now: int) -> list[Fresh]:
    """Write records of entries of which nothing is `known` here, by signers who may."""
    if not fresh:
        return []
    named = {record.manifest for _, record in fresh}
    manifests = {manifest for (manifest,) in rows_among(connection, _KEPT, list(named))}
    first = next_change(connection, len(fresh)) - len(fresh) + 1
    written = [
        Fresh(number, signed, record, isinstance(record, Entry) and record.manifest in manifests)
        for number, (signed, record) in enumerate(fresh, start=first)
    ]
    put_rows(connection, _entries, [_row(each, now) for each in written])
    of_manifests = [
        {"entry": each.record.id, "manifest": each.record.manifest, "change": each.change}
        for each in written
    ]
    put_rows(connection, _named, of_manifests)
    _index(connection, [(each.change, each.record) for each in written if each.shown])
    return written


def known(connection: Connection, entries: Iterable[EntryId]) -> set[EntryId]:
    """Those of some entries of which there is a record here, or one that is held."""
    wanted = list(entries)
    return {entry for known in _KNOWN for (entry,) in rows_among(connection, known, wanted)}


class _Signers:
    """Whose records count."""

    def __init__(self, connection: Connection, giver: Giver) -> None:
        table = tables.members
        rows = connection.execute(select(table.c.peer, table.c.admin, table.c.state)).all()
        self._known = {r.peer for r in rows if giver.rebuilding or r.state not in OUTSIDE}
        self._admins = {r.peer for r in rows if r.admin and r.state not in OUTSIDE}

    def allowed(self, checked: list[Checked]) -> dict[EntryId, Checked]:
        """Those of some records, the newest of each entry, whose signers may speak for it."""
        found: dict[EntryId, Checked] = {}
        for signed, record in checked:
            each = self._by_author(signed, record)
            before = found.get(record.id)
            if each is not None and (before is None or supersedes(each[1], before[1])):
                found[record.id] = each
        return found

    def _by_author(self, signed: Signed, record: Record) -> Checked | None:
        if record.signer in self._known and may_sign(record, self._admins):
            return signed, record
        if isinstance(record, RestoredEntry):
            # By an admin that is none any more: what the author signed counts as it ever did.
            original = what_author_signed(signed)
            return self._by_author(original, open_record_untrusted(original))
        _log.info("a record that was given is by nobody who may", entry=record.id.hex())
        return None


def _vouched(giver: Giver, record: Record) -> bool:
    return giver.rebuilding and PeerId(record.signer) != giver.peer


def _put_other(connection: Connection, giver: Giver, signed: Signed, record: Record) -> Stored:
    if _vouched(giver, record):
        row = connection.execute(select(_entries.c.body).where(_entries.c.id == record.id)).first()
        if row is None or supersedes(record, read_record(row.body)):
            return catalogue.put_record(connection, signed, record, giver.now)
    return catalogue.store_record(connection, signed, record, giver.now)


def _news_of(connection: Connection, written: list[Fresh]) -> list[tuple[Stored, Signed]]:
    news = []
    for each in written:
        # Who holds what a live entry names knows it, or is told when it offers what it knows.
        if isinstance(each.record, Tombstone | RestoredEntry):
            holders = catalogue.holders_of(connection, each.record)
            restored = isinstance(each.record, RestoredEntry)
            note_change(connection, each.record.id, each.change)
            news.append((Stored(False, each.change, holders, restored), each.signed))
    return news


def _row(each: Fresh, now: int) -> dict[str, object]:
    ours = {
        "shown": each.shown,
        "restored": isinstance(each.record, RestoredEntry),
        "learnt": now,
    }
    values = catalogue.columns_of(each.signed, each.record)
    return {"number": each.change, "id": each.record.id, **values, **ours}


def _index(connection: Connection, shown: list[tuple[int, Record]]) -> None:
    entries = [
        (number, record)
        for number, record in shown
        if isinstance(record, Entry) and not is_rendition(record)
    ]
    catalogue.note_pictures(connection, [record for _, record in shown])
    authors = list({record.author for _, record in entries})
    names: dict[bytes, str] = dict(rows_among(connection, _NAMES, authors))
    if entries:
        search_index.put_new(
            connection, [(number, each, names.get(each.author, "")) for number, each in entries]
        )
