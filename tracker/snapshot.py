"""A snapshot of the database that is made when it is first looked at: most searches need none."""

from collections.abc import Callable

from sqlalchemy import Connection


class NotInMemoryError(Exception):
    """What was asked for is in the database alone."""


class Snapshot:
    """The database as it is when `open` is first called; that gives a connection."""

    def __init__(self, open: Callable[[], Connection]) -> None:
        self._open = open
        self._connection: Connection | None = None

    @property
    def connection(self) -> Connection:
        """It, to ask. NotInMemoryError where there is none."""
        if self._connection is None:
            self._connection = self._open()
        return self._connection


def _nothing() -> Connection:
    raise NotInMemoryError


MEMORY = Snapshot(_nothing)
"""For what has to do with what is in memory."""
