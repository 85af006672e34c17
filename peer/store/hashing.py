"""Reads pieces and hashes them, several at a time; what could not be read is read a second time."""

import mmap
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

import trio

from peer.store.files import FileCache
from peer.store.layout import Layout
from peer.store.read_errors import LOOK_AGAIN_AFTER, UNDECIDED, Fault, fault_of
from peer.store.segments import read_piece, share_out
from protocol.hashing import hash_piece
from protocol.manifest import Manifest

AT_ONCE = 4
"""Threads."""
CHECK_BYTES = 32 << 20
"""About what reading and checking pieces may take of memory."""
READ_BYTES = 4 << 20
"""How much is read and hashed in one go to a thread, when pieces are smaller."""


@dataclass
class Hashed:
    """Pieces whose bytes are what the manifest says, and why others could not be read.

    The rest have other bytes, or none.
    """

    good: set[int] = field(default_factory=set)
    faults: dict[int, Fault] = field(default_factory=dict)

    def failed(self, *faults: Fault) -> list[int]:
        """Those that could not be read for one of these reasons."""
        return sorted(piece for piece, fault in self.faults.items() if fault in faults)


class Hashing:
    """Pieces of one manifest in one place. `in_thread` runs blocking work."""

    def __init__(
        self,
        cache: FileCache,
        manifest: Manifest,
        layout: Layout,
        in_thread: Callable[[Callable[[], None]], Awaitable[None]],
    ) -> None:
        self._cache = cache
        self._manifest = manifest
        self._layout = layout
        self._in_thread = in_thread

    async def read(self, pieces: list[int], progress: Callable[[int], None]) -> Hashed:
        """Read these; `progress` is told the bytes of each."""
        found = Hashed()
        await self._read(found, pieces, progress)
        if again := found.failed(*UNDECIDED):
            await trio.sleep(LOOK_AGAIN_AFTER)
            for piece in again:
                del found.faults[piece]
            await self._read(found, again, lambda _: None)
        return found

    def is_good(self, piece: int, target: memoryview) -> bool:
        """Read a piece; whether its bytes are what the manifest says. Blocking; OSError."""
        try:
            read_piece(self._cache, self._layout, piece, target)
        except EOFError:
            return False
        return hash_piece(target) == self._manifest.piece_hash(piece)

    async def _read(
        self, found: Hashed, pieces: list[int], progress: Callable[[int], None]
    ) -> None:
        geometry = self._manifest.geometry
        length = geometry.piece_length
        several = max(1, READ_BYTES // length)

        async def worker(share: Iterator[int]) -> None:
            # Page-aligned memory is read into faster. Released, as a cancelled task stays around.
            with memoryview(mmap.mmap(-1, length)) as buffer:
                while batch := list(islice(share, several)):
                    await self._in_thread(partial(self._look, found, batch, buffer))
                    for piece in batch:
                        progress(geometry.piece_size(piece))

        async with trio.open_nursery() as nursery:
            # Four of the largest pieces in memory would not be any faster.
            at_once = max(2, min(AT_ONCE, CHECK_BYTES // length))
            for share in share_out(self._layout, pieces, at_once):
                nursery.start_soon(worker, share)

    def _look(self, found: Hashed, pieces: list[int], buffer: memoryview) -> None:
        """Read some pieces one after the other. In a thread: each adds what is its own."""
        size = self._manifest.geometry.piece_size
        for piece in pieces:
            try:
                if self.is_good(piece, buffer[: size(piece)]):
                    found.good.add(piece)
            except OSError as error:
                found.faults[piece] = fault_of(error)
