"""A copy of a user's files as one file of our own, made while they are hashed. Blocking.

What is hashed is what was copied: the bytes on their way into the copy or, where the file system
lets the copy share the user's extents, the bytes read back from it.
"""

import fcntl
import os
import shutil
import struct
from contextlib import suppress
from pathlib import Path

from peer.store.files import FileCache
from peer.store.layout import Layout
from peer.store.segments import Look, read_piece
from peer.store.splitter import Survey
from peer.store.write_errors import DiskFullError, write_error
from protocol.geometry import choose_piece_length, place_files

_FICLONERANGE = 0x4020940D
_RANGE = struct.Struct("=qQQQ")
"""struct file_clone_range: source, its offset, length, offset in the target."""


class ImportedCopy:
    """Makes `path` the stored content of what was surveyed, laid out as a content file is."""

    def __init__(self, found: Survey, path: Path) -> None:
        self.path = path
        self._found = found
        sizes = [record.size for record in found.files]
        self._offsets, self._geometry = place_files(sizes, choose_piece_length(found.size))
        self._cloned: set[int] = set()
        """Pieces that lie in the copy already, in extents shared with the user's file."""

    def begin(self) -> None:
        """Make the file, and share extents where the file system can. Raises PeerError."""
        try:
            target = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                self._share_extents(target)
                os.ftruncate(target, self._geometry.length)
            finally:
                os.close(target)
            free = shutil.disk_usage(self.path.parent).free
        except OSError as error:
            raise write_error(error, self.path) from None
        pieces = (p for p in range(self._geometry.pieces) if p not in self._cloned)
        needed = sum(map(self._geometry.piece_size, pieces))
        if needed > free:
            raise DiskFullError(
                f"no room for a copy of {self._found.root}: it needs {needed} bytes, and the disk "
                f"of {self.path.parent} has {free}"
            )

    def read(
        self, cache: FileCache, layout: Layout, piece: int, target: memoryview, look: Look
    ) -> None:
        """As `read_piece`, but from the copy or also into it; PeerError if that cannot be."""
        position = piece * self._geometry.piece_length
        if piece in self._cloned:
            cache.read(self.path, position, target)
            return
        read_piece(cache, layout, piece, target, look)
        try:
            cache.write(self.path, position, target)
        except OSError as error:
            raise write_error(error, self.path) from None

    def remove(self) -> None:
        """Take the copy away, unless it has become a content file."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _share_extents(self, target: int) -> None:
        geometry, root = self._geometry, self._found.root
        # Only where nothing of the copy lies behind it may a file end inside of an extent: hence
        # in the order of the offsets. Packed files begin anywhere, and cannot share.
        for offset, record in sorted(
            zip(self._offsets, self._found.files, strict=True), key=lambda pair: pair[0]
        ):
            if record.size < geometry.piece_length and not self._found.single:
                continue
            source = root / record.path if record.path else root
            if not _clone(source, target, offset, record.size):
                return
            self._cloned.update(geometry.overlapping(offset, record.size))


def _clone(path: Path, target: int, offset: int, size: int) -> bool:
    """Let a file's extents become the target's too; False where that cannot be done."""
    try:
        source = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        # Reading it will tell why.
        return False
    try:
        fcntl.ioctl(target, _FICLONERANGE, _RANGE.pack(source, 0, size, offset))
    except OSError:
        return False
    finally:
        os.close(source)
    return True
