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
from peer.store.layout import Layout, Segment
from peer.store.splitter import read_segments
from peer.store.user_files import claim, finish_files, prepare_files, remove
from protocol.hashing import hash_piece
from protocol.manifest import Manifest

DISK_THREADS = 4
TRASH_KEPT = 30 * 86_400_000
"""Milliseconds for which deleted content can still be brought back."""
_T = TypeVar("_T")


class DiskFullError(PeerError):
    """There is no room for a piece."""


class PieceStore:
    """Pieces on disk. Blocking work goes to a few threads; state stays on the trio thread."""

    def __init__(self, contents: Contents, trash: Path) -> None:
        self.contents = contents
        self.buffers = BufferPool()
        self._cache = FileCache()
        self._trash = trash
        self._limiter = trio.CapacityLimiter(DISK_THREADS)
        self.on_lost: Callable[[Content, list[int], str], None] = lambda *_: None
        """Called when pieces stop counting: which, and why."""
        self.on_regained: Callable[[Content], None] = lambda _: None
        """Called when such pieces count again."""

    async def claim(self, manifest: Manifest, path: Path) -> None:
        """Make the file or folder a user wants; PeerError when anything is there already."""
        try:
            await self.in_thread(lambda: claim(path, single=manifest.single))
        except FileExistsError:
            raise PeerError(f"{path} exists already; give another path with -o") from None
        except OSError as error:
            raise _write_error(error, path) from None

    async def prepare(self, content: Content) -> None:
        """Make the files a download will fill: sparse, of full size."""
        manifest, layout = await self.contents.opened(content.id)
        await self.in_thread(lambda: prepare_files(manifest, layout))

    async def read_piece(self, content: Content, piece: int, target: memoryview) -> None:
        """Fill `target` with a piece that counts.

        PieceLostError when its bytes are gone or have changed; they stop counting then.
        """
        manifest, layout = await self.contents.opened(content.id)
        try:
            cached = self._read_checked(content, layout, piece, target, self._cache.read_now)
            if not cached:
                read = self._cache.read
                await self.in_thread(self._read_checked, content, layout, piece, target, read)
        except (OSError, EOFError, PieceLostError) as error:
            await self._lose_file(content, manifest, layout, piece, str(error))
            raise PieceLostError(f"piece {piece} of {content.id.hex()[:12]}: {error}") from None

    async def write_pieces(
        self, content: Content, received: list[tuple[int, memoryview]]
    ) -> set[int]:
        """Check received pieces and write them; they do not count before `make_durable`.

        Returns those that are bad, which are not written. Raises DiskFullError, PeerError.
        """
        manifest, layout = await self.contents.opened(content.id)

        def work() -> set[int]:
            bad = set()
            for piece, content_bytes in received:
                if hash_piece(content_bytes) == manifest.piece_hash(piece):
                    self._write_segments(layout.piece(piece), content_bytes)
                else:
                    bad.add(piece)
            return bad

        try:
            return await self.in_thread(work)
        except OSError as error:
            raise _write_error(error, layout.root) from None

    async def make_durable(self, content: Content, pieces: list[int]) -> None:
        """Sync what these pieces were written to, then count them."""
        _, layout = await self.contents.opened(content.id)
        paths = {segment.path for piece in pieces for segment in layout.piece(piece)}
        try:
            await self.in_thread(self._cache.sync_all, paths)
        except OSError as error:
            raise _write_error(error, layout.root) from None
        await self.contents.record(content, pieces)

    async def finish(self, content: Content) -> None:
        """Give a downloaded user's folder its modes and names; remember how its files look."""
        manifest, layout = await self.contents.opened(content.id)
        if layout.own:
            return
        stats = await self.in_thread(lambda: finish_files(manifest, layout))
        await self.contents.set_stats(content, stats)

    async def verify(self, content: Content, progress: Callable[[int], None]) -> list[int]:
        """Read and hash every piece that counts; returns the bad ones, which no longer count."""
        manifest, layout = await self.contents.opened(content.id)
        checked = list(content.bits)
        good = await self.read_and_hash(manifest, layout, checked, progress)
        bad = sorted(set(checked) - good)
        if bad:
            await self.lose(content, bad, "verification found other bytes")
        return bad

    async def read_and_hash(
        self,
        manifest: Manifest,
        layout: Layout,
        pieces: list[int],
        progress: Callable[[int], None],
    ) -> set[int]:
        """Those of `pieces` whose bytes on disk are what the manifest says."""
        good: set[int] = set()
        left = iter(pieces)

        async def worker() -> None:
            length = min(manifest.geometry.piece_length, max(1, manifest.geometry.length))
            buffer = memoryview(bytearray(length))
            for piece in left:
                size = manifest.geometry.piece_size(piece)
                if await self.in_thread(self._is_good, manifest, layout, piece, buffer[:size]):
                    good.add(piece)
                progress(size)

        async with trio.open_nursery() as nursery:
            for _ in range(DISK_THREADS):
                nursery.start_soon(worker)
        return good

    async def adopt(self, content_path: Path, manifest: Manifest) -> Content:
        """Take a spooled file, already hashed, as our own content file."""
        target = self.contents.content_file(manifest.id)

        def move() -> None:
            target.parent.mkdir(parents=True, exist_ok=True)
            with content_path.open("rb") as spooled:
                os.fsync(spooled.fileno())
            os.replace(content_path, target)
            sync_directory(target.parent)

        await self.in_thread(move)
        return await self.contents.add(manifest, None, full=True)

    async def rehome(self, content: Content) -> Content:
        """Move what still counts of a user's changed files to our own content file.

        Afterwards nothing is ever written to the user's files again.
        """
        manifest, _ = await self.contents.opened(content.id)
        pieces = list(content.bits)
        own = Layout(manifest, self.contents.content_file(content.id), own=True)
        await self.in_thread(lambda: prepare_files(manifest, own))
        kept = []
        buffer = await self.buffers.take(manifest.geometry.piece_length)
        try:
            for piece in pieces:
                target = memoryview(buffer)[: manifest.geometry.piece_size(piece)]
                try:
                    await self.read_piece(content, piece, target)
                except PieceLostError:
                    continue
                (segment,) = own.piece(piece)
                await self.in_thread(self._cache.write, segment.path, segment.position, target)
                kept.append(piece)
        finally:
            self.buffers.give_back(buffer)
        await self.in_thread(self._cache.sync_all, {own.root})
        moved = await self.contents.add(manifest, None, full=False)
        await self.contents.record(moved, kept)
        return moved

    async def copy_out(self, content: Content, destination: Path) -> None:
        """Copy complete content to a user's free path, verified piece by piece; durable after.

        PieceLostError when some of it has rotted here, which then no longer counts; PeerError when
        it cannot be written. Nothing is left at the path then.
        """
        manifest, layout = await self.contents.opened(content.id)
        target = Layout(manifest, destination, own=False)
        await self.claim(manifest, destination)
        buffer = await self.buffers.take(manifest.geometry.piece_length)
        try:
            bad = await self.in_thread(self._copy, manifest, layout, target, memoryview(buffer))
        except OSError as error:
            await self.in_thread(remove, destination)
            raise _write_error(error, destination) from None
        finally:
            self.buffers.give_back(buffer)
        if bad:
            await self.in_thread(remove, destination)
            await self.lose(content, bad, "other bytes were found when it was copied")
            raise PieceLostError(f"{len(bad)} pieces on this machine's disk are damaged; try again")

    def _copy(
        self, manifest: Manifest, layout: Layout, target: Layout, buffer: memoryview
    ) -> list[int]:
        prepare_files(manifest, target)
        bad = []
        for piece in range(manifest.pieces):
            content = buffer[: manifest.geometry.piece_size(piece)]
            if self._is_good(manifest, layout, piece, content):
                self._write_segments(target.piece(piece), content)
            else:
                bad.append(piece)
        written = {target.path_of(record) for record in manifest.files if record.size}
        if written:
            self._cache.sync_all(written)
        for path in written:
            self._cache.forget(path)
        finish_files(manifest, target)
        return bad

    def _is_good(self, manifest: Manifest, layout: Layout, piece: int, target: memoryview) -> bool:
        """Read a piece; whether its bytes are what the manifest says."""
        try:
            read_segments(self._cache, layout, piece, target)
        except (OSError, EOFError):
            return False
        return hash_piece(target) == manifest.piece_hash(piece)

    async def trash(self, content: Content, now: int) -> None:
        """Put our own content file aside; a user's file is only no longer counted."""
        await self.contents.trash(content, now)
        if content.path is None:
            path = self.contents.content_file(content.id)
            self._cache.forget(path)
            await self.in_thread(lambda: _move_if_there(path, self._trash / path.name))

    async def empty_trash(self, now: int) -> None:
        """Delete what has been in the trash for 30 days; `now` is milliseconds since 1970."""
        for manifest in await self.contents.take_old_trash(now - TRASH_KEPT):
            path = self._trash / manifest.hex()
            await self.in_thread(lambda path=path: path.unlink(missing_ok=True))

    def close(self) -> None:
        """Close files."""
        self._cache.close()

    def trim(self) -> None:
        """Give back buffers while nothing is under way."""
        self.buffers.trim()

    async def in_thread(self, work: Callable[..., _T], *args: object) -> _T:
        """Run blocking disk work in one of the store's threads."""
        return await trio.to_thread.run_sync(work, *args, limiter=self._limiter)

    def _write_segments(self, segments: list[Segment], content: memoryview) -> None:
        at = 0
        for segment in segments:
            view = content[at : at + segment.length]
            self._cache.write(segment.path, segment.position, view)
            at += segment.length

    def _read_checked(
        self,
        content: Content,
        layout: Layout,
        piece: int,
        target: memoryview,
        read: Callable[[Path, int, memoryview], os.stat_result | None],
    ) -> bool:
        """Read a piece from files that look as they did; False when `read` had to give up."""
        at = 0
        for segment in layout.piece(piece):
            view = target[at : at + segment.length]
            found = read(segment.path, segment.position, view)
            if found is None:
                return False
            expected = content.stats.get(segment.file)
            if expected and (found.st_size, found.st_mtime_ns) != (expected.size, expected.mtime):
                raise PieceLostError(f"{segment.path} has changed since it was shared")
            if expected and found.st_nlink == 0:
                # A deleted or replaced file stays readable through a descriptor kept open.
                self._cache.forget(segment.path)
                raise PieceLostError(f"{segment.path} was deleted or replaced")
            at += segment.length
        return True

    async def lose(self, content: Content, pieces: list[int], why: str) -> None:
        """Stop counting pieces, and say why."""
        await self.contents.discount(content, pieces)
        self.on_lost(content, pieces, why)

    def forget(self, path: Path) -> None:
        """Close a file that may have been replaced by another of its name."""
        self._cache.forget(path)

    async def _lose_file(
        self, content: Content, manifest: Manifest, layout: Layout, piece: int, why: str
    ) -> None:
        """All pieces of a changed file stop counting, as every one of them is in doubt."""
        lost = {piece}
        if content.path is not None:
            records = manifest.files
            for segment in layout.piece(piece):
                record = records[segment.file] if not manifest.single else records[0]
                lost.update(manifest.geometry.overlapping(record.offset, record.size))
        await self.lose(content, sorted(lost), why)


def _move_if_there(path: Path, target: Path) -> None:
    if path.exists():
        shutil.move(path, target)


def _write_error(error: OSError, where: Path) -> PeerError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(f"no room on the disk of {where}: free some space and try again")
    return PeerError(f"cannot write {error.filename or where}: {error.strerror}")
