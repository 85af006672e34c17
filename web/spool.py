"""Uploaded bytes on their way into the store: one part file each under DIR/spool.

Written a large buffer at a time in threads, flushed to disk before the daemon hears of it.
Invariant: a part that is not handed over is removed, at the latest a day later at a start.
"""

import asyncio
import contextlib
import errno
import fcntl
import mmap
import os
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

import structlog

from web.answers import AnswerError

WRITE_LENGTH = 1 << 20
STALE_SECONDS = 86_400
_DIRECT = getattr(os, "O_DIRECT", 0)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_log = structlog.get_logger()
_Arguments = ParamSpec("_Arguments")
_T = TypeVar("_T")


def disk_full() -> AnswerError:
    """A 507."""
    text = "The disk of this machine is full. Make room there, or upload on another machine."
    return AnswerError(507, "failed", text)


class Spool:
    """The folder of part files."""

    def __init__(self, data: Path) -> None:
        self.folder = data / "spool"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def remove_stale(self) -> None:
        """Remove parts left behind by a crash, a day old or older."""
        limit = time.time() - STALE_SECONDS
        for path in self.folder.glob("*.part"):
            try:
                if path.stat().st_mtime < limit:
                    path.unlink()
                    _log.info("removed a stale part", path=str(path))
            except OSError as error:
                _log.warning("cannot remove a stale part", path=str(path), error=error.strerror)

    def check_room(self, length: int) -> None:
        """AnswerError when the disk cannot take so many bytes."""
        if length > shutil.disk_usage(self.folder).free:
            raise disk_full()

    def new_part(self) -> "Part":
        """A fresh part, to be used as a context."""
        return Part(self.folder / f"{secrets.token_hex(16)}.part")


class Part:
    """One upload's file; gone when the context ends, unless `keep` was called."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.length = 0
        self._file = -1
        # Page-aligned, as writing past the page cache wants it.
        self._buffer = mmap.mmap(-1, WRITE_LENGTH)
        self._filled = 0
        self._kept = False

    async def __aenter__(self) -> Self:
        self._file = await _in_thread(_create, self.path)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        # Not awaited: also done while this task is being cancelled.
        self._close()
        if not self._kept:
            self.path.unlink(missing_ok=True)

    async def write(self, content: bytes) -> None:
        """Take more bytes; AnswerError when the disk is full."""
        rest = memoryview(content)
        while rest:
            taken = rest[: WRITE_LENGTH - self._filled]
            self._buffer[self._filled : self._filled + len(taken)] = taken
            self._filled += len(taken)
            self.length += len(taken)
            rest = rest[len(taken) :]
            if self._filled == WRITE_LENGTH:
                await self._drain()

    async def finish(self) -> None:
        """Have everything on disk, durably."""
        await _in_thread(_write_through_cache, self._file)  # the rest has no full page
        await self._drain()
        await _in_thread(os.fsync, self._file)
        self._close()

    def keep(self) -> None:
        """The file belongs to somebody else from now on."""
        self._kept = True

    async def _drain(self) -> None:
        with memoryview(self._buffer) as whole, whole[: self._filled] as content:
            await _in_thread(_write_all, self._file, content)
        self._filled = 0

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


async def _in_thread(
    work: Callable[_Arguments, _T], *arguments: _Arguments.args, **named: _Arguments.kwargs
) -> _T:
    # Shielded: a write that goes on in its thread must not find its file closed, and reused.
    task = asyncio.ensure_future(asyncio.to_thread(work, *arguments, **named))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise disk_full() from None
        _log.error("writing an upload failed", error=error.strerror)
        raise AnswerError(500, "failed", "This machine could not write the file.") from None


def _create(path: Path) -> int:
    """A new file, written past the page cache where the file system can, which is faster."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    file = os.open(path, flags, 0o600)
    with contextlib.suppress(OSError):
        fcntl.fcntl(file, fcntl.F_SETFL, fcntl.fcntl(file, fcntl.F_GETFL) | _DIRECT)
    return file


def _write_through_cache(file: int) -> None:
    fcntl.fcntl(file, fcntl.F_SETFL, fcntl.fcntl(file, fcntl.F_GETFL) & ~_DIRECT)


def _write_all(file: int, content: memoryview) -> None:
    written = 0
    while written < len(content):
        try:
            written += os.write(file, content[written:])
        except OSError as error:
            if error.errno != errno.EINVAL or not fcntl.fcntl(file, fcntl.F_GETFL) & _DIRECT:
                raise
            _write_through_cache(file)
