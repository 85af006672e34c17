"""The audit log: who let machines in and out, made admins, and deleted; when, and from where.

A line is written in the transaction that does what it says. The newest are kept, about MOST.
"""

import os
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, tuple_

from protocol.entry import Entry, read_record
from protocol.ids import EntryId
from protocol.messages.tending import AUDIT_PAGE, AuditAct, AuditLine, AuditLog, GetAudit
from tracker import tables
from tracker.errors import RequestFailedError
from tracker.listing import REPLY_SPACE

MOST = 100_000
_LOOK = 3
"""Of 256 lines, so many look whether there are too many."""
_SHOWN = 200
_MOMENT = 8
_ID = 16
_table = tables.audit


@dataclass(frozen=True)
class Actor:
    """Who asks, and the address that came from, if it came from one."""

    name: str
    host: str | None = None


def note(
    connection: Connection, actor: Actor, act: AuditAct, what: str, now: int, more: str = ""
) -> None:
    """Write one line."""
    fresh = os.urandom(_ID)
    line = {
        "id": fresh,
        "moment": now,
        "act": act,
        "who": actor.name[:_SHOWN],
        "host": (actor.host or "")[:_SHOWN],
        "what": what[:_SHOWN],
        "note": more[:_SHOWN],
    }
    connection.execute(insert(_table).values(**line))
    if fresh[0] < _LOOK:
        trim(connection)


def trim(connection: Connection) -> None:
    """Forget all but the newest lines."""
    oldest = select(_table.c.moment).order_by(_table.c.moment.desc()).offset(MOST).limit(1)
    connection.execute(delete(_table).where(_table.c.moment <= oldest.scalar_subquery()))


def page(connection: Connection, request: GetAudit) -> AuditLog:
    """Answer a page of lines, oldest first."""
    found = select(_table).where(_table.c.moment >= request.since)
    if request.cursor:
        if len(request.cursor) != _MOMENT + _ID:
            raise RequestFailedError("invalid", "this is no cursor of an audit log")
        after = (int.from_bytes(request.cursor[:_MOMENT], "big"), request.cursor[_MOMENT:])
        found = found.where(tuple_(_table.c.moment, _table.c.id) > after)
    in_order = found.order_by(_table.c.moment, _table.c.id)
    rows = connection.execute(in_order.limit(AUDIT_PAGE + 1)).all()
    shown: list[AuditLine] = []
    space = REPLY_SPACE
    for row in rows[:AUDIT_PAGE]:
        texts = {name: getattr(row, name) for name in ("act", "who", "host", "what", "note")}
        space -= 64 + sum(len(each.encode()) for each in texts.values())
        if shown and space < 0:
            break
        shown.append(AuditLine(moment=row.moment, **texts))
    if len(shown) == len(rows):
        return AuditLog(call=request.call, lines=tuple(shown))
    last = rows[len(shown) - 1]
    cursor = last.moment.to_bytes(_MOMENT, "big") + last.id
    return AuditLog(call=request.call, lines=tuple(shown), cursor=cursor)


def entry_name(connection: Connection, entry: EntryId) -> str:
    """What an entry is called now, with the beginning of its id."""
    table = tables.entries
    body = connection.execute(select(table.c.body).where(table.c.id == entry)).scalar()
    record = read_record(body) if body is not None else None
    name = f"{record.name[: _SHOWN - 20]} " if isinstance(record, Entry) else ""
    return f"{name}({entry.hex()[:12]})"
