"""Reading, writing and verifying pieces of what is held.

Order of writing: hash, bytes, fsync (batched), database, and only then does a piece count. Reading
refuses a user's file that no longer looks as it did when it was verified.
"""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import trio

from peer.data_dir import sync_directory
from peer.errors import PeerError, PieceLostError
from peer.store.buffers import BufferPool
from peer.store.contents import Content, Contents
from peer.store.files import FileCache
from peer.store.layout import Layout
from peer.store.splitter import FileStat, read_segments
from protocol.hashing import hash_piece
from protocol.manifest import Manifest

DISK_THREADS = 4
_T = TypeVar("_T")


class BadPieceError(Exception):
    """Bytes that do not hash to what the manifest says."""


class DiskFullError(PeerError):
    """There is no room for a piece."""


class PieceStore:
    """Pieces on disk. Blocking work goes to a few threads; state changes stay on the trio thread."""

    def __init__(self, contents: Contents, trash: Path) -> None:
        self.contents = contents
        self.buffers = BufferPool()
        self._cache = FileCache()
        self._trash = trash
        self._limiter = trio.CapacityLimiter(DISK_THREADS)
        self.on_lost: Callable[[Content, list[int], str], None] = lambda *_: None
        """Called when pieces stop counting: which, and why."""

    async def prepare(self, content: Content) -> None:
        """Make the files a download will fill: sparse, of full size."""
        manifest, layout = await self.contents.opened(content.id)
        await self._in_thread(lambda: _prepare_files(manifest, layout))

    async def read_piece(self, content: Content, piece: int, target: memoryview) -> None:
        """Fill `target` with a piece that counts.

        PieceLostError when its bytes are gone or have changed; they stop counting then.
        """
        manifest, layout = await self.contents.opened(content.id)
        try:
            await self._in_thread(lambda: self._read_checked(content, layout, piece, target))
        except (OSError, EOFError, PieceLostError) as error:
            await self._lose(content, manifest, layout, piece, str(error))
            raise PieceLostError(f"piece {piece} of {content.id.hex()[:12]}: {error}") from None

    async def check_file(self, content: Content, file: int) -> None:
        """Notice a user's file that changed or vanished: its pieces stop counting."""
        expected = content.stats.get(file)
        if expected is None:
            return
        manifest, layout = await self.contents.opened(content.id)
        record = manifest.files[file]
        path = layout.path_of(record)
        try:
            found = await self._in_thread(path.stat)
            why = f"{path} has changed since it was shared"
            if (found.st_size, found.st_mtime_ns) == (expected.size, expected.mtime):
                return
        except OSError as error:
            why = f"{path} cannot be read: {error.strerror}"
        pieces = list(manifest.geometry.overlapping(record.offset, record.size))
        await self.contents.discount(content, pieces)
        self.on_lost(content, pieces, why)

    async def write_piece(self, content: Content, piece: int, received: memoryview) -> None:
        """Check a received piece and write it; it does not count before `make_durable`.

        Raises BadPieceError, DiskFullError, PeerError.
        """
        manifest, layout = await self.contents.opened(content.id)
        expected = manifest.piece_hash(piece)

        def work() -> None:
            if hash_piece(received) != expected:
                raise BadPieceError(f"piece {piece} of {content.id.hex()[:12]}")
            at = 0
            for segment in layout.piece(piece):
                view = received[at : at + segment.length]
                self._cache.write(segment.path, segment.position, view)
                at += segment.length

        try:
            await self._in_thread(work)
        except OSError as error:
            raise _write_error(error, layout.root) from None

    async def make_durable(self, content: Content, pieces: list[int]) -> None:
        """Sync what these pieces were written to, then count them."""
        _, layout = await self.contents.opened(content.id)
        paths = {segment.path for piece in pieces for segment in layout.piece(piece)}

        def work() -> None:
            for path in paths:
                self._cache.sync(path)

        try:
            await self._in_thread(work)
        except OSError as error:
            raise _write_error(error, layout.root) from None
        await self.contents.record(content, pieces)

    async def finish(self, content: Content) -> None:
        """Give a downloaded user's folder its modes and names; remember how its files look."""
        manifest, layout = await self.contents.opened(content.id)
        if layout.own:
            return
        stats = await self._in_thread(lambda: _finish_files(manifest, layout))
        await self.contents.set_stats(content, stats)

    async def verify(self, content: Content, progress: Callable[[int], None]) -> list[int]:
        """Read and hash every piece that counts; returns the bad ones, which no longer count."""
        manifest, layout = await self.contents.opened(content.id)
        bad: list[int] = []
        pieces = iter(list(content.bits))

        def check(piece: int, target: memoryview) -> bool:
            try:
                read_segments(self._cache, layout, piece, target)
            except (OSError, EOFError):
                return False
            return hash_piece(target) == manifest.piece_hash(piece)

        async def worker() -> None:
            length = min(manifest.geometry.piece_length, max(1, manifest.geometry.length))
            buffer = memoryview(bytearray(length))
            for piece in pieces:
                size = manifest.geometry.piece_size(piece)
                target = buffer[:size]
                if not await self._in_thread(check, piece, target):
                    bad.append(piece)
                progress(size)

        async with trio.open_nursery() as nursery:
            for _ in range(DISK_THREADS):
                nursery.start_soon(worker)
        if bad:
            await self.contents.discount(content, bad)
            self.on_lost(content, bad, "verification found other bytes")
        return bad

    async def adopt(self, content_path: Path, manifest: Manifest) -> Content:
        """Take a spooled file, already hashed, as our own content file."""
        target = self.contents.content_file(manifest.id)

        def move() -> None:
            target.parent.mkdir(parents=True, exist_ok=True)
            with content_path.open("rb") as spooled:
                os.fsync(spooled.fileno())
            os.replace(content_path, target)
            sync_directory(target.parent)

        await self._in_thread(move)
        return await self.contents.add(manifest, None, full=True)

    async def copy_out(self, content: Content, destination: Path) -> None:
        """Copy held content to a user's path, as the file or folder it is; durable after."""
        manifest, layout = await self.contents.opened(content.id)
        try:
            await self._in_thread(lambda: _copy_out(manifest, layout, destination))
        except OSError as error:
            raise _write_error(error, destination) from None

    async def trash(self, content: Content, now: int) -> None:
        """Put our own content file aside; a user's file is only no longer counted."""
        await self.contents.trash(content, now)
        if content.path is None:
            path = self.contents.content_file(content.id)
            self._cache.forget(path)
            await self._in_thread(lambda: _move_if_there(path, self._trash / path.name))

    def close(self) -> None:
        """Close files."""
        self._cache.close()

    def trim(self) -> None:
        """Give back buffers while nothing is under way."""
        self.buffers.trim()

    async def _in_thread(self, work: Callable[..., _T], *args: object) -> _T:
        return await trio.to_thread.run_sync(work, *args, limiter=self._limiter)

    def _read_checked(
        self, content: Content, layout: Layout, piece: int, target: memoryview
    ) -> None:
        at = 0
        for segment in layout.piece(piece):
            view = target[at : at + segment.length]
            found = self._cache.read(segment.path, segment.position, view)
            expected = content.stats.get(segment.file)
            if expected and (found.st_size, found.st_mtime_ns) != (expected.size, expected.mtime):
                raise PieceLostError(f"{segment.path} has changed since it was shared")
            if expected and found.st_nlink == 0:
                # A deleted or replaced file stays readable through a descriptor kept open.
                self._cache.forget(segment.path)
                raise PieceLostError(f"{segment.path} was deleted or replaced")
            at += segment.length

    async def _lose(
        self, content: Content, manifest: Manifest, layout: Layout, piece: int, why: str
    ) -> None:
        """All pieces of a changed file stop counting, as every one of them is in doubt."""
        lost = {piece}
        if content.path is not None:
            records = manifest.files
            for segment in layout.piece(piece):
                record = records[segment.file] if not manifest.single else records[0]
                lost.update(manifest.geometry.overlapping(record.offset, record.size))
        await self.contents.discount(content, sorted(lost))
        self.on_lost(content, sorted(lost), why)


def _prepare_files(manifest: Manifest, layout: Layout) -> None:
    if layout.own or manifest.single:
        _make_sparse(layout.root, manifest.geometry.length)
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


def _make_sparse(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o666)
    try:
        if os.fstat(descriptor).st_size != size:
            os.ftruncate(descriptor, size)
    finally:
        os.close(descriptor)


def _finish_files(manifest: Manifest, layout: Layout) -> dict[int, FileStat]:
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


def _copy_out(manifest: Manifest, layout: Layout, destination: Path) -> None:
    target = Layout(manifest, destination, own=False)
    _prepare_files(manifest, target)
    for record in manifest.files:
        if record.directory:
            continue
        path, position = target.path_of(record), 0
        for segment in layout.segments(record.offset, record.size):
            _copy_run(segment.path, segment.position, path, position, segment.length)
            position += segment.length
        with path.open("rb") as written:
            os.fsync(written.fileno())
        if record.executable:
            path.chmod(path.stat().st_mode | 0o111)


def _copy_run(source: Path, start: int, target: Path, position: int, length: int) -> None:
    with source.open("rb") as reading, target.open("r+b") as writing:
        reading.seek(start)
        writing.seek(position)
        while length:
            part = reading.read(min(length, 1 << 20))
            if not part:
                raise OSError(errno.EIO, "the content file is cut short", str(source))
            writing.write(part)
            length -= len(part)


def _move_if_there(path: Path, target: Path) -> None:
    if path.exists():
        shutil.move(path, target)


def _write_error(error: OSError, where: Path) -> PeerError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(f"no room on the disk of {where}: free some space and try again")
    return PeerError(f"cannot write {error.filename or where}: {error.strerror}")

