"""Chosen files of what is here, copied to a user's folder, verified piece by piece."""

import os
from collections.abc import Callable
from pathlib import Path

import trio

from peer.errors import PieceLostError
from peer.store.contents import Content
from peer.store.files import FileCache, write_all
from peer.store.folder import Folder
from peer.store.layout import Layout, Segment
from peer.store.piece_store import PieceStore
from peer.store.segments import folder_of, sync_folders
from peer.store.user_files import remove
from peer.store.write_errors import write_error
from protocol.hashing import hash_piece
from protocol.manifest import Manifest


def pieces_of(manifest: Manifest, files: list[int]) -> list[int]:
    """The pieces that hold any byte of these files, in order."""
    pieces: set[int] = set()
    for number in files:
        record = manifest.files[number]
        pieces.update(manifest.geometry.overlapping(record.offset, record.size))
    return sorted(pieces)


async def copy_files(
    store: PieceStore,
    content: Content,
    files: list[int],
    destination: Path,
    progress: Callable[[int], None],
) -> None:
    """Copy files, whose pieces all count, to a folder that is not there yet; durable after.

    `progress` is told the bytes of each piece. PieceLostError when some of it has rotted here,
    which then no longer counts; PeerError when it cannot be written. Nothing is left then.
    """
    manifest, _ = await store.contents.opened(content.id)
    copy = _Copy(manifest, files, destination)
    await store.claim(manifest, destination)
    buffer = await store.buffers.take(manifest.geometry.piece_length)
    try:
        await store.in_thread(copy.begin)
        for piece in pieces_of(manifest, files):
            view = memoryview(buffer)[: manifest.geometry.piece_size(piece)]
            await store.read_piece(content, piece, view)
            if not await store.in_thread(copy.write, piece, view):
                await store.lose(content, [piece], "other bytes were found when it was copied")
                raise PieceLostError(f"piece {piece} on this machine's disk is damaged; try again")
            progress(len(view))
        await store.in_thread(copy.finish)
    except BaseException as error:
        with trio.CancelScope(shield=True):
            await store.in_thread(remove, destination)
        if isinstance(error, OSError):
            raise write_error(error, destination) from None
        raise
    finally:
        copy.close()
        store.buffers.give_back(buffer)


class _Copy:
    """The files of one copy. Blocking."""

    def __init__(self, manifest: Manifest, files: list[int], destination: Path) -> None:
        self._manifest = manifest
        self._chosen = set(files)
        self._records = [manifest.files[number] for number in files]
        self._target = Layout(manifest, destination, own=False)
        self._cache = FileCache()

    def begin(self) -> None:
        """Make the files, empty."""
        with Folder(self._target.root) as folder:
            for record in sorted(self._records, key=lambda record: folder_of(record.path)):
                folder.enter(folder_of(record.path), make=True)
                descriptor = folder.open(record.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
                try:
                    if record.executable:
                        os.fchmod(descriptor, os.fstat(descriptor).st_mode | 0o111)
                finally:
                    os.close(descriptor)

    def write(self, piece: int, content: memoryview) -> bool:
        """Write what of a piece belongs to the chosen files; False when its bytes are bad."""
        if hash_piece(content) != self._manifest.piece_hash(piece):
            return False
        at = 0
        with Folder(self._target.root) as folder:
            for segment in self._target.piece(piece):
                part = content[at : at + segment.length]
                at += segment.length
                if segment.file not in self._chosen:
                    continue
                if segment.packed:
                    _write_packed(folder, segment, part)
                else:
                    self._cache.write(segment.path, segment.position, part)
        return True

    def finish(self) -> None:
        """Make bytes and names durable."""
        self._cache.sync_all({self._target.path_of(record) for record in self._records})
        sync_folders(self._target.root, {folder_of(record.path) for record in self._records})

    def close(self) -> None:
        """Close the files."""
        self._cache.close()


def _write_packed(folder: Folder, segment: Segment, content: memoryview) -> None:
    descriptor = folder.open(segment.name, os.O_WRONLY)
    try:
        write_all(descriptor, content, segment.position)
    finally:
        os.close(descriptor)
