"""Turning files into a manifest: lay them out, hash every piece, a few buffers at a time."""

import mmap
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec

from peer.errors import NotFoundError, PeerError, UsageError
from peer.store.files import FileCache
from peer.store.layout import Layout, Segment
from peer.store.segments import Look, read_piece, share_out
from protocol.fields import MAX_PIECES
from protocol.geometry import MAX_PIECE_LENGTH, Geometry, choose_piece_length, place_files
from protocol.hashing import hash_piece
from protocol.ids import PieceHash
from protocol.manifest import MAX_FILES, MAX_MANIFEST, FileRecord, Manifest, make_manifest
from protocol.paths import check_relative_path

HASHING_THREADS = 2
ReadPiece = Callable[[FileCache, Layout, int, memoryview, Look], None]
"""As `read_piece`: fills the view with a piece. OSError, EOFError, PeerError."""


class FileStat(msgspec.Struct, frozen=True, gc=False):
    """How a file looked when its pieces were hashed; `mtime` in nanoseconds."""

    size: int
    mtime: int


@dataclass
class Survey:
    """What lies at a path: records without offsets yet, their stats, and what was passed over."""

    root: Path
    single: bool
    files: list[FileRecord] = field(default_factory=list)
    stats: list[FileStat] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(record.size for record in self.files)

    def path_of(self, number: int) -> str:
        """Where a file lies."""
        name = self.files[number].path
        return f"{self.root}/{name}" if name else str(self.root)


def survey(path: Path) -> Survey:
    """Look at a file or a folder without reading it.

    Symbolic links inside a folder, sockets and devices are skipped and named; a folder's unreadable
    part is an error. Raises NotFoundError, UsageError, PeerError.
    """
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            return _survey_folder(path)
        if not stat.S_ISREG(found.st_mode):
            raise UsageError(f"{path} is neither a file nor a folder")
    except FileNotFoundError:
        raise NotFoundError(f"there is no {path}") from None
    except OSError as error:
        raise PeerError(f"cannot read {error.filename or path}: {error.strerror}") from None
    single = Survey(path, single=True)
    _note(single, "", found)
    return single


def _survey_folder(root: Path) -> Survey:
    folder = Survey(root, single=False)
    waiting = [""]
    while waiting:
        inner = waiting.pop()
        prefix = inner + "/" if inner else ""
        with os.scandir(f"{root}/{inner}") as found:
            entries = sorted(found, key=lambda entry: entry.name)
        below = []
        for entry in entries:
            path = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                below.append(path)
                continue
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                _note(folder, path, status)
            else:
                folder.skipped.append(path.encode(errors="replace").decode())
        if inner and not entries:
            folder.files.append(_checked(FileRecord(path=inner, offset=0, size=0, directory=True)))
            folder.stats.append(FileStat(0, 0))
        waiting.extend(reversed(below))
    if not folder.files:
        raise UsageError(f"{root} is an empty folder: there is nothing to share")
    return folder


def _note(found: Survey, path: str, status: os.stat_result) -> None:
    executable = bool(status.st_mode & stat.S_IXUSR)
    record = FileRecord(path=path, offset=0, size=status.st_size, executable=executable)
    found.files.append(_checked(record) if path else record)
    found.stats.append(FileStat(status.st_size, status.st_mtime_ns))


def _checked(record: FileRecord) -> FileRecord:
    try:
        check_relative_path(record.path)
    except ValueError as error:
        raise UsageError(f"{error}; rename it to share it") from None
    return record


def split(
    found: Survey,
    *,
    progress: Callable[[int, int], None],
    cancelled: Callable[[], bool],
    read: ReadPiece = read_piece,
) -> Manifest:
    """Hash everything surveyed and describe it. Blocking: call it in a thread.

    `progress(done, total)` in bytes and `read` are called from hashing threads. Raises PeerError
    when a file cannot be read or changed while it was hashed, or is too large, and when cancelled.
    """
    if len(found.files) > MAX_FILES:
        raise UsageError(f"{found.root} has over {MAX_FILES} files, the most one entry can hold")
    piece_length = choose_piece_length(found.size)
    offsets, geometry = place_files([record.size for record in found.files], piece_length)
    if geometry.pieces > MAX_PIECES:
        limit = (MAX_PIECES * MAX_PIECE_LENGTH) >> 40
        raise UsageError(f"{found.root} is over {limit} TiB, the most one entry can hold")
    records = [
        FileRecord(
            path=r.path, offset=offset, size=r.size, executable=r.executable, directory=r.directory
        )
        for r, offset in zip(found.files, offsets, strict=True)
    ]
    layout = Layout(_Outline(geometry, records, found.single), found.root, own=False)
    hashes = _hash_all(layout, geometry, found, progress, cancelled, read)
    if cancelled():
        raise PeerError("hashing was stopped")
    _check_unchanged(found, layout)
    manifest = make_manifest(geometry, hashes, records)
    if len(manifest.encoded) > MAX_MANIFEST:
        raise UsageError(f"the names in {found.root} are too long together; share parts of it")
    return manifest


class _Outline(NamedTuple):
    """What a layout needs to know while the hashes of a manifest are not known yet."""

    geometry: Geometry
    files: list[FileRecord]
    single: bool


def _hash_all(
    layout: Layout,
    geometry: Geometry,
    found: Survey,
    progress: Callable[[int, int], None],
    cancelled: Callable[[], bool],
    read: ReadPiece,
) -> list[PieceHash]:
    cache = FileCache()
    hashes = [PieceHash(b"")] * geometry.pieces
    shares = share_out(layout, range(geometry.pieces), HASHING_THREADS)
    done, total = [0] * HASHING_THREADS, found.size

    def look(segment: Segment, now: os.stat_result) -> None:
        _check_same(found, segment.file, now)

    def work(worker: int) -> None:
        # Page-aligned, as writing past the page cache wants it.
        buffer = memoryview(mmap.mmap(-1, min(geometry.piece_length, max(1, geometry.length))))
        for piece in shares[worker]:
            if cancelled():
                return
            target = buffer[: geometry.piece_size(piece)]
            read(cache, layout, piece, target, look)
            hashes[piece] = hash_piece(target)
            done[worker] += len(target)
            progress(sum(done), total)

    try:
        with ThreadPoolExecutor(HASHING_THREADS) as pool:
            for result in [pool.submit(work, n) for n in range(HASHING_THREADS)]:
                result.result()
    except EOFError as error:
        raise PeerError(f"{error}: it was cut while it was read; try again") from None
    except FileNotFoundError as error:
        raise PeerError(f"{error.filename or layout.root} went away while it was read") from None
    except OSError as error:
        raise PeerError(f"cannot read {error.filename or layout.root}: {error.strerror}") from None
    finally:
        cache.close()
    return hashes


def _check_unchanged(found: Survey, layout: Layout) -> None:
    for number, record in enumerate(found.files):
        # How a packed file looks was told by the descriptor that it was read from.
        if record.directory or (record.size and layout.is_packed(record.size)):
            continue
        path = found.path_of(number)
        try:
            now = os.stat(path)
        except OSError as error:
            raise PeerError(f"{path} went away while it was read: {error.strerror}") from None
        _check_same(found, number, now)


def _check_same(found: Survey, number: int, now: os.stat_result) -> None:
    before = found.stats[number]
    if now.st_mtime_ns != before.mtime or now.st_size != before.size:
        path = found.path_of(number)
        raise PeerError(f"{path} changed while it was read; try again when it is at rest")
