"""The bytes of an upload, from a request into the spool: one sender at a time, lengths checked.

A sender that stops coming for 30 seconds, or goes away, loses nothing that arrived, unless a
checksum was promised for it. One that is silent for 3 seconds makes way for another.
"""

import asyncio
import hmac

import aiohttp
import aiohttp.web

from web.answers import AnswerError, invalid
from web.part import Part
from web.tus_headers import Checksum, checksum_mismatch
from web.upload_book import UploadBook
from web.upload_state import Upload, Writing, no_upload

IDLE_SECONDS = 30.0
MAKE_WAY_SECONDS = 3.0
PART_LENGTH = 64 << 20
"""The most of one request that is not durable yet, and so is ever sent again."""
_SYNC_EVERY = 16 << 20
_FURTHEST_AHEAD = PART_LENGTH - (8 << 20)
"""A little less than a part, for what is in buffers on its way."""


class Receiving:
    """Writes what comes."""

    def __init__(self, book: UploadBook, *, idle: float = IDLE_SECONDS) -> None:
        self._book = book
        self._idle = idle

    async def settle(self, upload: Upload) -> None:
        """Have nobody write this upload, so that its offset stands; 423 while somebody does."""
        writing = upload.writing
        if writing is None:
            return
        if writing.stopped:
            await writing.ended.wait()
            return
        quiet = asyncio.get_running_loop().time() - writing.moved
        if quiet < min(MAKE_WAY_SECONDS, self._idle) or writing.deadline is None:
            text = f"Somebody else is sending “{upload.record.name}” now. Try again when it stops."
            raise AnswerError(423, "locked", text)
        writing.stop()
        await writing.ended.wait()

    async def receive(
        self, upload: Upload, body: aiohttp.StreamReader, length: int, checksum: Checksum | None
    ) -> None:
        """Take `length` bytes at the upload's offset. AnswerError tells what did not come."""
        record = upload.record
        if upload.gone:
            raise no_upload()
        if length > record.size - record.offset:
            text = f"“{record.name}” has {record.size} bytes; this would be more."
            raise AnswerError(413, "too_large", text)
        if upload.writing is not None:
            raise AnswerError(423, "locked", "Somebody else is sending this now.")
        writing = upload.writing = Writing(asyncio.get_running_loop().time())
        part = Part(self._book.spool.part(record.id), record.offset, length)
        try:
            await self._take(upload, writing, part, body, length, checksum)
        finally:
            part.close()
            upload.writing = None
            writing.ended.set()
        if upload.gone:
            raise no_upload()

    async def _take(
        self,
        upload: Upload,
        writing: Writing,
        part: Part,
        body: aiohttp.StreamReader,
        length: int,
        checksum: Checksum | None,
    ) -> None:
        """Whatever ends this, what is durable by then counts."""
        try:
            digest = await self._copy(upload, writing, part, body, length, checksum)
            if checksum and not hmac.compare_digest(digest, checksum.digest):
                raise checksum_mismatch()
            await part.finish()
        except AnswerError as error:
            writing.stopped = True
            # A disk that refused takes no more; a promise that cannot be checked is not kept.
            if checksum is None and error.status < 500:
                await part.finish()
            raise
        except asyncio.CancelledError:
            if checksum is None:
                await part.finish()
            raise
        finally:
            if writing.syncing is not None:
                await asyncio.gather(writing.syncing, return_exceptions=True)
            await self._book.note_bytes(upload, part.synced)

    async def _copy(
        self,
        upload: Upload,
        writing: Writing,
        part: Part,
        body: aiohttp.StreamReader,
        length: int,
        checksum: Checksum | None,
    ) -> bytes:
        """Write what comes until all has come; its digest, if one was promised."""
        left = length
        sum_ = checksum.begin() if checksum else None
        while left:
            content = await self._next(writing, body)
            left -= len(content)
            if not content or left < 0:
                raise invalid("The upload was cut off." if left > 0 else "More came than was said.")
            await part.write(content)
            if sum_ is not None:
                sum_.update(content)
            elif left:
                await self._keep_up(upload, writing, part)
        return bytes(sum_.digest()) if sum_ else b""

    async def _keep_up(self, upload: Upload, writing: Writing, part: Part) -> None:
        """Have what came made durable beside what comes; wait for that only if it lags behind."""
        if part.offset - part.synced < _SYNC_EVERY:
            return
        task = writing.syncing
        if task is None or task.done():
            if task is not None:
                task.result()
            task = writing.syncing = asyncio.create_task(self._sync(upload, part, part.drained))
        if part.offset - part.synced >= _FURTHEST_AHEAD:
            await asyncio.shield(task)

    async def _sync(self, upload: Upload, part: Part, offset: int) -> None:
        await part.sync(offset)
        await self._book.note_bytes(upload, part.synced)

    async def _next(self, writing: Writing, body: aiohttp.StreamReader) -> bytes:
        try:
            async with asyncio.timeout(self._idle) as writing.deadline:
                if writing.stopped:
                    raise TimeoutError
                content = await body.readany()
        except TimeoutError:
            text = f"The upload stopped: nothing came for {self._idle:.0f} seconds. Go on with it."
            raise AnswerError(408, "failed", text) from None
        except (ConnectionError, aiohttp.ClientPayloadError, aiohttp.web.HTTPException):
            raise invalid("The upload was cut off.") from None
        finally:
            writing.deadline = None
        writing.moved = asyncio.get_running_loop().time()
        return content
