"""Which deletions are held until somebody approves: the brake on bursts of them, in SQL.

A deletion is a tombstone, or an edit that names other content. Each function runs in the
transaction that stores a record. What counts as a burst is `protocol.delete_brake`'s to say.
"""

from typing import Literal

from sqlalchemy import Connection, delete, func, insert, select

from protocol.delete_brake import WINDOW, is_burst
from protocol.entry import Record, Tombstone
from protocol.hashing import hash_tombstone
from protocol.ids import ManifestId
from protocol.signing import Signed
from tracker import search_index, tables

_held = tables.held_tombstones
_deletions = tables.deletions
_verdicts = tables.verdicts


def judge(
    connection: Connection, signed: Signed, record: Record, now: int
) -> Literal["passes", "held", "rejected"]:
    """Whether a deletion comes to effect, which is counted; else it is kept, to be decided about.

    A rejected one is kept too: an approval beats that, whichever comes first.
    """
    approved = _verdict(connection, signed, record)
    if approved is False:
        _hold(connection, signed, record, now, rejected=True)
        return "rejected"
    if approved:
        return "passes"
    if _is_burst(connection, record, now):
        _hold(connection, signed, record, now, rejected=False)
        return "held"
    row = {"entry": record.id, "signer": record.signer, "moment": now}
    connection.execute(delete(_deletions).where(_deletions.c.entry == record.id))
    connection.execute(insert(_deletions).values(**row))
    return "passes"


def superseded(connection: Connection, record: Record) -> None:
    """A newer record of an entry came to effect: an older deletion no longer waits."""
    beaten = _held.c.sequence < record.sequence + isinstance(record, Tombstone)
    connection.execute(delete(_held).where(_held.c.entry == record.id, beaten))


def names(connection: Connection, manifest: ManifestId) -> bool:
    """Whether a deletion that is held names a manifest, as an edit does what it would bring."""
    found = select(_held.c.entry).where(_held.c.manifest == manifest).limit(1)
    return connection.execute(found).first() is not None


def _verdict(connection: Connection, signed: Signed, record: Record) -> bool | None:
    found = select(_verdicts.c.approved).where(
        _verdicts.c.tombstone == hash_tombstone(signed.body),
        _verdicts.c.deleter == record.signer,
    )
    approved: bool | None = connection.execute(found).scalar()
    return approved


def _is_burst(connection: Connection, record: Record, now: int) -> bool:
    connection.execute(delete(_deletions).where(_deletions.c.moment <= now - WINDOW))
    theirs = select(_deletions.c.moment).where(_deletions.c.signer == record.signer)
    waiting = select(_held.c.entry).where(
        _held.c.signer == record.signer, _held.c.rejected.is_(False)
    )
    entries = tables.entries.c
    listed = (entries.shown, entries.rendition.is_(False))
    there = select(func.count()).select_from(tables.entries).where(*listed)
    return is_burst(
        connection.execute(theirs).scalars().all(),
        connection.execute(there).scalar_one(),
        now,
        held=connection.execute(waiting.limit(1)).first() is not None,
    )


def _hold(
    connection: Connection, signed: Signed, record: Record, now: int, *, rejected: bool
) -> None:
    """Keep a deletion; of several of one entry the newest that waits."""
    found = select(_held.c.sequence, _held.c.rejected).where(_held.c.entry == record.id)
    known = connection.execute(found).first()
    if known is not None and (
        rejected or (not known.rejected and known.sequence >= record.sequence)
    ):
        return
    row = {
        "entry": record.id,
        "hash": hash_tombstone(signed.body),
        "signer": record.signer,
        "manifest": record.manifest,
        "sequence": record.sequence,
        "since": now,
        "rejected": rejected,
        "body": signed.body,
        "signature": signed.signature,
    }
    connection.execute(delete(_held).where(_held.c.entry == record.id))
    connection.execute(insert(_held).values(**row))
    search_index.note_listed(connection, [record.id])
