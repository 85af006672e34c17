"""The way of a download's pieces from buffers to durable: checked, written, synced, counted.

A piece counts only after the batch it was written in is durable and recorded; until then a crash
leaves it as though it had never come.
"""

import mmap
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import trio

from peer.store.contents import Content
from peer.store.piece_store import PieceStore
from peer.swarm.peer_link import PeerLink

WRITERS = 3
WRITE_BYTES = 2 << 20
BATCH_BYTES = 32 << 20
BATCH_WAIT = 0.1


@dataclass(frozen=True)
class Arrived:
    """A piece in a pool buffer, on its way to the disk."""

    link: PeerLink
    piece: int
    buffer: mmap.mmap
    size: int


class PieceWriting:
    """Takes pieces with `put`; tells of each one checked, and of each batch that counts."""

    def __init__(
        self,
        content: Content,
        store: PieceStore,
        *,
        on_checked: Callable[[Arrived, bool], None],
        on_recorded: Callable[[list[int]], None],
        last_are_here: Callable[[], bool],
    ) -> None:
        self._content = content
        self._store = store
        self._on_checked = on_checked
        self._on_recorded = on_recorded
        self._last_are_here = last_are_here
        self._arrived: deque[Arrived] = deque()
        self._arrival = trio.Event()
        self._written: list[int] = []
        self._written_bytes = 0
        self._wake = trio.Event()

    def put(self, arrived: Arrived) -> None:
        """Take a piece; its buffer goes back to the pool when it is written."""
        self._arrived.append(arrived)
        self._arrival.set()

    async def run(self) -> None:
        """Write and record until cancelled. Raises PeerError when the disk fails."""
        async with trio.open_nursery() as nursery:
            for _ in range(WRITERS):
                nursery.start_soon(self._write)
            nursery.start_soon(self._record)

    def drop(self) -> None:
        """Give back the buffers of what will not be written any more."""
        for arrived in self._arrived:
            self._store.buffers.give_back(arrived.buffer)
        self._arrived.clear()

    async def _write(self) -> None:
        """Check and write what has arrived, several small pieces in one go to a thread."""
        while True:
            if not self._arrived:
                if self._arrival.is_set():
                    self._arrival = trio.Event()
                await self._arrival.wait()
                continue
            batch = self._take_arrived()
            try:
                pieces = [(each.piece, memoryview(each.buffer)[: each.size]) for each in batch]
                bad = await self._store.write_pieces(self._content, pieces)
            finally:
                for arrived in batch:
                    self._store.buffers.give_back(arrived.buffer)
            for arrived in batch:
                self._note_checked(arrived, good=arrived.piece not in bad)

    def _take_arrived(self) -> list[Arrived]:
        batch = [self._arrived.popleft()]
        size = batch[0].size
        while self._arrived and size + self._arrived[0].size <= WRITE_BYTES:
            batch.append(self._arrived.popleft())
            size += batch[-1].size
        return batch

    def _note_checked(self, arrived: Arrived, *, good: bool) -> None:
        if good:
            self._written.append(arrived.piece)
            self._written_bytes += arrived.size
            self._wake.set()
        self._on_checked(arrived, good)

    async def _record(self) -> None:
        """Make written pieces durable, a batch at a time, and only then count them."""
        while True:
            if not self._written:
                self._wake = trio.Event()
                await self._wake.wait()
            with trio.move_on_after(BATCH_WAIT):
                while self._written_bytes < BATCH_BYTES and not self._last_are_here():
                    self._wake = trio.Event()
                    await self._wake.wait()
            batch, self._written, self._written_bytes = self._written, [], 0
            await self._store.make_durable(self._content, batch)
            self._on_recorded(batch)
