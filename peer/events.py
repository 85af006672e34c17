"""What happened to copies, as this machine saw it: the newest 200 events, also after a restart.

`Events.note` is the one way in: it may be called from anywhere on the event loop.
"""

import sqlite3
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import structlog
import trio

from peer.database import Database
from peer.errors import PeerError
from protocol.messages.health import MOST_EVENTS, EventKind, EventView

log = structlog.get_logger()

KEPT = 200
LONGEST = 300
"""Characters of an event's text: many of them must fit a message."""
_WORRYING: frozenset[EventKind] = frozenset({"left", "out", "rot", "disk", "full", "short", "lost"})


class Event(NamedTuple):
    """`when` is milliseconds since 1970; `about` the machine's id, if it is about a machine."""

    when: int
    kind: EventKind
    text: str
    about: bytes


class Events:
    """Noted at once, written down a moment later; `wall` gives milliseconds since 1970."""

    def __init__(self, database: Database, wall: Callable[[], int]) -> None:
        self._database = database
        self._wall = wall
        self._ring: deque[Event] = deque(maxlen=KEPT)
        self._unwritten: deque[Event] = deque(maxlen=KEPT)
        self._noted = trio.Event()

    def load(self) -> None:
        """Read the events of earlier runs."""
        rows = self._database.connection.execute(
            "SELECT moment, kind, text, about FROM events ORDER BY number DESC LIMIT ?", (KEPT,)
        ).fetchall()
        self._ring.extend(Event(*row) for row in reversed(rows))

    def note(self, kind: EventKind, text: str, about: bytes = b"") -> None:
        """Something happened: into the ring, the log, and soon the database."""
        short = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
        event = Event(self._wall(), kind, short, about)
        self._ring.append(event)
        self._unwritten.append(event)
        if kind in _WORRYING:
            log.warning(short, kind=kind)
        else:
            log.info(short, kind=kind)
        self._noted.set()

    def newest(self, most: int = MOST_EVENTS) -> tuple[EventView, ...]:
        """The newest, newest first."""
        newest = list(self._ring)[-most:][::-1]
        return tuple(EventView(when=each.when, kind=each.kind, text=each.text) for each in newest)

    def last_about(self, about: bytes) -> Event | None:
        """The newest about a machine."""
        return next((each for each in reversed(self._ring) if each.about == about), None)

    async def run(self) -> None:
        """Write down what is noted, for ever."""
        while True:
            await self._noted.wait()
            self._noted = trio.Event()
            await self._write()

    async def _write(self) -> None:
        new = list(self._unwritten)
        self._unwritten.clear()
        try:
            await self._database.run(lambda connection: _append(connection, new))
        except PeerError as error:
            # They stay in memory, and went to the log.
            log.warning("events not written down", error=str(error))


def _append(connection: sqlite3.Connection, new: list[Event]) -> None:
    connection.executemany(
        "INSERT INTO events (moment, kind, text, about) VALUES (?, ?, ?, ?)", new
    )
    connection.execute(
        "DELETE FROM events WHERE number <= (SELECT max(number) FROM events) - ?", (KEPT,)
    )
