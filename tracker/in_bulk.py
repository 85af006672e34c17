"""Many records and manifests at once, as members give them to a tracker that lacks them.

The rules are those of `catalogue` and `manifests`; what is new is written with a few statements for
all. A record that replaces another, or must be looked at more closely, goes the usual way.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, insert, select, update

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
from tracker.swarm import next_change

_log = structlog.get_logger()
_entries = tables.entries
_named = tables.entry_manifests
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
    known = _known(connection, allowed.keys())
    fresh: list[Checked] = []
    others: list[Checked] = []
    for entry, each in allowed.items():
        usual = entry in known or (isinstance(each[1], Tombstone) and not _vouched(giver, each[1]))
        (others if usual else fresh).append(each)
    news = _put_fresh(connection, fresh, giver.now)
    for signed, record in others:
        try:
            news.append((_put_other(connection, giver, signed, record), signed))
        except (RequestFailedError, RemoteProtocolError) as error:
            _log.info("a record that was given is refused", entry=record.id.hex(), why=str(error))
    return news


def put_manifests(connection: Connection, given: list[Manifest]) -> None:
    """Keep checked manifests that entries name, and show those entries."""
    by_id = {manifest.id: manifest for manifest in given}
    manifests = tables.manifests
    there = select(manifests.c.id).where(manifests.c.id.in_(list(by_id)))
    for known in connection.execute(there).scalars():
        by_id.pop(ManifestId(known), None)
    live = _entries.c.manifest.in_(list(by_id)) & _entries.c.deleted.is_(False)
    rows = connection.execute(select(_entries).where(live)).all()
    named = {row.manifest for row in rows}
    kept = [
        {"id": manifest.id, "pieces": manifest.pieces, "encoded": manifest.encoded}
        for manifest in by_id.values()
        if manifest.id in named or brake.names(connection, manifest.id)
    ]
    if kept:
        connection.execute(insert(manifests), kept)
    waiting = [row for row in rows if not row.shown]
    if not waiting:
        return
    numbers = [row.number for row in waiting]
    connection.execute(update(_entries).where(_entries.c.number.in_(numbers)).values(shown=True))
    _index(connection, [(row.number, read_record(row.body)) for row in waiting])


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


def _known(connection: Connection, entries: Iterable[EntryId]) -> set[EntryId]:
    """Those of some entries of which there is a record here, or one that is held."""
    wanted = list(entries)
    held = tables.held_tombstones.c.entry
    found: set[EntryId] = set()
    for column in (_entries.c.id, held):
        found |= set(connection.execute(select(column).where(column.in_(wanted))).scalars())
    return found


def _vouched(giver: Giver, record: Record) -> bool:
    return giver.rebuilding and PeerId(record.signer) != giver.peer


def _put_other(connection: Connection, giver: Giver, signed: Signed, record: Record) -> Stored:
    if _vouched(giver, record):
        row = connection.execute(select(_entries.c.body).where(_entries.c.id == record.id)).first()
        if row is None or supersedes(record, read_record(row.body)):
            return catalogue.put_record(connection, signed, record, giver.now)
    return catalogue.store_record(connection, signed, record, giver.now)


def _put_fresh(
    connection: Connection, fresh: list[Checked], now: int
) -> list[tuple[Stored, Signed]]:
    """Write records of entries of which nothing is known here."""
    if not fresh:
        return []
    named = {record.manifest for _, record in fresh}
    there = select(tables.manifests.c.id).where(tables.manifests.c.id.in_(list(named)))
    manifests = set(connection.execute(there).scalars())
    last = next_change(connection, len(fresh))
    rows, shown, news = [], [], []
    for number, (signed, record) in enumerate(fresh, start=last - len(fresh) + 1):
        shows = isinstance(record, Entry) and record.manifest in manifests
        rows.append(_row(number, signed, record, now, shown=shows))
        if shows:
            shown.append((number, record))
    connection.execute(insert(_entries), rows)
    of_manifests = [
        {"entry": row["id"], "manifest": row["manifest"], "change": row["number"]} for row in rows
    ]
    connection.execute(insert(_named), of_manifests)
    _index(connection, shown)
    for row, (signed, record) in zip(rows, fresh, strict=True):
        # Who holds what a live entry names knows it, or is told when it offers what it knows.
        if isinstance(record, Tombstone | RestoredEntry):
            holders = catalogue.holders_of(connection, record)
            restored = isinstance(record, RestoredEntry)
            change = int(str(row["number"]))
            note_change(connection, record.id, change)
            news.append((Stored(False, change, holders, restored), signed))
    return news


def _row(
    number: int, signed: Signed, record: Record, now: int, *, shown: bool
) -> dict[str, object]:
    ours = {
        "shown": shown,
        "restored": isinstance(record, RestoredEntry),
        "learnt": now,
    }
    return {"number": number, "id": record.id, **catalogue.columns_of(signed, record), **ours}


def _index(connection: Connection, shown: list[tuple[int, Record]]) -> None:
    table = tables.members
    rows = connection.execute(select(table.c.peer, table.c.name))
    names = {row.peer: row.name for row in rows}
    added = [
        (number, record, names.get(record.author, ""))
        for number, record in shown
        if isinstance(record, Entry) and not is_rendition(record)
    ]
    if added:
        search_index.put_new(connection, added)
