"""One download: asks every source for pieces, takes what comes, and counts only what is durable.

`asking` says who is asked for what, `piece_writing` brings to the disk what comes; this module
ties them. State changes are synchronous; the tasks around them only wait.
"""

import mmap
import random
from collections.abc import Callable
from typing import Literal

import structlog
import trio

from peer.errors import PeerError, UnreachableError
from peer.store.contents import Content
from peer.store.piece_store import PieceStore
from peer.swarm.asking import Asking
from peer.swarm.peer_link import PeerLink
from peer.swarm.picker import PieceState
from peer.swarm.piece_writing import Arrived, PieceWriting
from peer.swarm.rate import Rate
from protocol.bitfield import Bitfield
from protocol.ids import PeerId
from protocol.manifest import Manifest

log = structlog.get_logger()

TICK = 0.5
LONELY = 30.0
"""Seconds without any source after which a download gives up."""

Purpose = Literal["get", "keep"]


class Download:
    """Fetches the `wanted` pieces of one content. `run` returns when all are durable."""

    def __init__(
        self,
        content: Content,
        manifest: Manifest,
        store: PieceStore,
        *,
        wanted: list[int],
        purpose: Purpose,
        name: str,
        me: PeerId,
        chance: random.Random,
    ) -> None:
        self.content = content
        self.manifest = manifest
        self.purpose: Purpose = purpose
        self.name = name
        self.asking = Asking(manifest, wanted, me, name, chance)
        self.picker = self.asking.picker
        self.rate = Rate(trio.current_time())
        self.size = sum(manifest.geometry.piece_size(piece) for piece in wanted)
        self.done_bytes = 0
        self.received = 0
        self.twice = 0
        """Pieces that came whole and were here already."""
        self.senders: set[PeerId] = set()
        self.finished = trio.Event()
        self.closed = trio.Event()
        """Set after `finished`, when nothing more will be done to the files."""
        self.error: PeerError | None = None
        self.on_bad: Callable[[PeerLink, int], None] = lambda *_: None
        self.on_recorded: Callable[[Content, list[int]], None] = lambda *_: None
        self.find_sources: Callable[[Download], None] = lambda _: None
        self.may_fill: Callable[[Download], bool] = lambda _: True
        """Whether this download may ask for as much as it can, or must leave the way to others."""
        self.may_ask: Callable[[Download], bool] = lambda _: True
        """Whether it may ask for anything just now; it is asked again with each tick."""
        self._store = store
        self._writing = PieceWriting(
            content,
            store,
            on_checked=self._checked,
            on_recorded=self._recorded,
            last_are_here=self._last_are_here,
        )
        self._written: set[int] = set()
        """Pieces that are in their files, and do not count yet."""
        self._readers: list[int] = []
        """The pieces at which somebody waits now, the longest first."""
        self._read_last = 0
        self._progress = trio.Event()
        self._scope = trio.CancelScope()
        self._nursery: trio.Nursery | None = None
        self.started = self._alone_since = trio.current_time()
        wanted_set = set(wanted)
        for piece in content.bits:
            if piece in wanted_set:
                self._count(piece)

    @property
    def sources(self) -> list[PeerLink]:
        """The links pieces are asked of."""
        return list(self.asking.sources)

    def is_here(self, piece: int) -> bool:
        """Whether a piece has come, durable or not yet."""
        return self.picker.state(piece) in (PieceState.ARRIVED, PieceState.DONE)

    # Life

    async def run(self) -> None:
        """Work until every wanted piece is durable; `error` says why if that failed."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    self._nursery = nursery
                    nursery.start_soon(self._writing.run)
                    nursery.start_soon(self._tick)
                    self.find_sources(self)
                    self._pump()
                    while not self.picker.finished:
                        await self._progress.wait()
                    nursery.cancel_scope.cancel()
        except* PeerError as group:
            self.error = _first(group)
        finally:
            self._nursery = None
            self._writing.drop()
            self.leave_all()
        if not self.picker.finished and self.error is None:
            self.error = PeerError("the download was stopped")

    def stop(self, error: PeerError) -> None:
        """End the download without finishing it."""
        self.error = self.error or error
        self._scope.cancel()

    async def wait_piece(self, piece: int) -> None:
        """Return when a piece counts, or when the download has ended."""
        while piece not in self.content.bits and not self.finished.is_set():
            await self._progress.wait()

    def is_readable(self, piece: int) -> bool:
        """Whether a piece is verified and in its file, though a crash may still take it."""
        return piece in self._written or piece in self.content.bits

    async def read_from(self, piece: int) -> None:
        """Return when a piece can be read, or when the download has ended.

        Until then, and after until somebody else reads, pieces come in order from this one on.
        """
        self._readers.append(piece)
        self._read_last = piece
        try:
            self.asking.begin_to_read(self._readers)
            self._pump()
            while not self.is_readable(piece) and not self.finished.is_set():
                await self._progress.wait()
        finally:
            self._readers.remove(piece)
            self.asking.read_from(self._readers or [self._read_last])

    def want(self, pieces: list[int]) -> None:
        """Fetch these too; what is wanted already is fetched once."""
        more = [piece for piece in pieces if self.picker.state(piece) is None]
        self.picker.want(more)
        self.size += sum(self.manifest.geometry.piece_size(piece) for piece in more)
        for piece in more:
            if piece in self.content.bits:
                self._count(piece)
        self._pump()

    # What links say

    def add_link(self, link: PeerLink) -> bool:
        """Ask a link what it holds: a source from its answer on. False when it was one before."""
        if link in self.asking.sources or link.closed or self.finished.is_set():
            return False
        self.asking.add(link)
        return True

    def source_holds(self, link: PeerLink, held: Bitfield) -> None:
        """All a source holds."""
        if link in self.asking.sources:
            self.asking.holds(link, held)
            self._pump()

    def source_gained(self, link: PeerLink, pieces: tuple[int, ...]) -> None:
        """Pieces a source has gained."""
        self.asking.gained(link, pieces)
        self._pump()

    def source_lacks(self, link: PeerLink, piece: int) -> None:
        """A source will not send a piece it was asked for."""
        self.asking.lacks(link, piece)
        self._pump()

    def drop_link(self, link: PeerLink) -> None:
        """A link is gone: its pieces go to others."""
        self.asking.drop(link)
        self._pump()

    def begins(self, link: PeerLink, piece: int) -> bool:
        """A piece begins to come: whether it was asked of this link."""
        source = self.asking.sources.get(link)
        if source is None or not source.expects(piece):
            return False
        source.begin(piece, trio.current_time())
        return True

    def arrived(self, link: PeerLink, piece: int, buffer: mmap.mmap, size: int) -> None:
        """A whole piece is in `buffer`, which now belongs to the download."""
        now = trio.current_time()
        source = self.asking.sources.get(link)
        if source is not None:
            source.excuse(link.held_up_for)
            source.deliver(piece, size, now)
        if source is None or self._nursery is None or not self.picker.arrived(piece):
            self.twice += self.picker.state(piece) is not None
            self._store.buffers.give_back(buffer)
        else:
            self.received += size
            self.rate.add(size, now)
            self.asking.cancel(piece)
            self._writing.put(Arrived(link, piece, buffer, size))
        self._pump()

    def _pump(self) -> None:
        """Ask for more."""
        if self._nursery is not None and self.may_ask(self):
            now, urgent = trio.current_time(), self.purpose == "get"
            self.asking.ask(now, fill=self.may_fill(self), urgent=urgent)

    def leave_all(self) -> None:
        """The end: sources need send nothing more, and whoever waits is told."""
        self.asking.leave_all()
        self.finished.set()
        self._progress.set()

    # What becomes of pieces

    def _checked(self, arrived: Arrived, good: bool) -> None:
        link, piece = arrived.link, arrived.piece
        if good:
            self.senders.add(link.peer)
            self._written.add(piece)
            self._tell_progress()
            return
        log.warning("bad piece", peer=link.name, piece=piece, entry=self.name)
        self.picker.take_from_source(link, piece)
        self.picker.put_back(piece)
        self.on_bad(link, piece)
        self._pump()

    def _recorded(self, pieces: list[int]) -> None:
        for piece in pieces:
            self._count(piece)
        self._written.difference_update(pieces)
        self.on_recorded(self.content, pieces)
        self._tell_progress()

    def _tell_progress(self) -> None:
        self._progress.set()
        self._progress = trio.Event()

    def _last_are_here(self) -> bool:
        return not self.picker.needed and not self.asking.under_way

    def _count(self, piece: int) -> None:
        self.picker.done(piece)
        self.done_bytes += self.manifest.geometry.piece_size(piece)

    # Watching

    async def _tick(self) -> None:
        """Look for sources, take pieces away from stalled ones, give up when all alone."""
        while True:
            await trio.sleep(TICK)
            now = trio.current_time()
            self.find_sources(self)
            self.asking.take_back_late()
            if not self.picker.needed or self.asking.under_way:
                # Somebody has been asked for what is left, or all of it is on its way to the disk.
                self._alone_since = now
            elif now - self._alone_since > LONELY and self.purpose == "get":
                raise UnreachableError(
                    f"no machine that holds {self.name!r} has been reachable for {LONELY:.0f} s"
                )
            self._pump()


def _first(group: BaseExceptionGroup[PeerError]) -> PeerError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, PeerError) else PeerError(str(error))
