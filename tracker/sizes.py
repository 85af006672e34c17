"""How much there is: entries, manifests, holdings, bytes; counted now and then."""

import math
from dataclasses import dataclass

import trio
from sqlalchemy import Connection, FromClause, func, select, text

from tracker import tables
from tracker.database import Database

_OFTEN = 5.0
_SHARE = 100
"""Counting is given a hundredth of the time at most."""


@dataclass(frozen=True)
class Size:
    """`database` is in bytes; 0 where the engine does not tell."""

    entries: int = 0
    manifests: int = 0
    holdings: int = 0
    database: int = 0


class Sizes:
    """What was counted last. `now` is in seconds, on trio's clock."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counting = trio.Lock()
        self._again = -math.inf
        self.known = Size()

    async def look(self) -> Size:
        """Count anew if that is due."""
        async with self._counting:
            began = trio.current_time()
            if began >= self._again:
                self.known = await self._database.read(count)
                took = trio.current_time() - began
                self._again = began + took + max(_OFTEN, took * _SHARE)
            return self.known


def count(connection: Connection) -> Size:
    """Count all there is."""
    return Size(
        entries=_rows(connection, tables.search_keys),
        manifests=_rows(connection, tables.manifests),
        holdings=_rows(connection, tables.holdings),
        database=_bytes(connection),
    )


def _rows(connection: Connection, table: FromClause) -> int:
    number: int = connection.execute(select(func.count()).select_from(table)).scalar_one()
    return number


def _bytes(connection: Connection) -> int:
    if connection.dialect.name != "sqlite":
        size = connection.execute(text("SELECT pg_database_size(current_database())"))
        return int(size.scalar_one())
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    length = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    return int(pages) * int(length)
