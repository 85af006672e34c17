"""What exists: the newest record of each entry, tombstones too, and when it may be shown.

Refuses records of authors that are no members, and records that are older than what is here. An
entry is shown, and indexed for search, exactly while it is live and its manifest is stored.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, union, update

from protocol.entry import (
    Entry,
    Record,
    Tombstone,
    is_rendition,
    may_sign,
    read_record,
    supersedes,
    takes_away,
)
from protocol.ids import ManifestId, PeerId
from protocol.signing import Signed
from tracker import brake, search_index, tables
from tracker.errors import RequestFailedError
from tracker.news import note_change
from tracker.swarm import next_change

_table = tables.entries
_named = tables.entry_manifests
CATCH_UP_PAGE = 100


@dataclass(frozen=True)
class Stored:
    """A record that is in the catalogue. `change` is None when it was there before.

    One that takes content away and is `held` or `rejected` is not: the entry stays as it was.
    """

    needs_manifest: bool
    change: int | None = None
    holders: tuple[PeerId, ...] = ()
    """Who holds a manifest that the entry names or named."""
    restored: bool = False
    """Whether it was deleted or named other content: who has that in the trash is no holder."""
    held: bool = False
    rejected: bool = False


@dataclass(frozen=True)
class Change:
    """A record and the number of the change that brought it."""

    number: int
    record: Signed


def store_record(connection: Connection, signed: Signed, record: Record, now: int) -> Stored:
    """Put a record whose signature has been checked into the catalogue.

    A deletion that is one of a burst is held instead; `now` is milliseconds since 1970.
    """
    _require_signer(connection, record)
    old = connection.execute(select(_table).where(_table.c.id == record.id)).first()
    if old is not None and old.body == signed.body:
        return Stored(_needs_manifest(connection, record))
    previous = read_record(old.body) if old is not None else None
    if previous is not None and not supersedes(record, previous):
        raise RequestFailedError("refused", "a newer record of this entry is known")
    # Of an unknown entry too: once the tombstone is here, the entry cannot be published.
    early = previous is None and isinstance(record, Tombstone)
    if early or (takes_away(record, previous) and not is_rendition(previous)):
        judged = brake.judge(connection, signed, record, now)
        if judged != "passes":
            held, rejected = judged == "held", judged == "rejected"
            return Stored(_needs_manifest(connection, record), held=held, rejected=rejected)
    return put_record(connection, signed, record, now)


def put_record(connection: Connection, signed: Signed, record: Record, now: int) -> Stored:
    """Put a record into the catalogue that supersedes what is there, and that nothing holds."""
    old = connection.execute(select(_table).where(_table.c.id == record.id)).first()
    undone = old is not None and (
        old.restored or old.deleted or takes_away(record, read_record(old.body))
    )
    restored = undone and isinstance(record, Entry)
    change = next_change(connection)
    number = change if old is None else old.number
    missing = _needs_manifest(connection, record)
    shown = isinstance(record, Entry) and not missing
    learnt = now
    if old is not None and not old.deleted and old.manifest == record.manifest:
        learnt = old.learnt
    ours = {"shown": shown, "restored": restored, "learnt": learnt}
    _put_row(connection, number, signed, record, ours, known=old is not None)
    note_pictures(connection, [record, *([] if old is None else [read_record(old.body)])])
    _put_change(connection, record, change)
    brake.superseded(connection, record)
    if shown:
        _index(connection, number, record)
    elif old is not None:
        search_index.remove(connection, number)
    return Stored(missing, change, holders_of(connection, record), restored)


def index_author(connection: Connection, author: PeerId) -> None:
    """Index a member's entries again, under its new name."""
    rows = connection.execute(select(_table).where(_table.c.author == author, _table.c.shown))
    for row in rows.all():
        _index(connection, row.number, read_record(row.body))


def changes_for(connection: Connection, peer: PeerId, after: int) -> list[Change]:
    """The oldest changes after `after` to entries that name what `peer` holds: one page.

    And to those that were deleted once: it may have them in the trash.
    """
    holdings = tables.holdings
    held = _named.join(holdings, holdings.c.manifest == _named.c.manifest).join(
        _table, _table.c.id == _named.c.entry
    )
    columns = (_named.c.change, _table.c.body, _table.c.signature)
    about_held = (
        select(*columns).select_from(held).where(holdings.c.peer == peer, _named.c.change > after)
    )
    restored = (
        select(*columns)
        .join(_table, _table.c.id == _named.c.entry)
        .where(_table.c.restored, _named.c.change > after)
    )
    found = union(about_held, restored).order_by("change").limit(CATCH_UP_PAGE)
    return [_change(row) for row in connection.execute(found)]


def changes_about(
    connection: Connection, manifests: Iterable[ManifestId], after: int
) -> list[Change]:
    """Changes after `after`, and all tombstones, of entries that name these manifests."""
    found = (
        select(_named.c.change, _table.c.body, _table.c.signature)
        .join(_table, _table.c.id == _named.c.entry)
        .where(_named.c.manifest.in_(list(manifests)))
        .where((_named.c.change > after) | _table.c.deleted)
        .distinct()
        .order_by(_named.c.change)
    )
    return [_change(row) for row in connection.execute(found)]


def note_pictures(connection: Connection, records: Iterable[Record]) -> None:
    """Renditions come or go: what is told of their pictures changes."""
    pictures = [each.picture for each in records if isinstance(each, Entry)]
    of = {picture.of for picture in pictures if picture is not None and picture.of is not None}
    search_index.note_listed(connection, of)


def columns_of(signed: Signed, record: Record) -> dict[str, object]:
    """What a row says of a record itself."""
    return {
        "author": record.author,
        "manifest": record.manifest,
        "sequence": record.sequence,
        "body": signed.body,
        "signature": signed.signature,
        "deleted": isinstance(record, Tombstone),
        "created": record.deleted if isinstance(record, Tombstone) else record.created,
        "copies": 0 if isinstance(record, Tombstone) else record.copies,
        "size": 0 if isinstance(record, Tombstone) else record.size,
        "rendition": is_rendition(record),
    }


def holders_of(connection: Connection, record: Record) -> tuple[PeerId, ...]:
    """Who holds a manifest that the entry of a record names or named."""
    holdings = tables.holdings
    ever = select(_named.c.manifest).where(_named.c.entry == record.id)
    found = select(holdings.c.peer).where(holdings.c.manifest.in_(ever)).distinct()
    return tuple(connection.execute(found).scalars())


def _change(row: Any) -> Change:
    return Change(row.change, Signed(row.body, row.signature))


def _require_signer(connection: Connection, record: Record) -> None:
    members = tables.members
    signer = select(members.c.admin).where(members.c.peer == record.signer, tables.inside)
    admin = connection.execute(signer).scalar()
    if admin is None:
        raise RequestFailedError("refused", "the author of this record is not a member")
    if not may_sign(record, {record.signer} if admin else ()):
        raise RequestFailedError("refused", "only the author of an entry or an admin may do this")


def _needs_manifest(connection: Connection, record: Record) -> bool:
    if isinstance(record, Tombstone):
        return False
    found = select(tables.manifests.c.id).where(tables.manifests.c.id == record.manifest)
    return connection.execute(found).first() is None


def _put_row(
    connection: Connection,
    number: int,
    signed: Signed,
    record: Record,
    ours: dict[str, bool | int],
    *,
    known: bool,
) -> None:
    values = columns_of(signed, record) | ours
    if known:
        connection.execute(update(_table).where(_table.c.number == number).values(**values))
    else:
        connection.execute(insert(_table).values(number=number, id=record.id, **values))


def _put_change(connection: Connection, record: Record, change: int) -> None:
    note_change(connection, record.id, change)
    this = _named.c.entry == record.id
    connection.execute(update(_named).where(this).values(change=change))
    named = select(_named.c.entry).where(this, _named.c.manifest == record.manifest)
    if connection.execute(named).first() is None:
        row = {"entry": record.id, "manifest": record.manifest, "change": change}
        connection.execute(insert(_named).values(**row))


def _index(connection: Connection, number: int, record: Record) -> None:
    if is_rendition(record):
        search_index.remove(connection, number)
    elif isinstance(record, Entry):
        table = tables.members
        found = select(table.c.name).where(table.c.peer == record.author)
        author = connection.execute(found).scalar() or ""
        search_index.put(connection, number, record, author)
