"""From a complete upload to an entry: the daemon adds it, also after either of them was stopped.

Adding twice makes the same entry, so what was not told in time is simply asked for again.
"""

import asyncio
from pathlib import Path

import structlog

from protocol.messages.editing import Edit, Edited
from protocol.messages.operating import Add, Added, Progress
from protocol.pictures import Picture, may_be_picture
from web.answers import AnswerError
from web.daemon import Daemon
from web.picture_uploads import PictureUploads
from web.quotas import Quotas
from web.renditions import Renditions
from web.upload_book import UploadBook
from web.upload_state import Upload

AT_ONCE = 4
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 15.0
_log = structlog.get_logger()


class UploadAdding:
    """Adds what is complete, a few at a time, until that is done or refused."""

    def __init__(
        self,
        daemon: Daemon,
        book: UploadBook,
        quotas: Quotas,
        pictures: PictureUploads,
        renditions: Renditions,
    ) -> None:
        self._quotas = quotas
        self._daemon = daemon
        self._book = book
        self._pictures = pictures
        self._renditions = renditions
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, upload: Upload) -> None:
        """Add this one, in the background."""
        task = asyncio.create_task(self._add(upload))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Leave the rest to the next start."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def describe(self, upload: Upload, caption: str) -> None:
        """Give an upload a caption, or the entry that it is by now. AnswerError."""
        upload.record.caption = caption
        if upload.record.entry:
            await self._edit(upload.record.entry, caption)
        elif upload.saved:
            await self._book.save(upload)

    async def _edit(self, entry: str, caption: str) -> None:
        await self._daemon.ask(Edit(call=0, entry=entry, caption=caption), Edited)

    async def _add(self, upload: Upload) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                async with self._turns:
                    entry = await self._ask(upload)
                self._quotas.note(upload.record, entry)
                await self._book.settle(upload, entry=entry)
                return self._renditions.start(entry) if _has_renditions(upload) else None
            except AnswerError as error:
                if error.status != 503:
                    _log.warning("an upload was not added", id=upload.record.id, kind=error.kind)
                    return await self._fail(upload, self._shown(upload, error.text))
            # The daemon is away; it comes back.
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _ask(self, upload: Upload) -> str:
        record = upload.record
        looking = await self._pictures.look(record)
        looked, record.note = looking.looked, looking.note

        def note(progress: Progress) -> None:
            upload.progress = progress

        request = Add(
            call=0,
            path=str(self._lies(upload)),
            name=record.name,
            caption=record.caption,
            tags=record.tags,
            owned=True,
            picture=Picture(width=looked.width, height=looked.height) if looked else None,
        )
        added = await self._daemon.ask(request, Added, within=None, on_progress=note)
        await self._pictures.add_first(record, added.entry, looking)
        said = request.caption
        while record.caption != said:  # given meanwhile
            said = record.caption
            await self._edit(added.entry.id, said)
        return added.entry.id

    def _shown(self, upload: Upload, why: str) -> str:
        """The daemon's words, with the name for where the bytes lie in the spool."""
        return why.replace(str(self._lies(upload)), upload.record.name)

    def _lies(self, upload: Upload) -> Path:
        record, spool = upload.record, self._book.spool
        lies = spool.tree(record.id) if record.kind == "folder" else spool.part(record.id)
        return lies.resolve()

    async def _fail(self, upload: Upload, why: str) -> None:
        try:
            await self._book.settle(upload, failed=why)
        except AnswerError as error:
            _log.error("cannot note that an upload failed", id=upload.record.id, why=error.text)


def _has_renditions(upload: Upload) -> bool:
    record = upload.record
    return not record.note and may_be_picture(record.kind, record.name)
