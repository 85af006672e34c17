"""Reading a piece from the disk itself. Blocking; call it in a thread.

Past the page cache: a page that was read when all was well hides what lies on the disk now, and
reading everything held must not push out what others ask for.
"""

import errno
import os
from collections.abc import Callable
from pathlib import Path

from peer.store.files import PAGE, read_all
from peer.store.folder import Folder
from peer.store.layout import Layout, Segment

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


def read_cold(
    layout: Layout,
    piece: int,
    buffer: memoryview,
    look: Callable[[Segment, os.stat_result], None] = lambda *_: None,
) -> memoryview:
    """Read one piece into page-aligned memory of whole pages; the part it takes. OSError, EOFError.

    `look` is shown each file's stat from after the read.
    """
    at = 0
    with Folder(layout.root) as folder:
        for segment in layout.piece(piece):
            if segment.packed:
                look(segment, _read_packed(folder, segment, buffer[at : at + segment.length]))
            else:
                look(segment, _read_large(segment.path, segment, buffer[at:]))
            at += segment.length
    return buffer[:at]


def read_range(
    layout: Layout,
    offset: int,
    length: int,
    look: Callable[[Segment, os.stat_result], None] = lambda *_: None,
) -> bytes:
    """Some bytes of the stored content, from the disk; `look` as above. OSError, EOFError."""
    found = bytearray(length)
    at = 0
    with memoryview(found) as target, Folder(layout.root) as folder:
        for segment in layout.segments(offset, length):
            descriptor = (
                folder.open(segment.name, os.O_RDONLY)
                if segment.packed
                else os.open(segment.path, _FLAGS)
            )
            try:
                part = target[at : at + segment.length]
                look(segment, _read_uncached(descriptor, segment, part))
            finally:
                os.close(descriptor)
            at += segment.length
    return bytes(found)


def _read_large(path: Path, segment: Segment, room: memoryview) -> os.stat_result:
    whole_pages = -(-segment.length // PAGE) * PAGE
    if segment.position % PAGE == 0 and len(room) >= whole_pages:
        try:
            return _read_direct(path, segment, room[:whole_pages])
        except OSError as error:
            # A file system without O_DIRECT, or memory that is not aligned.
            if error.errno != errno.EINVAL:
                raise
    descriptor = os.open(path, _FLAGS)
    try:
        return _read_uncached(descriptor, segment, room[: segment.length])
    finally:
        os.close(descriptor)


def _read_direct(path: Path, segment: Segment, room: memoryview) -> os.stat_result:
    descriptor = os.open(path, _FLAGS | os.O_DIRECT)
    try:
        done = 0
        while done < segment.length:
            count = os.preadv(descriptor, [room[done:]], segment.position + done)
            done += count
            # What ends inside a page is the end of the file.
            if done < segment.length and (count == 0 or count % PAGE):
                raise EOFError(f"{path} ends at {segment.position + done}")
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _read_packed(folder: Folder, segment: Segment, target: memoryview) -> os.stat_result:
    descriptor = folder.open(segment.name, os.O_RDONLY)
    try:
        return _read_uncached(descriptor, segment, target)
    finally:
        os.close(descriptor)


def _read_uncached(descriptor: int, segment: Segment, target: memoryview) -> os.stat_result:
    where = (descriptor, segment.position, segment.length)
    os.posix_fadvise(*where, os.POSIX_FADV_DONTNEED)
    read_all(descriptor, target, segment.position, segment.path)
    os.posix_fadvise(*where, os.POSIX_FADV_DONTNEED)
    return os.fstat(descriptor)
