"""Files in the user's own place: made, finished, copied to. Blocking; call it in a thread.

Never follows a symbolic link out of the folder a download was given.
"""

import os
import shutil
from pathlib import Path

from peer.data_dir import sync_directory
from peer.store.folder import Folder
from peer.store.layout import Layout
from peer.store.segments import Filling, folder_of, sync_folders
from peer.store.splitter import FileStat
from protocol.manifest import FileRecord, Manifest


def claim(destination: Path, *, single: bool) -> None:
    """Make the file or folder a download was given. FileExistsError if anything is there.

    Made and checked in one step, so that what somebody else puts there first is never touched.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    if single:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        os.close(os.open(destination, flags, 0o666))
    else:
        destination.mkdir()


def prepare_files(manifest: Manifest, layout: Layout) -> Filling:
    """Make what pieces will be written to: folders, and files sparse and of full size. OSError.

    Packed files are made when their first piece is written, so that each is opened only once.
    """
    filling = Filling(bytearray(len(manifest.files)))
    if layout.folder:
        _prepare_folder(manifest, layout, filling.made)
    elif _make_sparse(layout.root, manifest.geometry.length) and layout.own:
        # Pieces will count before the file is complete: its name must last as long as they.
        sync_directory(layout.root.parent)
        sync_directory(layout.root.parent.parent)
    return filling


def _prepare_folder(manifest: Manifest, layout: Layout, made: bytearray) -> None:
    layout.root.mkdir(parents=True, exist_ok=True)
    by_folder: dict[str, list[int]] = {}
    for number, record in enumerate(manifest.files):
        where = record.path if record.directory else folder_of(record.path)
        by_folder.setdefault(where, []).append(number)
    large = set()
    with Folder(layout.root) as folder:
        for where, numbers in by_folder.items():
            folder.enter(where, make=True)
            there = folder.names()
            for number in numbers:
                record = manifest.files[number]
                if not layout.is_packed(record.size):
                    large.add(where)
                if not record.directory:
                    exists = record.path.rpartition("/")[2] in there
                    made[number] = _make_file(folder, layout, record, exists=exists)
    # Pieces of large files will count before all is here: their names must last as long as they.
    sync_folders(layout.root, large)


def _make_file(folder: Folder, layout: Layout, record: FileRecord, *, exists: bool) -> bool:
    """Make a file, or take over what an earlier run left; whether it is there now."""
    packed = record.size > 0 and layout.is_packed(record.size)
    if packed and not exists:
        return False
    new = 0 if exists else os.O_CREAT | os.O_EXCL
    descriptor = folder.open(record.path, os.O_RDWR | new)
    try:
        size = os.fstat(descriptor).st_size
        if size > record.size or (size < record.size and not packed):
            os.ftruncate(descriptor, record.size)
    finally:
        os.close(descriptor)
    return True


def _make_sparse(path: Path, size: int) -> bool:
    """Make or resize one file; whether anything was done."""
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o666)
    try:
        if os.fstat(descriptor).st_size == size:
            return False
        os.ftruncate(descriptor, size)
        return True
    finally:
        os.close(descriptor)


def finish_files(manifest: Manifest, layout: Layout) -> dict[int, FileStat]:
    """Set modes, make the names durable, and tell how the complete files look. OSError."""
    root = layout.root if layout.folder else layout.root.parent
    stats = {}
    folders = set()
    with Folder(root) as folder:
        for number, record in enumerate(manifest.files):
            name = record.path or layout.root.name
            folders.add(folder_of(name))
            if record.directory:
                continue
            if record.executable:
                _make_executable(folder, name)
            found = folder.stat(name)
            stats[number] = FileStat(found.st_size, found.st_mtime_ns)
    if layout.folder:
        sync_folders(root, folders)
    else:
        sync_directory(root)
    return stats


def _make_executable(folder: Folder, name: str) -> None:
    descriptor = folder.open(name, os.O_RDONLY)
    try:
        os.fchmod(descriptor, os.fstat(descriptor).st_mode | 0o111)
    finally:
        os.close(descriptor)


def remove(destination: Path) -> None:
    """Take away what was claimed for a copy that failed."""
    if destination.is_dir() and not destination.is_symlink():
        shutil.rmtree(destination, ignore_errors=True)
    else:
        destination.unlink(missing_ok=True)
