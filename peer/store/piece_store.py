"""Reading, writing and verifying pieces of what is held.

Order of writing: hash, bytes, fsync (batched), database, and only then does a piece count. Reading
refuses a user's file that no longer looks as it did when it was verified.
"""

import contextlib
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio

from peer.errors import PeerError, PieceLostError, PieceUnreadError
from peer.store.buffers import BufferPool
from peer.store.contents import Content, Contents
from peer.store.files import FileCache
from peer.store.hashing import Hashed, Hashing
from peer.store.layout import Layout, Segment
from peer.store.read_errors import UNDECIDED, Fault, fault_of
from peer.store.segments import Filling, read_piece, sync_pieces, write_piece
from peer.store.taking_in import take_in
from peer.store.trash_rows import RELEASED
from peer.store.user_files import claim, finish_files, prepare_files, remove
from peer.store.write_errors import write_error
from protocol.bitfield import Bitfield
from protocol.hashing import hash_piece
from protocol.ids import ManifestId
from protocol.manifest import Manifest

DISK_THREADS = 4
TRASH_KEPT = 30 * 86_400_000
"""Milliseconds for which deleted content can still be brought back."""
_T = TypeVar("_T")


class _UnreadableError(Exception):
    """A piece that was to be copied could not be read."""

    def __init__(self, piece: int, why: OSError) -> None:
        super().__init__(piece, why)
        self.piece, self.why = piece, why


class PieceStore:
    """Pieces on disk. Blocking work goes to a few threads; state stays on the trio thread."""

    def __init__(self, contents: Contents, trash: Path) -> None:
        self.contents = contents
        self.buffers = BufferPool()
        self._cache = FileCache()
        self._trash = trash
        self._limiter = trio.CapacityLimiter(DISK_THREADS)
        self._filling: dict[ManifestId, Filling] = {}
        """The folders that downloads are filling."""
        self.on_lost: Callable[[Content, list[int], str], None] = lambda *_: None
        """Called when pieces stop counting: which, and why."""
        self.on_regained: Callable[[Content], None] = lambda _: None
        """Called when such pieces count again."""
        self.on_unread: Callable[[Content, list[int]], None] = lambda *_: None
        """Called with pieces that could not be read, counting or not, to be looked at again."""
        self.on_released: Callable[[Content], None] = lambda _: None
        """Called when content was let go for good."""

    async def claim(self, manifest: Manifest, path: Path) -> None:
        """Make the file or folder a user wants; PeerError when anything is there already."""
        try:
            await self.in_thread(lambda: claim(path, single=manifest.single))
        except FileExistsError:
            raise PeerError(f"{path} exists already; give another path with -o") from None
        except OSError as error:
            raise write_error(error, path) from None

    async def prepare(self, content: Content) -> None:
        """Make the files a download will fill: sparse, of full size."""
        manifest, layout = await self.contents.opened(content.id)
        filling = await self.in_thread(lambda: prepare_files(manifest, layout))
        if layout.folder:
            self._filling[content.id] = filling

    async def read_piece(self, content: Content, piece: int, target: memoryview) -> None:
        """Fill `target` with a piece that counts.

        PieceLostError when its bytes are gone or have changed; they stop counting then.
        PieceUnreadError when they cannot be read for now.
        """
        _, layout = await self.contents.opened(content.id)
        try:
            if not self._read_now(content, layout, piece, target):
                await self.in_thread(self._read_checked, content, layout, piece, target)
        except (OSError, EOFError, PieceLostError) as error:
            raise await self._unreadable(content, piece, error) from None

    async def write_pieces(
        self, content: Content, received: list[tuple[int, memoryview]]
    ) -> set[int]:
        """Check received pieces and write them; they do not count before `make_durable`.

        Returns those that are bad, which are not written. Raises DiskFullError, PeerError.
        """
        manifest, layout = await self.contents.opened(content.id)
        if layout.folder and content.id not in self._filling:
            await self.prepare(content)
        filling = self._filling.get(content.id) or Filling(bytearray())

        def work() -> set[int]:
            bad = set()
            for piece, content_bytes in received:
                if hash_piece(content_bytes) == manifest.piece_hash(piece):
                    write_piece(self._cache, layout, piece, content_bytes, filling)
                else:
                    bad.add(piece)
            return bad

        try:
            return await self.in_thread(work)
        except OSError as error:
            raise write_error(error, layout.root) from None

    async def make_durable(self, content: Content, pieces: list[int]) -> None:
        """Sync what these pieces were written to, then count them."""
        _, layout = await self.contents.opened(content.id)
        try:
            await self.in_thread(sync_pieces, self._cache, layout, pieces)
        except OSError as error:
            raise write_error(error, layout.root) from None
        await self.contents.record(content, pieces)
        if content.complete and not layout.folder:
            # From now on it is read through the page cache, as often as others ask for it.
            self._cache.forget(layout.root)

    async def finish(self, content: Content) -> None:
        """Give a downloaded user's folder its modes and names; remember how its files look."""
        manifest, layout = await self.contents.opened(content.id)
        if layout.own:
            return
        stats = await self.in_thread(lambda: finish_files(manifest, layout))
        self._filling.pop(content.id, None)
        await self.contents.set_stats(content, stats)

    async def verify(self, content: Content, progress: Callable[[int], None]) -> list[int]:
        """Read and hash every piece that counts; returns the bad ones, which no longer count.

        PieceUnreadError, after all have been read, when some could not be.
        """
        manifest, layout = await self.contents.opened(content.id)
        checked = list(content.bits)
        found = await self.read_and_hash(manifest, layout, checked, progress)
        undecided = found.failed(*UNDECIDED)
        if undecided:
            self.on_unread(content, undecided)
        if away := found.failed(Fault.AWAY, Fault.GONE):
            await self.withhold(content, away, f"{layout.root} cannot be read")
        bad = sorted(set(checked) - found.good - set(undecided))
        if rotten := sorted(set(bad) - set(away)):
            await self.lose(content, rotten, "verification found other bytes")
        if undecided:
            raise PieceUnreadError(f"{len(undecided)} pieces cannot be read now; try again")
        return bad

    async def read_and_hash(
        self,
        manifest: Manifest,
        layout: Layout,
        pieces: list[int],
        progress: Callable[[int], None],
    ) -> Hashed:
        """Which of `pieces` are what the manifest says; what cannot be read is tried twice."""
        return await self._hashing(manifest, layout).read(pieces, progress)

    def _hashing(self, manifest: Manifest, layout: Layout) -> Hashing:
        return Hashing(self._cache, manifest, layout, self.in_thread)

    async def adopt(
        self,
        content_path: Path,
        manifest: Manifest,
        *,
        passing: bool = False,
        keep_name: bool = False,
    ) -> Content:
        """Take a spooled file, already hashed, as our own content file; durable after.

        With `keep_name` it also stays where it is, if the file system has hard links.
        """
        target = self.contents.content_file(manifest.id)

        await self.contents.expect(manifest)
        with trio.CancelScope(shield=True):
            # Between the two steps lies a file that nobody would know of.
            await self.in_thread(partial(take_in, content_path, target, keep_name=keep_name))
            content = await self.contents.add(manifest, None, full=True, passing=passing)
        # An older content file of this name, with holes, must not be read any more.
        self._cache.forget(target)
        return content

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
        it cannot be read for now, or written. Nothing is left at the path then.
        """
        manifest, layout = await self.contents.opened(content.id)
        target = Layout(manifest, destination, own=False)
        await self.claim(manifest, destination)
        buffer = await self.buffers.take(manifest.geometry.piece_length)
        try:
            bad = await self.in_thread(self._copy, manifest, layout, target, memoryview(buffer))
        except _UnreadableError as error:
            await self.in_thread(remove, destination)
            raise await self._unreadable(content, error.piece, error.why) from None
        except OSError as error:
            await self.in_thread(remove, destination)
            raise write_error(error, destination) from None
        finally:
            self.buffers.give_back(buffer)
        if bad:
            await self.in_thread(remove, destination)
            await self.lose(content, bad, "other bytes were found when it was copied")
            raise PieceLostError(f"{len(bad)} pieces on this machine's disk are damaged; try again")

    def _copy(
        self, manifest: Manifest, layout: Layout, target: Layout, buffer: memoryview
    ) -> list[int]:
        filling = prepare_files(manifest, target)
        hashing = self._hashing(manifest, layout)
        bad = []
        for piece in range(manifest.pieces):
            content = buffer[: manifest.geometry.piece_size(piece)]
            try:
                good = hashing.is_good(piece, content)
            except OSError as error:
                raise _UnreadableError(piece, error) from None
            if good:
                write_piece(self._cache, target, piece, content, filling)
            else:
                bad.append(piece)
        sync_pieces(self._cache, target, range(manifest.pieces))
        for record in manifest.files:
            if not target.is_packed(record.size):
                self._cache.forget(target.path_of(record))
        finish_files(manifest, target)
        return bad

    async def trash(self, content: Content, now: int) -> None:
        """Put our own content file aside; a user's file is only no longer counted."""
        await self.contents.trash(content, now)
        if content.path is None:
            path = self.contents.content_file(content.id)
            self._cache.forget(path)
            await self.in_thread(lambda: _move_if_there(path, self._trash / path.name))

    async def release(self, content: Content) -> None:
        """Let go of passing content for good. Whether others have it is for the caller to know.

        PeerError when that could not be recorded: the next start finds that the file is gone.
        """
        path = self.contents.content_file(content.id)
        aside = self._trash / path.name
        self._cache.forget(path)
        content.bits = Bitfield(content.pieces)
        # Not in a thread: while that ran, somebody could begin to fill the file anew.
        with contextlib.suppress(FileNotFoundError):
            os.replace(path, aside)
        try:
            await self.contents.trash(content, RELEASED)
        finally:
            # Also on a full disk, where nothing can be recorded before there is room.
            with trio.CancelScope(shield=True):
                await self.in_thread(lambda: aside.unlink(missing_ok=True))
            self.on_released(content)

    async def empty_trash(self, now: int, is_wanted: Callable[[ManifestId], bool]) -> None:
        """Delete what has been in the trash for 30 days; `now` is milliseconds since 1970."""
        for manifest in await self.contents.take_old_trash(now - TRASH_KEPT, is_wanted):
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

    def _read_now(self, content: Content, layout: Layout, piece: int, target: memoryview) -> bool:
        """Read a piece that lies in one open file, if that needs no wait; whether it was read."""
        first, *others = layout.piece(piece)
        if others or first.packed:
            return False
        found = self._cache.read_now(first.path, first.position, target)
        if found is not None:
            self._check_as_verified(content, first, found)
        return found is not None

    def _read_checked(
        self, content: Content, layout: Layout, piece: int, target: memoryview
    ) -> None:
        """Read a piece from files that look as they did."""
        look = partial(self._check_as_verified, content)
        read_piece(self._cache, layout, piece, target, look)

    def _check_as_verified(self, content: Content, segment: Segment, found: os.stat_result) -> None:
        expected = content.stats.find(segment.file)
        if expected is None:
            return
        if found.st_mtime_ns != expected.mtime or found.st_size != expected.size:
            raise PieceLostError(f"{segment.path} has changed since it was shared")
        if found.st_nlink == 0:
            # A deleted or replaced file stays readable through a descriptor kept open.
            self._cache.forget(segment.path)
            raise PieceLostError(f"{segment.path} was deleted or replaced")

    async def lose(self, content: Content, pieces: list[int], why: str) -> None:
        """Stop counting pieces, and say why."""
        await self.contents.discount(content, pieces)
        self.on_lost(content, pieces, why)

    def forget(self, path: Path) -> None:
        """Close a file that may have been replaced by another of its name."""
        self._cache.forget(path)

    async def withhold(self, content: Content, pieces: list[int], why: str) -> None:
        """Stop counting pieces that cannot be come at; when they can be again, they count again.

        All pieces of a user's file do, as every one of them is in doubt.
        """
        if content.path is None:
            self.on_unread(content, pieces)
            await self.lose(content, pieces, why)
            return
        manifest, layout = await self.contents.opened(content.id)
        files = {segment.file for piece in pieces for segment in layout.piece(piece)}
        lost = set(pieces)
        for number in files:
            record = manifest.files[number]
            lost.update(manifest.geometry.overlapping(record.offset, record.size))
        # First they do not count, then they are looked at, and only then others hear of it.
        await self.contents.discount(content, sorted(lost))
        await self.contents.doubt(content, files)
        self.on_lost(content, sorted(lost), why)

    async def _unreadable(self, content: Content, piece: int, error: Exception) -> PeerError:
        """What follows when a piece could not be read, and what to say of it."""
        text = f"piece {piece} of {content.id.hex()[:12]}: {error}"
        if isinstance(error, OSError) and fault_of(error) in UNDECIDED:
            self.on_unread(content, [piece])
            return PieceUnreadError(text)
        await self.withhold(content, [piece], str(error))
        return PieceLostError(text)


def _move_if_there(path: Path, target: Path) -> None:
    if path.exists():
        shutil.move(path, target)
