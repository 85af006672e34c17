"""A snapshot of the database that is made when something is first asked; most searches do not."""

from collections.abc import Callable

from sqlalchemy import Connection


class NotInMemoryError(Exception):
    """What was asked for is in the database alone, or takes long."""


class Snapshot:
    """The database as it is at the first question; `connect` gives a connection for that.

    `begin_look_up` is called with it before the first row is looked up.
    """

    def __init__(
        self, connect: Callable[[], Connection], begin_look_up: Callable[[Connection], None]
    ) -> None:
        self._connect = connect
        self._begin_look_up = begin_look_up
        self._connection: Connection | None = None
        self._looks_up = False

    @property
    def whole(self) -> Connection:
        """It, to read much of it in order, before anything is looked up. NotInMemoryError where
        there is none."""
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    @property
    def connection(self) -> Connection:
        """It, to look up rows by indexes. NotInMemoryError where there is none."""
        connection = self.whole
        if not self._looks_up:
            self._begin_look_up(connection)
            self._looks_up = True
        return connection

    def take_time(self) -> None:
        """What follows takes long. NotInMemoryError where others wait meanwhile."""


class _Memory(Snapshot):
    def take_time(self) -> None:
        raise NotInMemoryError


def _nothing() -> Connection:
    raise NotInMemoryError


MEMORY: Snapshot = _Memory(_nothing, lambda _: None)
"""For what has to do with what is in memory, and at once."""
