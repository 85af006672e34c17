"""A connection beside those that read and write: on it trackers of one database tell one another
that they live, and are told when there is something to look at.

Nothing on it waits for the lock of writes. It may be lost at any time, and is opened again.
"""

import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from tracker.notes import CHANNEL, NOTIFIES

_T = TypeVar("_T")


class Aside:
    """One connection; one thread at a time may use it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self.listens = False
        """Whether it is told when there is something to look at."""
        self.told = False
        """Whether another tracker has said so since this was last set to False."""

    def do(self, work: Callable[[Connection], _T]) -> _T:
        """Do `work` in a transaction, connecting first if need be. DBAPIError when that fails."""
        connection = self._connection or self._open()
        try:
            with connection.begin():
                return work(connection)
        except BaseException:
            # Whatever it is, a new one is cheap.
            self.close()
            raise

    def readable(self) -> int | None:
        """A socket that can be read when there is news; None while nothing is heard there."""
        if self._connection is None or not self.listens:
            return None
        raw: Any = self._connection.connection.driver_connection
        return None if raw.closed else int(raw.fileno())

    def close(self) -> None:
        """Let go of it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(DBAPIError):
                connection.close()

    def _open(self) -> Connection:
        connection = self._engine.connect()
        self._connection = connection
        try:
            with connection.begin():
                connection.execute(text("SET idle_in_transaction_session_timeout = '60s'"))
            raw: Any = connection.connection.driver_connection
            raw.add_notify_handler(self._hear)
        except BaseException:
            self.close()
            raise
        try:
            with connection.begin():
                connection.execute(text(f"LISTEN {CHANNEL}"))
            self.listens = connection.info[NOTIFIES] = True
        except DBAPIError:
            # Engines that cannot are asked every second.
            self.listens = connection.info[NOTIFIES] = False
        return connection

    def _hear(self, _notification: object) -> None:
        self.told = True
