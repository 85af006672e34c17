"""A snapshot of the database that is made when something is first asked; most searches do not."""

from collections.abc import Callable
from functools import cached_property

from sqlalchemy import Connection


class NotInMemoryError(Exception):
    """What was asked for is in the database alone, or takes long."""


class Snapshot:
    """The database as it is at the first question; `read` and `look` give connections for that.

    What is looked up may be newer than the snapshot, and what is looked up later newer still.
    """

    def __init__(self, read: Callable[[], Connection], look: Callable[[], Connection]) -> None:
        self._read = read
        self._look = look

    @cached_property
    def whole(self) -> Connection:
        """It, to read much of it in order. NotInMemoryError where there is none."""
        return self._read()

    @cached_property
    def connection(self) -> Connection:
        """To look up rows by indexes. NotInMemoryError where there is none."""
        return self._look()

    def take_time(self) -> None:
        """What follows takes long. NotInMemoryError where others wait meanwhile."""


class _Memory(Snapshot):
    def take_time(self) -> None:
        raise NotInMemoryError


def _nothing() -> Connection:
    raise NotInMemoryError


MEMORY: Snapshot = _Memory(_nothing, _nothing)
"""For what has to do with what is in memory, and at once."""
