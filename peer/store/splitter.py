"""Turning files into a manifest: lay them out, hash every piece, a few buffers at a time."""

import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from peer.errors import NotFoundError, PeerError, UsageError
from peer.store.files import FileCache
from peer.store.layout import Layout
from protocol.fields import MAX_PIECES
from protocol.geometry import MAX_PIECE_LENGTH, choose_piece_length, place_files
from protocol.hashing import hash_piece
from protocol.ids import PieceHash
from protocol.manifest import MAX_FILES, MAX_MANIFEST, FileRecord, Manifest, make_manifest
from protocol.paths import check_relative_path

HASHING_THREADS = 2


@dataclass(frozen=True)
class FileStat:
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

    def fail(error: OSError) -> None:
        raise error

    for where, names, files in os.walk(root, onerror=fail):
        names.sort()
        inner = os.path.relpath(where, root)
        prefix = "" if inner == "." else inner + "/"
        for name in sorted(files + [n for n in names if os.path.islink(os.path.join(where, n))]):
            found = os.lstat(os.path.join(where, name))
            if stat.S_ISREG(found.st_mode):
                _note(folder, prefix + name, found)
            else:
                folder.skipped.append((prefix + name).encode(errors="replace").decode())
        if prefix and not names and not files:
            folder.files.append(_checked(FileRecord(path=inner, offset=0, size=0, directory=True)))
            folder.stats.append(FileStat(0, 0))
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
    found: Survey, *, progress: Callable[[int, int], None], cancelled: Callable[[], bool]
) -> Manifest:
    """Hash everything surveyed and describe it. Blocking: call it in a thread.

    `progress(done, total)` in bytes is called from hashing threads. Raises PeerError when a file
    cannot be read or changed while it was hashed, or is too large, and when cancelled.
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
    # Hashes are not known yet; the layout needs only geometry and file list.
    blank = make_manifest(geometry, [PieceHash(bytes(32))] * geometry.pieces, records)
    hashes = _hash_all(Layout(blank, found.root, own=False), blank, progress, cancelled)
    if cancelled():
        raise PeerError("hashing was stopped")
    _check_unchanged(found)
    manifest = make_manifest(geometry, hashes, records)
    if len(manifest.encoded) > MAX_MANIFEST:
        raise UsageError(f"the names in {found.root} are too long together; share parts of it")
    return manifest


def _hash_all(
    layout: Layout,
    blank: Manifest,
    progress: Callable[[int, int], None],
    cancelled: Callable[[], bool],
) -> list[PieceHash]:
    geometry, cache = blank.geometry, FileCache()
    hashes = [PieceHash(b"")] * geometry.pieces
    total = blank.size

    def work(worker: int) -> None:
        buffer = memoryview(bytearray(min(geometry.piece_length, max(1, geometry.length))))
        done = 0
        for piece in range(worker, geometry.pieces, HASHING_THREADS):
            if cancelled():
                return
            target = buffer[: geometry.piece_size(piece)]
            read_segments(cache, layout, piece, target)
            hashes[piece] = hash_piece(target)
            done += len(target)
            progress(min(total, done * HASHING_THREADS), total)

    try:
        with ThreadPoolExecutor(HASHING_THREADS) as pool:
            for result in [pool.submit(work, n) for n in range(HASHING_THREADS)]:
                result.result()
    except EOFError as error:
        raise PeerError(f"{error}: it was cut while it was read; try again") from None
    except OSError as error:
        raise PeerError(f"cannot read {error.filename or layout.root}: {error.strerror}") from None
    finally:
        cache.close()
    return hashes


def read_segments(cache: FileCache, layout: Layout, piece: int, target: memoryview) -> None:
    """Fill `target` with one piece from wherever its parts lie. OSError, EOFError."""
    at = 0
    for segment in layout.piece(piece):
        cache.read(segment.path, segment.position, target[at : at + segment.length])
        at += segment.length


def _check_unchanged(found: Survey) -> None:
    layout_root = found.root
    for record, before in zip(found.files, found.stats, strict=True):
        if record.directory:
            continue
        path = layout_root / record.path if record.path else layout_root
        try:
            now = path.stat()
        except OSError as error:
            raise PeerError(f"{path} went away while it was read: {error.strerror}") from None
        if (now.st_size, now.st_mtime_ns) != (before.size, before.mtime):
            raise PeerError(f"{path} changed while it was read; try again when it is at rest")
