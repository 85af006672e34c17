"""Files in the user's own place: made, finished, copied to. Blocking; call it in a thread.

Never follows a symbolic link out of the folder a download was given.
"""

import errno
import os
import shutil
from pathlib import Path

from peer.data_dir import sync_directory
from peer.store.layout import Layout
from peer.store.splitter import FileStat
from protocol.manifest import Manifest


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


def prepare_files(manifest: Manifest, layout: Layout) -> None:
    """Make the files that pieces will be written to: sparse, of full size. OSError."""
    if layout.own or manifest.single:
        if _make_sparse(layout.root, manifest.geometry.length) and layout.own:
            # Pieces will count before the file is complete: its name must last as long as they.
            sync_directory(layout.root.parent)
            sync_directory(layout.root.parent.parent)
        return
    layout.root.mkdir(parents=True, exist_ok=True)
    for record in manifest.files:
        path = layout.path_of(record)
        _check_inside(layout.root, path.parent)
        if record.directory:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            _make_sparse(path, record.size)


def _check_inside(root: Path, folder: Path) -> None:
    """A symbolic link that somebody left in the folder must not lead our writes out of it."""
    real = folder.resolve()
    if real != root.resolve() and root.resolve() not in real.parents:
        raise OSError(errno.ELOOP, "a symbolic link leads out of the folder", str(folder))


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
    stats = {}
    folders = set()
    for number, record in enumerate(manifest.files):
        path = layout.path_of(record)
        folders.add(path.parent)
        if record.directory:
            continue
        if record.executable:
            path.chmod(path.stat().st_mode | 0o111)
        found = path.stat()
        stats[number] = FileStat(found.st_size, found.st_mtime_ns)
    for folder in folders:
        sync_directory(folder)
    return stats


def remove(destination: Path) -> None:
    """Take away what was claimed for a copy that failed."""
    if destination.is_dir() and not destination.is_symlink():
        shutil.rmtree(destination, ignore_errors=True)
    else:
        destination.unlink(missing_ok=True)
