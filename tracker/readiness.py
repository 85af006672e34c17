"""What searches look at: read at the start, made quick behind it, kept at the end."""

import functools
from collections.abc import Callable

import structlog
from sqlalchemy.exc import DBAPIError

from tracker import common_terms
from tracker.database import Database, may_be_away
from tracker.errors import RequestFailedError
from tracker.shelf import Shelf

_MANY = 50_000
"""Entries from which on it takes long to look up what nearly all have."""
_log = structlog.get_logger()


class Readiness:
    """Sees to the shelf; `wall` tells the time of day."""

    def __init__(self, database: Database, shelf: Shelf, wall: Callable[[], int]) -> None:
        self._database = database
        self._shelf = shelf
        self._wall = wall

    async def start(self) -> None:
        """Be ready, and then quick."""
        if not await self.get_ready():
            return
        try:
            if len(self._shelf.shown) >= _MANY:
                await self._look_up_common()
            _log.info("searches are quick")
        except (DBAPIError, RequestFailedError) as error:
            # Who asks for such a word is told; nobody has yet.
            _log.warning("what is common was not looked up", why=str(error))

    async def get_ready(self) -> bool:
        """Read what searches look at, so that the first one need not wait; False if that failed."""
        with may_be_away():
            await self._database.look(lambda s: self._shelf.load(s, self._wall()))
            _log.info("searches are ready", entries=len(self._shelf.shown))
            return True
        return False

    async def keep(self) -> None:
        """Write that down for the next start; once nothing else is written any more."""
        with may_be_away():
            await self._database.write(lambda c: self._shelf.keep(c, self._wall()))

    async def _look_up_common(self) -> None:
        """The first to search for a letter would wait long; one by one, as others search."""
        shelf, now, look = self._shelf, self._wall(), self._database.look
        await look(lambda snapshot: shelf.cut_orders(snapshot, now))
        common = await look(functools.partial(common_terms.common_terms, shelf=shelf, now=now))
        for word in (*common_terms.LETTERS, *common):
            if shelf.remembered.nearly_full:
                # Of several millions not all are kept. What is most common comes first.
                break
            await look(functools.partial(common_terms.look_up, shelf=shelf, now=now, word=word))
