"""Notes in the database: what each transaction has changed, for searches and peers of all trackers.

A note is written in the transaction it tells of, under a number drawn while writes are locked. So
whoever reads notes in a snapshot knows exactly the transactions that it sees; those not read yet
are behind the last it knows. The last one is kept: if it is gone, so may others be, and everything
is read again.
"""

import math
import time
from collections.abc import Sequence
from typing import Any

import msgpack
from sqlalchemy import Connection, delete, func, insert, literal, select, update

from tracker import tables
from tracker.news import take_news
from tracker.touched import Notes, Touched

CHANNEL = "twofold"
"""On which trackers are told to look."""
NOTIFIES = "notifies"
"""In `Connection.info`: whether the engine can tell them."""
_notes = tables.notes
_swarm = tables.swarm
_LENGTH = 32
_HEARS_FOR = 3.0
"""Seconds in which who is told of news would have noticed that it is not: it looks every second."""


def write_note(connection: Connection, touched: Touched) -> None:
    """Note what a transaction has touched and changed; called last in it."""
    news = take_news(connection)
    notifies = connection.info.get(NOTIFIES, False)
    if touched or news.changes:
        content = _encode(touched, news.changes)
        drawn = update(_swarm).values(touched=_swarm.c.touched + 1).returning(_swarm.c.touched)
        numbered = drawn.cte("drawn")
        row = select(numbered.c.touched, literal(content))
        noted = insert(_notes).from_select(["number", "content"], row)
        # In one statement: each is a round trip while all others wait.
        connection.execute(noted.returning(_notification()) if notifies else noted)
    elif news.any:
        notify(connection)


def notify(connection: Connection) -> None:
    """Have other trackers look when this transaction is on disk, if the engine can tell them."""
    if connection.info.get(NOTIFIES, False):
        connection.execute(select(_notification()))


class SharedNotes(Notes):
    """What this tracker's transactions have touched, and those of others."""

    def __init__(self) -> None:
        super().__init__()
        self._last = -1
        """The number of the last note read."""
        self._heard, self._until = math.inf, -math.inf

    def heard(self, newest: int, since: float) -> None:
        """This was the newest note at that time (`time.monotonic`); of newer ones we are told."""
        self._heard, self._until = newest, since + _HEARS_FOR

    def quiet(self) -> bool:
        """Whether nothing waits to be taken, going by what was heard lately."""
        return super().quiet() and self._heard <= self._last and time.monotonic() < self._until

    def take(self, connection: Connection) -> Touched:
        """All since this was last asked, as far as the snapshot of `connection` has it."""
        touched = self._take()
        try:
            return self._with_noted(connection, touched)
        except BaseException:
            self._put_back(touched)
            raise

    def _with_noted(self, connection: Connection, touched: Touched) -> Touched:
        rows = None
        if not touched.everything and self._last >= 0:
            rows = notes_from(connection, self._last)
        if rows is None:
            self._last = newest_note(connection)
            return Touched(everything=True)
        for number, content in rows:
            touched.add(touched_in(content))
            self._last = number
        return touched


def newest_note(connection: Connection) -> int:
    """The number of the last note there is."""
    number: int | None = connection.execute(select(func.max(_notes.c.number))).scalar()
    return number or 0


def notes_from(connection: Connection, last: int) -> Sequence[tuple[int, bytes]] | None:
    """The notes after one that was read, in order; None when some of them may be gone."""
    found = select(_notes.c.number, _notes.c.content).where(_notes.c.number >= last)
    rows = connection.execute(found.order_by(_notes.c.number)).all()
    if not rows or rows[0].number != last:
        return None
    return [(row.number, row.content) for row in rows[1:]]


def changes_in(content: bytes) -> dict[bytes, int]:
    """The entries of which a note says that they have another record, and their changes."""
    return dict(msgpack.unpackb(content)[4]) if content else {}


def drop_notes(connection: Connection, below: int) -> None:
    """Forget the notes below a number, which is a note's own."""
    connection.execute(delete(_notes).where(_notes.c.number < below))


def touched_in(content: bytes) -> Touched:
    """What a note says that searches and questions must look at again."""
    if not content:
        return Touched()
    entries, manifests, peers, everything, _ = msgpack.unpackb(content)
    return Touched(set(entries), _split(manifests), _split(peers), everything)


def _encode(touched: Touched, changes: dict[bytes, int]) -> bytes:
    manifests, peers = b"".join(touched.manifests), b"".join(touched.peers)
    whole = [sorted(touched.entries), manifests, peers, touched.everything, list(changes.items())]
    packed: bytes = msgpack.packb(whole)
    return packed


def _split(joined: bytes) -> set[bytes]:
    return {joined[at : at + _LENGTH] for at in range(0, len(joined), _LENGTH)}


def _notification() -> Any:
    return func.pg_notify(CHANNEL, "")
