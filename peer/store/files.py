"""Open files: reading runs of bytes, and writing pieces past the page cache where that is allowed.

O_DIRECT wants page-aligned memory, offset and length; what does not fit goes through an ordinary
descriptor. Descriptors are kept open in a small cache, safe to use from several threads.
"""

import ctypes
import errno
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PAGE = 4096
MAX_OPEN = 64
LEAST_DIRECT = 64 << 10
"""Below this, opening a file a second time costs more than the page cache does."""
MANY = 16


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
        self._forgotten = 0

    def read(self, path: Path, position: int, target: memoryview) -> os.stat_result:
        """Fill `target`; the file's stat from after the read. OSError, EOFError if short."""
        found = self._read_direct(path, position, target)
        if found is not None:
            return found
        with self._borrow(path, "read") as descriptor:
            read_all(descriptor, target, position, path)
            return os.fstat(descriptor)

    def _read_direct(self, path: Path, position: int, target: memoryview) -> os.stat_result | None:
        """Read a file past the page cache while it is being written past it; None elsewhere.

        Its new pieces are read once or twice, soon: pages made for them would cost more.
        """
        if position % PAGE or len(target) % PAGE or len(target) < LEAST_DIRECT:
            return None
        entry = self._take((path, "direct"))
        if entry is None:
            return None
        try:
            read_all(entry.descriptor, target, position, path)
            return os.fstat(entry.descriptor)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return None
        finally:
            self._give_back(entry)

    def read_now(self, path: Path, position: int, target: memoryview) -> os.stat_result | None:
        """As `read`, but None at once where that would wait for the disk."""
        entry = self._take((path, "read"))
        if entry is None:
            return None
        try:
            count = os.preadv(entry.descriptor, [target], position, os.RWF_NOWAIT)
            return os.fstat(entry.descriptor) if count == len(target) else None
        except OSError:
            # Not in the page cache, or a file system that cannot tell.
            return None
        finally:
            self._give_back(entry)

    def write(self, path: Path, position: int, content: memoryview) -> None:
        """Write all of `content`, directly to the disk as far as alignment allows."""
        direct = len(content) - len(content) % PAGE if position % PAGE == 0 else 0
        if direct < LEAST_DIRECT:
            direct = 0
        if direct:
            try:
                with self._borrow(path, "direct") as descriptor:
                    write_all(descriptor, content[:direct], position)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                # The memory of a small file inside a piece need not be aligned.
                direct = 0
        if direct < len(content):
            with self._borrow(path, "write") as descriptor:
                write_all(descriptor, content[direct:], position + direct)

    def sync_all(self, paths: set[Path]) -> None:
        """Make written bytes durable; for many files at once by syncing their file system."""
        if len(paths) > MANY:
            with self._borrow(next(iter(paths)), "write") as descriptor:
                sync_file_system(descriptor)
            return
        for path in paths:
            with self._borrow(path, "write") as descriptor:
                os.fdatasync(descriptor)

    def forget(self, path: Path) -> None:
        """Close what is open of one file: it is moving or going away."""
        with self._lock:
            self._forgotten += 1
            for key in [key for key in self._open if key[0] == path]:
                self._drop(key)

    def close(self) -> None:
        """Close everything."""
        with self._lock:
            for key in list(self._open):
                self._drop(key)

    @contextmanager
    def _borrow(self, path: Path, mode: str) -> Iterator[int]:
        entry = self._take((path, mode)) or self._open_new((path, mode))
        try:
            yield entry.descriptor
        finally:
            self._give_back(entry)

    def _take(self, key: tuple[Path, str]) -> _Open | None:
        with self._lock:
            entry = self._open.get(key)
            if entry is not None:
                self._open.move_to_end(key)
                entry.users += 1
            return entry

    def _open_new(self, key: tuple[Path, str]) -> _Open:
        """Open without the lock: a file system that hangs must not hold up everything else."""
        forgotten = self._forgotten
        entry = _Open(_open(*key), users=1)
        with self._lock:
            # Another may have opened it too, or it may be another file by now: ours is used once.
            entry.dropped = key in self._open or forgotten != self._forgotten
            if not entry.dropped:
                self._open[key] = entry
                if len(self._open) > MAX_OPEN:
                    self._drop(next(iter(self._open)))
        return entry

    def _give_back(self, entry: _Open) -> None:
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
    # Where a pipe has taken the place of a file, opening it must not wait for its other end.
    flags = os.O_NONBLOCK | os.O_CLOEXEC
    if mode == "read":
        return os.open(path, os.O_RDONLY | flags)
    flags |= os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    if mode == "direct":
        try:
            return os.open(path, flags | os.O_DIRECT, 0o666)
        except OSError:
            # Not every file system has it; through the page cache is slower, not wrong.
            return os.open(path, flags, 0o666)
    return os.open(path, flags, 0o666)


def sync_file_system(descriptor: int) -> None:
    """syncfs(2), which Python does not have: one flush instead of one for every small file."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def read_all(descriptor: int, target: memoryview, position: int, name: object) -> None:
    """Fill `target` from `position` on; EOFError if the file is too short."""
    done = os.preadv(descriptor, [target], position)
    while done < len(target):
        count = os.preadv(descriptor, [target[done:]], position + done)
        if count == 0:
            raise EOFError(f"{name} ends at {position + done}")
        done += count


def write_all(descriptor: int, content: memoryview, position: int) -> None:
    """Write all of `content` from `position` on."""
    done = os.pwrite(descriptor, content, position)
    while done < len(content):
        done += os.pwrite(descriptor, content[done:], position + done)
