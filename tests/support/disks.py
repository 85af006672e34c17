"""A piece store on a real disk that can crash, for tests."""

import os
from pathlib import Path

from peer_net import PIECE, aligned, bytes_of

from peer.database import Database, open_database
from peer.store.contents import Content, Contents
from peer.store.file_watch import FileWatch
from peer.store.piece_store import PieceStore
from protocol.manifest import Manifest

SIZE = 9 * PIECE + 5001
BYTES = bytes_of(SIZE)


class Disk:
    """A store that can be dropped, as in a crash, and opened again on the same disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "trash").mkdir(parents=True, exist_ok=True)
        self.database: Database
        self.open()

    def open(self) -> None:
        self.database = open_database(self.root / "peer.db")
        self.contents = Contents(self.database, self.root / "content")
        self.contents.load()
        self.store = PieceStore(self.contents, self.root / "trash")
        self.watch = FileWatch(self.contents, self.store)
        self.lost: list[tuple[Content, list[int]]] = []
        self.regained: list[Content] = []
        self.store.on_lost = lambda content, pieces, _: self.lost.append((content, pieces))
        self.store.on_regained = self.regained.append

    def crash(self) -> None:
        """Drop everything that is only in memory."""
        self.store.close()
        self.database.close()
        self.open()

    async def write(self, content: Content, pieces: list[int], source: bytes = BYTES) -> set[int]:
        views = [(p, memoryview(aligned(source[p * PIECE : (p + 1) * PIECE]))) for p in pieces]
        return await self.store.write_pieces(content, views)

    async def read(self, content: Content, piece: int) -> bytes:
        manifest = await self.contents.manifest(content.id)
        target = bytearray(manifest.geometry.piece_size(piece))
        await self.store.read_piece(content, piece, memoryview(target))
        return bytes(target)

    def held(self, manifest: Manifest) -> Content:
        content = self.contents.get(manifest.id)
        assert content is not None
        return content


def touch(path: Path) -> None:
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 10**9))
