"""The renditions of this machine's own pictures: those that are missing are made, one at a time.

After an upload, and at each start and then every few minutes for whatever has none: what was added
by command, and what a stop came before. What is missing is seen from the entries themselves, so
nothing has to be kept. What cannot be used is not tried again while this process lives.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import structlog

from protocol.messages.finding import Filters
from protocol.messages.operating import (
    EntryView,
    Find,
    Found,
    GetStatus,
    Read,
    Readable,
    Show,
    Shown,
    Status,
)
from protocol.pictures import QUALITIES, RenditionQuality, may_be_picture
from web.answers import AnswerError
from web.daemon import Daemon
from web.part import in_thread
from web.picture_uploads import add_rendition, check_size
from web.picture_workers import Looked, PictureError, PictureWorkers
from web.spool import Spool, remove

LOOK_SECONDS = 300.0
"""How often to look for pictures without renditions."""
PAGE = 50
_log = structlog.get_logger()


class Renditions:
    """Makes what is missing; `keep` runs as long as this page has the spool."""

    def __init__(self, daemon: Daemon, spool: Spool, workers: PictureWorkers) -> None:
        self._daemon = daemon
        self._spool = spool
        self._workers = workers
        self._waiting: dict[str, None] = {}
        self._failed: set[str] = set()
        self._wake = asyncio.Event()

    def start(self, entry: str) -> None:
        """Make those of this entry next."""
        self._waiting[entry] = None
        self._wake.set()

    async def keep(self) -> NoReturn:
        """Make what is missing, forever."""
        whole = True
        while True:
            if await self._look(whole=whole):
                whole = False
            await self._work()
            with contextlib.suppress(TimeoutError):
                while True:
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._wake.wait()
                    await self._work()

    async def _work(self) -> None:
        while self._waiting:
            entry, _ = self._waiting.popitem()
            try:
                await self._make(entry)
            except AnswerError as error:
                # It is found missing again at the next look.
                _log.info("renditions not made", entry=entry, why=error.text)
            except PictureError as error:
                self._failed.add(entry)
                _log.info("no renditions can be made", entry=entry, why=str(error))
            except OSError as error:
                _log.error("renditions not made", entry=entry, error=error.strerror)
        self._wake.clear()

    async def _look(self, *, whole: bool) -> bool:
        """Find own pictures that lack renditions, the newest first; whether that could be done.

        If not the `whole` list is wanted, no further than to a page where nothing is missing.
        """
        try:
            me = (await self._daemon.ask(GetStatus(call=0), Status)).peer.id
            cursor = ""
            while True:
                filters = Filters(kind="image", author=me)
                asked = Find(call=0, words="", filters=filters, cursor=cursor, limit=PAGE)
                page = await self._daemon.ask(asked, Found)
                lacking = [entry.id for entry in page.entries if self._lacks(entry)]
                self._waiting |= dict.fromkeys(lacking)
                cursor = page.cursor
                if not cursor or not (whole or lacking):
                    return True
        except AnswerError:
            return False

    def _lacks(self, entry: EntryView) -> bool:
        return (
            may_be_picture(entry.kind, entry.name)
            and entry.id not in self._failed
            and entry.here >= entry.pieces
            and not entry.held
            and len(entry.renditions) < len(QUALITIES)
        )

    async def _make(self, number: str) -> None:
        entry = (await self._daemon.ask(Show(call=0, entry=number), Shown)).entry
        if not self._lacks(entry):
            return
        check_size(entry.size)
        there = {rendition.quality for rendition in entry.renditions}
        missing = [quality for quality in QUALITIES if quality not in there]
        found = await self._daemon.ask(Read(call=0, entry=entry.id, file=0, offset=0), Readable)
        if not found.complete or found.position:
            return
        wanted = [(each, self._spool.picture(secrets.token_hex(16))) for each in missing]
        try:
            looked = await self._workers.make(Path(found.path), entry.name, wanted)
            await self._add(entry, looked, wanted)
        finally:
            await in_thread(_remove_all, [path for _, path in wanted])

    async def _add(
        self, entry: EntryView, looked: Looked, wanted: list[tuple[RenditionQuality, Path]]
    ) -> None:
        places = dict(wanted)
        for made in looked.made:
            if made.quality in places:
                await add_rendition(self._daemon, places[made.quality], entry, made)


def _remove_all(paths: Iterable[Path]) -> None:
    for path in paths:
        remove(path)
