"""Puts uploads together: what they share, their routes, and what goes on beside requests."""

import asyncio
from collections.abc import AsyncIterator
from typing import NoReturn

import aiohttp.web

from web.daemon import Daemon
from web.receiving import Receiving
from web.routes import Route
from web.spool import Spool
from web.upload_adding import UploadAdding
from web.upload_book import UploadBook
from web.upload_lists import UploadLists
from web.uploads import Uploads

SWEEP_SECONDS = 3600.0


class UploadRoom:
    """Everything about uploads; `live` runs as long as the application does."""

    def __init__(self, daemon: Daemon, spool: Spool) -> None:
        self._book = UploadBook(spool)
        self._adding = UploadAdding(daemon, self._book)
        self._book.on_complete = self._adding.start
        self._protocol = Uploads(self._book, Receiving(self._book))
        self._lists = UploadLists(self._book)

    def routes(self) -> list[Route]:
        """The protocol's and the lists'."""
        return [*self._protocol.routes(), *self._lists.routes()]

    async def live(self, _application: aiohttp.web.Application) -> AsyncIterator[None]:
        """Read back what is in the spool, and sweep it every hour."""
        await self._book.open()
        sweeping = asyncio.create_task(self._sweep())
        yield
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)
        await self._adding.stop()
        self._book.close()

    async def _sweep(self) -> NoReturn:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            await self._book.sweep()
