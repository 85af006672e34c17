"""The database: one connection that writes, a few that read, and the migrations.

Invariant: only the holder of the data directory's lock opens one, and writes happen one after the
other; what is written is on disk when its task hears of it. Those that wait for one another share a
transaction (`group_commit`). Which engine it is, `engines` knows.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import structlog
import trio
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tracker.database_place import Place, shown
from tracker.engines import READERS, Engines, is_away, is_to_repeat, open_engines
from tracker.errors import DataDirectoryError, RequestFailedError
from tracker.group_commit import GroupCommit, Pending, Together, do_group
from tracker.snapshot import Snapshot
from tracker.touched import Touched, take_notes

_MIGRATIONS = Path(__file__).parent / "migrations"
_ATTEMPTS = 5
_log = structlog.get_logger()
_T = TypeVar("_T")
_Item = TypeVar("_Item")


class Database:
    """Work given to `write` and `read` is a function of a connection, run in a thread.

    RequestFailedError when the database cannot be reached.
    """

    def __init__(self, engines: Engines) -> None:
        self.engines = engines
        self._line = GroupCommit(self._commit)
        self._reading = trio.CapacityLimiter(READERS)
        self.notes = engines.notes
        """What was changed of what searches keep in memory."""

    async def write(
        self, work: Callable[[Connection], _T], then: Callable[[_T], None] | None = None
    ) -> _T:
        """Do `work` as one part of a transaction; `then` sees what it gave before later ones do.

        So whatever `then` tells others, they hear in the order of the works.
        """
        result: _T = await self.outcome(self.submit(work, then))
        return result

    def submit(
        self, work: Callable[[Connection], _T], then: Callable[[_T], None] | None = None
    ) -> Pending:
        """The same in two steps: it has its place now; who then waits for `outcome` gets it."""
        pending = Pending(work, then)
        self._line.put(pending)
        return pending

    def submit_together(
        self, together: Together[_Item, _T], item: _Item, then: Callable[[_T], None] | None = None
    ) -> Pending:
        """As `submit`, of a work that is done with others of its kind."""
        pending = Pending(None, then, together, item)
        self._line.put(pending)
        return pending

    async def outcome(self, pending: Pending) -> Any:
        """What a work that was submitted gives, once it is on disk. Raises what that does."""
        return await self._line.wait(pending)

    async def read(self, work: Callable[[Connection], _T]) -> _T:
        """Do `work` on one snapshot of the database."""
        return await trio.to_thread.run_sync(self.read_now, work, limiter=self._reading)

    async def look(self, work: Callable[[Snapshot], _T]) -> _T:
        """Do `work`, which may need a snapshot of the database."""
        return await trio.to_thread.run_sync(self.look_now, work, limiter=self._reading)

    def write_now(self, work: Callable[[Connection], _T]) -> _T:
        """As `write`, in this thread; not while tasks write."""
        pending = Pending(work, None)
        self._commit([pending])
        if pending.error is not None:
            raise pending.error
        result: _T = pending.given
        return result

    def read_now(self, work: Callable[[Connection], _T]) -> _T:
        """As `read`, in this thread."""
        try:
            with self.engines.reader.begin() as connection:
                return work(connection)
        except DBAPIError as error:
            raise _explained(error) from error

    def look_now(self, work: Callable[[Snapshot], _T]) -> _T:
        """As `look`, in this thread."""
        try:
            try:
                return self._look_once(work)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                # The server was started anew since we last asked: nobody need notice.
                return self._look_once(work)
        except DBAPIError as error:
            raise _explained(error) from error

    def _look_once(self, work: Callable[[Snapshot], _T]) -> _T:
        reader, looker = self.engines.reader, self.engines.looker
        with ExitStack() as stack:
            read = cache(lambda: stack.enter_context(reader.begin()))
            look = cache(lambda: stack.enter_context(looker.connect())) if looker else read
            return work(Snapshot(read, look))

    def close(self) -> None:
        """Let go of it."""
        self.engines.dispose()

    def _commit(self, group: Sequence[Pending]) -> None:
        """Put works on disk, and note how each ended."""
        for attempt in range(_ATTEMPTS):
            try:
                return self._commit_once(group)
            except DBAPIError as error:
                if not is_to_repeat(error) or attempt + 1 == _ATTEMPTS:
                    return self._fail(group, _explained(error))
            except Exception as error:
                return self._fail(group, error)
        raise AssertionError

    def _fail(self, group: Sequence[Pending], error: Exception) -> None:
        for each in group:
            each.given, each.error = None, error

    def _commit_once(self, group: Sequence[Pending]) -> None:
        touched = Touched()
        try:
            with self.engines.writer.begin() as connection:
                take_notes(connection)  # a transaction that failed may have left some
                self.engines.lock_writes(connection)
                touched = do_group(connection, group)
                self.engines.tell_others(connection, touched)
        finally:
            # Also when the answer to the commit was lost: it may be on disk.
            self.notes.add(touched)


def open_database(place: Place) -> Database:
    """Open a database, bringing its tables up to date; a file may be missing."""
    engines = open_engines(place)
    try:
        with engines.writer.begin() as connection:
            engines.lock_migration(connection)
            migrate(connection)
    except DBAPIError as error:
        engines.dispose()
        raise DataDirectoryError(f"cannot open {shown(place)}: {error.orig}") from error
    except BaseException:
        engines.dispose()
        raise
    return Database(engines)


def connect_database(place: Place) -> Database:
    """A database as it is, to read it beside the tracker that runs on it."""
    database = Database(open_engines(place))
    try:
        found = database.read_now(lambda c: MigrationContext.configure(c).get_current_revision())
    except DBAPIError as error:
        database.close()
        raise DataDirectoryError(f"cannot open {shown(place)}: {error.orig}") from error
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    if found != newest:
        database.close()
        raise DataDirectoryError(
            f"the tables are of version {found}, and this program has {newest}: start the tracker "
            "once, which brings them up to date"
        )
    return database


def migrate(connection: Connection) -> None:
    """Bring the tables up to date, within the transaction of `connection`."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


@contextmanager
def may_be_away() -> Iterator[None]:
    """What nobody has asked for is done another time if the database cannot be reached."""
    try:
        yield
    except RequestFailedError as error:
        _log.warning("not read or written just now", why=error.text)


def _explained(error: DBAPIError) -> Exception:
    if is_away(error):
        return RequestFailedError("failed", "the database does not answer now: try again later")
    return error
