"""Which tombstones are held until somebody approves: the brake on bursts of deletions, in SQL.

Each function runs in the transaction that stores a record. What counts as a burst is
`protocol.delete_brake`'s to say.
"""

from sqlalchemy import Connection, delete, func, insert, select

from protocol.delete_brake import WINDOW, is_burst
from protocol.entry import Record, Tombstone
from protocol.hashing import hash_tombstone
from protocol.signing import Signed
from tracker import tables
from tracker.errors import RequestFailedError

_held = tables.held_tombstones
_deletions = tables.deletions
_verdicts = tables.verdicts


def holds(connection: Connection, signed: Signed, record: Record, now: int) -> bool:
    """Whether the tombstone of a live entry has to wait, which is noted; else it is counted.

    RequestFailedError when it has been rejected.
    """
    approved = _verdict(connection, signed, record)
    if approved is False:
        raise RequestFailedError("refused", "this deletion has been rejected")
    if approved:
        return False
    if _is_burst(connection, record, now):
        _hold(connection, signed, record, now)
        return True
    row = {"entry": record.id, "signer": record.signer, "moment": now}
    connection.execute(delete(_deletions).where(_deletions.c.entry == record.id))
    connection.execute(insert(_deletions).values(**row))
    return False


def superseded(connection: Connection, record: Record) -> None:
    """A newer record of an entry came to effect: an older tombstone no longer waits."""
    beaten = _held.c.sequence < record.sequence + isinstance(record, Tombstone)
    connection.execute(delete(_held).where(_held.c.entry == record.id, beaten))


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
    waiting = select(_held.c.entry).where(_held.c.signer == record.signer).limit(1)
    there = select(func.count()).select_from(tables.entries).where(tables.entries.c.shown)
    return is_burst(
        connection.execute(theirs).scalars().all(),
        connection.execute(there).scalar_one(),
        now,
        held=connection.execute(waiting).first() is not None,
    )


def _hold(connection: Connection, signed: Signed, record: Record, now: int) -> None:
    known = select(_held.c.sequence).where(_held.c.entry == record.id)
    sequence = connection.execute(known).scalar()
    if sequence is not None and sequence >= record.sequence:
        return
    row = {
        "entry": record.id,
        "signer": record.signer,
        "sequence": record.sequence,
        "since": now,
        "body": signed.body,
        "signature": signed.signature,
    }
    connection.execute(delete(_held).where(_held.c.entry == record.id))
    connection.execute(insert(_held).values(**row))
