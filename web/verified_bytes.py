"""Bytes of one file of an entry, in order, as the daemon has them verified and on disk.

The daemon says where they lie, this reads them there. Ends early only with an error: a caller
that got all it asked for got verified bytes and nothing else.
"""

import asyncio
import os
from io import FileIO
from types import TracebackType
from typing import Self

import structlog

from protocol.messages.operating import Read, Readable
from web.answers import AnswerError, unreachable
from web.daemon import Daemon

READ_LENGTH = 1 << 20
WAIT_SECONDS = 300.0
"""How long the daemon may take to fetch the next bytes before the download counts as failed."""

_log = structlog.get_logger()


class VerifiedBytes:
    """Reads bytes `start` to `stop` of a file, to be used as a context.

    Entering it waits until the first bytes are here, so that what cannot be had is told at once.
    """

    def __init__(self, daemon: Daemon, entry: str, file: int, start: int, stop: int) -> None:
        self._daemon = daemon
        self._entry = entry
        self._file = file
        self._offset = start
        self._stop = stop
        self._path = ""
        self._open: FileIO | None = None
        self._position = 0
        self._left = 0
        self._complete = False
        self._stamp: tuple[int, ...] = ()

    async def __aenter__(self) -> Self:
        if self._offset < self._stop:
            try:
                await self._find_more()
            except BaseException:
                self._close()
                raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._close()

    async def next(self) -> bytes:
        """The next bytes, at most 1 MiB; b"" at the end. AnswerError when there will be no more."""
        if self._offset >= self._stop:
            return b""
        if not self._left:
            await self._find_more()
        length = min(self._left, self._stop - self._offset, READ_LENGTH)
        content = await _read(self._opened, length, self._position)
        self._advance(length)
        return content

    async def hold_still(self) -> bool:
        """Whether the whole file is here and can be sent as it lies on the disk.

        The daemon is asked once more, so that what it looked at is the file that is open here.
        """
        if not self._complete:
            return False
        self._stamp = _stamp(self._opened)
        await self._find_more()
        return self._complete and self._stamp == _stamp(self._opened)

    def portion(self, most: int) -> tuple[FileIO, int, int] | None:
        """File, position and length of what is to be sent next, after `hold_still`."""
        length = min(self._left, self._stop - self._offset, most)
        return (self._opened, self._position, length) if length > 0 else None

    def passed_on(self, sent: int, length: int) -> None:
        """A portion has been sent. AnswerError when the file is not as it was before."""
        if sent != length or self._stamp != _stamp(self._opened):
            raise AnswerError(500, "failed", "This file changed while it was being read.")
        self._advance(length)

    @property
    def _opened(self) -> FileIO:
        if self._open is None:
            raise RuntimeError("nothing is open to be read")
        return self._open

    def _advance(self, length: int) -> None:
        self._position += length
        self._offset += length
        self._left -= length

    async def _find_more(self) -> None:
        question = Read(call=0, entry=self._entry, file=self._file, offset=self._offset)
        found = await self._daemon.ask(question, Readable, within=WAIT_SECONDS)
        if not found.length:
            raise AnswerError(500, "failed", "The daemon has less of this file than it should.")
        if found.path != self._path:
            self._close()
            self._open = await asyncio.to_thread(_open, found.path)
            self._path = found.path
        self._position, self._left = found.position, found.length
        self._complete = found.complete

    def _close(self) -> None:
        if self._open is not None:
            self._open.close()
        self._open, self._path = None, ""


def _open(path: str) -> FileIO:
    try:
        return FileIO(path)
    except OSError as error:
        _log.error("cannot open a content file", path=path, error=error.strerror)
        raise unreachable("This file has just been moved or removed. Try again.") from None


def _stamp(file: FileIO) -> tuple[int, ...]:
    """Changes when the content of an open file does."""
    found = os.fstat(file.fileno())
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


async def _read(file: FileIO, length: int, position: int) -> bytes:
    # Shielded, as the file must not be closed, and its number reused, under a thread that reads.
    task = asyncio.ensure_future(asyncio.to_thread(os.pread, file.fileno(), length, position))
    try:
        content = await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
    except OSError as error:
        _log.error("reading a content file failed", error=error.strerror)
        content = b""
    if len(content) != length:
        raise AnswerError(500, "failed", "This file changed while it was being read.")
    return content
