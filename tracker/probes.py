"""What programs that watch the tracker ask: is it alive, can it serve, what has it counted."""

from collections.abc import Awaitable, Callable

import msgspec
import structlog
import trio
from sqlalchemy import Connection, update
from sqlalchemy.exc import DBAPIError

from tracker import tables
from tracker.database import Database
from tracker.metrics import CONTENT_TYPE, Metrics
from tracker.plain_http import Answer, Path
from tracker.sizes import Sizes

LOOK_TIME = 2.0
"""Seconds that an answer waits for the database."""
_log = structlog.get_logger()


class Once:
    """Does `work` in a nursery, for all who wait for it: never twice at a time."""

    def __init__(self, nursery: trio.Nursery, work: Callable[[], Awaitable[None]]) -> None:
        self._nursery = nursery
        self._work = work
        self._done: trio.Event | None = None

    async def wait(self, seconds: float) -> bool:
        """Whether it was done in time; it goes on if not."""
        if self._done is None:
            self._done = trio.Event()
            self._nursery.start_soon(self._run, self._done)
        done = self._done
        with trio.move_on_after(seconds):
            await done.wait()
            return True
        return False

    async def _run(self, done: trio.Event) -> None:
        try:
            await self._work()
        finally:
            self._done = None
            done.set()


class Probes:
    """/healthz, /readyz and /metrics. What looks at the database runs in `nursery`."""

    def __init__(
        self, database: Database, metrics: Metrics, sizes: Sizes, nursery: trio.Nursery
    ) -> None:
        self._database = database
        self._metrics = metrics
        self._sizes = sizes
        self._writing = Once(nursery, self._try_writing)
        self._looking = Once(nursery, self._look)
        self._trouble = ""
        self.listening = False
        """Whether peers are let in: not before the start is over, and not while it stops."""

    def paths(self) -> dict[str, Path]:
        """What is answered, and by whom."""
        return {"/healthz": self._running, "/readyz": self._ready, "/metrics": self._count}

    async def _running(self) -> Answer:
        return _state(200, "ok")

    async def _ready(self) -> Answer:
        if not self.listening:
            return _state(503, "not listening")
        if not await self._writing.wait(LOOK_TIME):
            return _state(503, "the database is slow")
        return _state(503, self._trouble) if self._trouble else _state(200, "ready")

    async def _try_writing(self) -> None:
        try:
            await self._database.write(_touch)
            self._trouble = ""
        except DBAPIError as error:
            _log.error("the database cannot be written", why=str(error.orig))
            self._trouble = "the database cannot be written"

    async def _count(self) -> Answer:
        # Late numbers are those of the last time.
        await self._looking.wait(LOOK_TIME)
        return Answer(200, self._metrics.text(), CONTENT_TYPE)

    async def _look(self) -> None:
        try:
            await self._sizes.look()
        except DBAPIError as error:
            _log.error("the database cannot be read", why=str(error.orig))


def _touch(connection: Connection) -> None:
    """A write that changes nothing, and is on disk all the same."""
    connection.execute(update(tables.swarm).values(id=1))


def _state(status: int, state: str) -> Answer:
    return Answer(status, msgspec.json.encode({"state": state}), "application/json")
