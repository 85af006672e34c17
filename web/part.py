"""Writing one part file of the spool on from where it was left, a large aligned buffer at a time.

Past the page cache where the file system can, which is faster. Invariant: bytes count (`synced`)
only after they are durable.
"""

import asyncio
import errno
import fcntl
import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import structlog

from web.answers import AnswerError

WRITE_LENGTH = 1 << 20
ALIGNMENT = 4096
_DIRECT = getattr(os, "O_DIRECT", 0)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_log = structlog.get_logger()
_Arguments = ParamSpec("_Arguments")
_T = TypeVar("_T")


def disk_full() -> AnswerError:
    """A 507."""
    text = "The disk of this machine is full. Make room there, or upload on another machine."
    return AnswerError(507, "no_room", text)


class Part:
    """Takes bytes from `offset` on, at most `most`; whoever made it closes it."""

    def __init__(self, path: Path, offset: int, most: int) -> None:
        self.path = path
        self.offset = offset
        """Where the next byte goes."""
        self.synced = offset
        self._base = offset - offset % ALIGNMENT
        length = min(WRITE_LENGTH, -(-(offset - self._base + most) // ALIGNMENT) * ALIGNMENT)
        # Page-aligned, as writing past the page cache wants it.
        self._buffer = mmap.mmap(-1, max(ALIGNMENT, length))
        self._filled = -1 if offset > self._base else 0
        self._file = -1

    async def write(self, content: bytes) -> None:
        """Take more bytes; AnswerError when the disk is full."""
        if self._filled < 0:
            await in_thread(self._read_tail)
        rest = memoryview(content)
        while rest:
            taken = rest[: len(self._buffer) - self._filled]
            self._buffer[self._filled : self._filled + len(taken)] = taken
            self._filled += len(taken)
            self.offset += len(taken)
            rest = rest[len(taken) :]
            if self._filled == len(self._buffer):
                await in_thread(self._drain)

    @property
    def drained(self) -> int:
        """How far it is written, beside what is in the buffer."""
        return self._base

    async def sync(self, drained: int) -> None:
        """Have on disk, durably, what was drained so far; more may be written meanwhile."""
        await in_thread(self._sync)
        self.synced = max(self.synced, drained)

    async def finish(self) -> None:
        """Have everything on disk, durably, and be closed."""
        await in_thread(self._finish)
        self.synced = self.offset

    def close(self) -> None:
        """Let go of the file; what was not synced does not count."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _open(self) -> int:
        if self._file < 0:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.open(self.path, flags, 0o600)
            os.ftruncate(self._file, self.synced)  # a stop may have left bytes that do not count
            if len(self._buffer) == WRITE_LENGTH:
                _set_direct(self._file, on=True)
        return self._file

    def _read_tail(self) -> None:
        file = self._open()
        _set_direct(file, on=False)
        tail = os.pread(file, self.synced - self._base, self._base)
        self._buffer[: len(tail)] = tail
        self._filled = len(tail)
        _set_direct(file, on=len(self._buffer) == WRITE_LENGTH)

    def _drain(self) -> None:
        with memoryview(self._buffer) as whole, whole[: self._filled] as content:
            _write_all(self._open(), content, self._base)
        self._base += self._filled
        self._filled = 0

    def _sync(self) -> None:
        os.fsync(self._open())

    def _finish(self) -> None:
        file = self._open()
        if self._filled > 0:
            _set_direct(file, on=False)  # the rest has no full page
            self._drain()
        os.fsync(file)
        self.close()


async def in_thread(
    work: Callable[_Arguments, _T], *arguments: _Arguments.args, **named: _Arguments.kwargs
) -> _T:
    """Do what waits for a disk; it ends before this does, also when cancelled. AnswerError."""
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


def _set_direct(file: int, *, on: bool) -> None:
    flags = fcntl.fcntl(file, fcntl.F_GETFL) & ~_DIRECT
    try:
        fcntl.fcntl(file, fcntl.F_SETFL, flags | (_DIRECT if on else 0))
    except OSError:
        if not on:
            raise


def _write_all(file: int, content: memoryview, position: int) -> None:
    written = 0
    while written < len(content):
        try:
            written += os.pwrite(file, content[written:], position + written)
        except OSError as error:
            if error.errno != errno.EINVAL or not fcntl.fcntl(file, fcntl.F_GETFL) & _DIRECT:
                raise
            _set_direct(file, on=False)
