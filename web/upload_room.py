"""Puts uploads together: what they share, their routes, and what goes on beside requests."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NoReturn

import aiohttp.web
import structlog

from web.daemon import Daemon
from web.picture_uploads import PictureUploads
from web.picture_workers import PictureWorkers
from web.quotas import FILE, Quotas
from web.receiving import Receiving
from web.renditions import Renditions
from web.routes import Route
from web.spool import Spool
from web.upload_adding import UploadAdding
from web.upload_book import UploadBook
from web.upload_lists import UploadLists
from web.upload_rules import UploadRuleBook
from web.uploads import Uploads

SWEEP_SECONDS = 3600.0
TAKE_SECONDS, LOOK_SECONDS = 5.0, 0.2
"""How long the page waits for its spool before it answers without; how often it looks."""

_log = structlog.get_logger()


class UploadRoom:
    """Everything about uploads; `live` runs as long as the application does."""

    def __init__(self, daemon: Daemon, data: Path, rules: UploadRuleBook) -> None:
        spool = Spool(data)
        self._book = UploadBook(spool)
        quotas = Quotas(daemon, data / FILE, self._book.unfinished)
        workers = PictureWorkers()
        self._renditions = Renditions(daemon, spool, workers)
        pictures = PictureUploads(daemon, spool, rules, workers)
        self._adding = UploadAdding(daemon, self._book, quotas, pictures, self._renditions)
        self._book.on_complete = self._adding.start
        self._protocol = Uploads(self._book, Receiving(self._book), rules, quotas)
        self._opened = asyncio.Event()
        self._lists = UploadLists(self._book, self._adding, rules, quotas)

    def routes(self) -> list[Route]:
        """The protocol's and the lists'."""
        return [*self._protocol.routes(), *self._lists.routes()]

    async def live(self, _application: aiohttp.web.Application) -> AsyncIterator[None]:
        """Read back what is in the spool, and sweep it every hour."""
        working = asyncio.create_task(self._work())
        # The page of a daemon that was killed takes a moment to end.
        opening = asyncio.create_task(self._opened.wait())
        first = asyncio.FIRST_COMPLETED
        await asyncio.wait({working, opening}, timeout=TAKE_SECONDS, return_when=first)
        if working.done():
            working.result()
        if not self._opened.is_set():
            _log.warning("another page takes the uploads of this machine")
        making = asyncio.create_task(self._make_renditions())
        yield
        tasks = (working, opening, making)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._adding.stop()
        self._book.close()

    async def _work(self) -> NoReturn:
        while not await self._book.open():  # noqa: ASYNC110 - another process has it
            await asyncio.sleep(LOOK_SECONDS)
        self._opened.set()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            await self._book.sweep()

    async def _make_renditions(self) -> NoReturn:
        await self._opened.wait()
        await self._renditions.keep()
