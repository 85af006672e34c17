"""Pieces to and from the files they lie in. Blocking; call it in a thread.

A large file is kept open between its pieces (`FileCache`). Packed files are smaller than a piece
and come by the thousand: each is opened by its name in its folder, used once and closed.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from peer.data_dir import sync_directory
from peer.store.files import MANY, FileCache, read_all, sync_file_system, write_all
from peer.store.folder import Folder
from peer.store.layout import Layout, Segment

Look = Callable[[Segment, os.stat_result], None]
"""Shown the stat of each file that was read, from after the read."""


@dataclass
class Filling:
    """What a download has made so far of the packed files of its folder."""

    made: bytearray
    """For each file of the manifest, whether it is there and ours to write to."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Two pieces that share a file must not both make it."""


def share_out(layout: Layout, pieces: Iterable[int], workers: int) -> list[Iterator[int]]:
    """Divide pieces among threads: the packed ones to the first, the others to whoever is free.

    Small files are many short calls, and threads that make them at once only wait for each other.
    """
    packed: list[int] = []
    others: list[int] = []
    for piece in pieces:
        (packed if layout.packs(piece) else others).append(piece)
    left = iter(others)
    return [chain(packed, left), *[left] * (workers - 1)]


def read_piece(
    cache: FileCache,
    layout: Layout,
    piece: int,
    target: memoryview,
    look: Look = lambda *_: None,
) -> None:
    """Fill `target` with one piece from wherever its parts lie. OSError, EOFError."""
    at = 0
    with Folder(layout.root) as folder:
        for segment in layout.piece(piece):
            view = target[at : at + segment.length]
            if segment.packed:
                look(segment, _read_packed(folder, segment, view))
            else:
                look(segment, cache.read(segment.path, segment.position, view))
            at += segment.length


def _read_packed(folder: Folder, segment: Segment, target: memoryview) -> os.stat_result:
    descriptor = folder.open(segment.name, os.O_RDONLY)
    try:
        read_all(descriptor, target, segment.position, segment.name)
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def write_piece(
    cache: FileCache, layout: Layout, piece: int, content: memoryview, filling: Filling
) -> None:
    """Write one piece to what `prepare_files` made and promised. OSError."""
    segments = layout.piece(piece)
    at = 0
    # Threads that make small files in turns are faster than threads that wait for one another.
    any_packed = any(segment.packed for segment in segments)
    with filling.lock if any_packed else nullcontext(), Folder(layout.root) as folder:
        for segment in segments:
            view = content[at : at + segment.length]
            if segment.packed:
                _write_packed(folder, segment, view, filling.made)
            else:
                cache.write(segment.path, segment.position, view)
            at += segment.length


def _write_packed(folder: Folder, segment: Segment, content: memoryview, made: bytearray) -> None:
    # What somebody else put there meanwhile is not ours to write to.
    new = 0 if made[segment.file] else os.O_CREAT | os.O_EXCL
    descriptor = folder.open(segment.name, os.O_WRONLY | new)
    try:
        made[segment.file] = True
        write_all(descriptor, content, segment.position)
    finally:
        os.close(descriptor)


def sync_pieces(cache: FileCache, layout: Layout, pieces: Iterable[int]) -> None:
    """Make written pieces durable; those of many files by syncing their file system. OSError."""
    files: dict[int, Segment] = {}
    for piece in pieces:
        files.update((segment.file, segment) for segment in layout.piece(piece))
        if len(files) > MANY:
            _sync_file_system_of(layout.root)
            return
    packed = [segment.name for segment in files.values() if segment.packed]
    with Folder(layout.root) as folder:
        for name in packed:
            descriptor = folder.open(name, os.O_RDONLY)
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
    sync_folders(layout.root, {folder_of(name) for name in packed})
    cache.sync_all({segment.path for segment in files.values() if not segment.packed})


def sync_folders(root: Path, folders: set[str]) -> None:
    """Make durable what folders below a root name, and their own names. OSError."""
    above = {""} if folders else set()
    for folder in folders:
        while folder not in above:
            above.add(folder)
            folder = folder_of(folder)
    if len(above) > MANY:
        _sync_file_system_of(root)
        return
    with Folder(root) as opened:
        for folder in above:
            opened.enter(folder)
            opened.sync()
    if above:
        sync_directory(root.parent)


def folder_of(name: str) -> str:
    """The folder that a relative path lies in, "" for the root."""
    return name.rpartition("/")[0]


def _sync_file_system_of(root: Path) -> None:
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync_file_system(descriptor)
    finally:
        os.close(descriptor)
