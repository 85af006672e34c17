"""Open files: reading runs of bytes, and writing pieces past the page cache where that is allowed.

O_DIRECT wants page-aligned memory, offset and length; what does not fit goes through an ordinary
descriptor. Descriptors are kept open in a small cache, safe to use from several threads.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PAGE = 4096
MAX_OPEN = 64


@dataclass
class _Open:
    descriptor: int
    users: int = 0
    dropped: bool = False


class FileCache:
    """Descriptors by path and mode, least recently used closed first."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[Path, str], _Open] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, path: Path, position: int, target: memoryview) -> os.stat_result:
        """Fill `target`; the file's stat from after the read. OSError, EOFError if short."""
        with self._borrow(path, "read") as descriptor:
            done = 0
            while done < len(target):
                count = os.preadv(descriptor, [target[done:]], position + done)
                if count == 0:
                    raise EOFError(f"{path} ends at {position + done}")
                done += count
            return os.fstat(descriptor)

    def write(self, path: Path, position: int, content: memoryview) -> None:
        """Write all of `content`, directly to the disk as far as alignment allows."""
        direct = len(content) - len(content) % PAGE if position % PAGE == 0 else 0
        if direct:
            with self._borrow(path, "direct") as descriptor:
                _write_all(descriptor, content[:direct], position)
        if direct < len(content):
            with self._borrow(path, "write") as descriptor:
                _write_all(descriptor, content[direct:], position + direct)

    def sync(self, path: Path) -> None:
        """Make written bytes durable."""
        with self._borrow(path, "write") as descriptor:
            os.fdatasync(descriptor)

    def forget(self, path: Path) -> None:
        """Close what is open of one file: it is moving or going away."""
        with self._lock:
            for key in [key for key in self._open if key[0] == path]:
                self._drop(key)

    def close(self) -> None:
        """Close everything."""
        with self._lock:
            for key in list(self._open):
                self._drop(key)

    @contextmanager
    def _borrow(self, path: Path, mode: str) -> Iterator[int]:
        key = (path, mode)
        with self._lock:
            entry = self._open.get(key)
            if entry is None:
                entry = self._open[key] = _Open(_open(path, mode))
            self._open.move_to_end(key)
            entry.users += 1
            if len(self._open) > MAX_OPEN:
                self._drop(next(iter(self._open)))
        try:
            yield entry.descriptor
        finally:
            with self._lock:
                entry.users -= 1
                if entry.dropped and entry.users == 0:
                    os.close(entry.descriptor)

    def _drop(self, key: tuple[Path, str]) -> None:
        entry = self._open.pop(key)
        entry.dropped = True
        if entry.users == 0:
            os.close(entry.descriptor)


def _open(path: Path, mode: str) -> int:
    if mode == "read":
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    if mode == "direct":
        try:
            return os.open(path, flags | os.O_DIRECT, 0o666)
        except OSError:
            # Not every file system has it; through the page cache is slower, not wrong.
            return os.open(path, flags, 0o666)
    return os.open(path, flags, 0o666)


def _write_all(descriptor: int, content: memoryview, position: int) -> None:
    done = 0
    while done < len(content):
        done += os.pwrite(descriptor, content[done:], position + done)
