"""One download: asks every source for pieces, takes what comes, and counts only what is durable.

The picker says what to ask for, each Source how much; this module moves pieces between them and
`piece_writing`. State changes are synchronous; the tasks around them only wait.
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
from peer.swarm.peer_link import PeerLink
from peer.swarm.picker import Picker, PieceState
from peer.swarm.piece_writing import Arrived, PieceWriting
from peer.swarm.rate import Rate
from peer.swarm.source import Source
from protocol.bitfield import Bitfield
from protocol.ids import PeerId
from protocol.manifest import Manifest
from protocol.messages.peering import CancelPiece, Follow, GetPiece, Unfollow

log = structlog.get_logger()

TICK = 0.5
SILENT = 15.0
"""Seconds without a byte of what was asked for after which a link is cut."""
MOST_ASKED = 200
"""Pieces asked of one link by all downloads together; past 256 the other side cuts it."""
SPARED, SPARED_TIMES = 2.0, 4.0
"""Others who fetch the same may take two seconds and four times as long as the source would."""
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
        self.picker = Picker(manifest.pieces, wanted, chance)
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
        self._me = me
        self._store = store
        self._sources: dict[PeerLink, Source] = {}
        self._takers: set[PeerLink] = set()
        """Those of the sources that fetch the same: they have not everything, as we have not."""
        self._writing = PieceWriting(
            content,
            store,
            on_checked=self._checked,
            on_recorded=self._recorded,
            last_are_here=self._last_are_here,
        )
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
        return list(self._sources)

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

    def want(self, pieces: list[int]) -> None:
        """Fetch these too; what is wanted already is fetched once."""
        more = [piece for piece in pieces if self.picker.state(piece) is None]
        self.picker.want(more)
        self.size += sum(self.manifest.geometry.piece_size(piece) for piece in more)
        for piece in more:
            if piece in self.content.bits:
                self._count(piece)
        self._pump()

    def read_from(self, piece: int) -> None:
        """Somebody reads: fetch in order from this piece on."""
        self.picker.read_from(piece)
        self._pump()

    # What links say

    def add_link(self, link: PeerLink) -> bool:
        """Ask a link what it holds: a source from its answer on. False when it was one before."""
        if link in self._sources or link.closed or self.finished.is_set():
            return False
        source = self._sources[link] = Source(self.manifest.geometry.piece_length)
        source.excuse(link.held_up_for)
        link.downloads += 1
        link.put(Follow(manifest=self.manifest.id))
        return True

    def source_holds(self, link: PeerLink, held: Bitfield) -> None:
        """All a source holds."""
        if link in self._sources:
            self.picker.set_source(link, held)
            self._share_out()
            self._pump()

    def source_gained(self, link: PeerLink, pieces: tuple[int, ...]) -> None:
        """Pieces a source has gained."""
        self.picker.add_to_source(link, pieces)
        if link in self._takers and self.picker.has_all(link):
            self._share_out()
        self._pump()

    def source_lacks(self, link: PeerLink, piece: int) -> None:
        """A source will not send a piece it was asked for."""
        self.picker.take_from_source(link, piece)
        source = self._sources.get(link)
        if source is not None and piece in source.asked:
            source.give_up(piece)
            self._unask(piece)
        self._pump()

    def drop_link(self, link: PeerLink) -> None:
        """A link is gone: its pieces go to others."""
        source = self._sources.pop(link, None)
        if source is not None:
            link.downloads -= 1
        self.picker.drop_source(link)
        for piece in list(source.asked) if source else ():
            self._unask(piece)
        if not self._sources:
            self._alone_since = trio.current_time()
        self._share_out()
        self._pump()

    def begins(self, link: PeerLink, piece: int) -> bool:
        """A piece begins to come: whether it was asked of this link."""
        source = self._sources.get(link)
        if source is None or not source.expects(piece):
            return False
        source.begin(piece, trio.current_time())
        return True

    def arrived(self, link: PeerLink, piece: int, buffer: mmap.mmap, size: int) -> None:
        """A whole piece is in `buffer`, which now belongs to the download."""
        now = trio.current_time()
        source = self._sources.get(link)
        if source is not None:
            source.excuse(link.held_up_for)
            source.deliver(piece, size, now)
        if source is None or self._nursery is None or not self.picker.arrived(piece):
            self.twice += self.picker.state(piece) is not None
            self._store.buffers.give_back(buffer)
        else:
            self.received += size
            self.rate.add(size, now)
            for other, book in self._sources.items():
                if piece in book.asked:
                    self._cancel(other, book, piece)
            self._writing.put(Arrived(link, piece, buffer, size))
        self._pump()

    # Asking

    def _pump(self) -> None:
        """Ask every source for as much as it has room for."""
        if self._nursery is None:
            return
        now = trio.current_time()
        fill, urgent = self.may_fill(self), self.purpose == "get"
        for link, source in self._sources.items():
            source.excuse(link.held_up_for)
            share = MOST_ASKED // max(1, link.downloads) if fill else 1
            own = self._is_spared(link, source)
            for _ in range(source.room(share)):
                piece = self.picker.pick(link, own=own)
                if piece is None:
                    piece = self._pick_twice(link, source)
                if piece is None:
                    break
                source.ask(piece, now)
                link.put(GetPiece(manifest=self.manifest.id, piece=piece, urgent=urgent))

    def _is_spared(self, link: PeerLink, source: Source) -> bool:
        """Whether a source that has everything is asked only for our share of it.

        While others fetch the same at the same time and bring their shares fast enough, it need
        not send each of us all of it.
        """
        if link in self._takers or not any(s.asked for s in self._sources.values()):
            return False
        # Who has nothing to bring just now must not count: the rest would wait for the slowest.
        bringing = [
            self._sources[taker].rate
            for taker in self._takers
            if self._sources[taker].asked or self.picker.useful(taker)
        ]
        rate = sum(bringing)
        if not rate or not source.rate:
            return bool(rate)
        left = self.picker.needed * self.manifest.geometry.piece_length
        return left / rate < SPARED + SPARED_TIMES * left / source.rate

    def _pick_twice(self, link: PeerLink, source: Source) -> int | None:
        """Near the end: a piece that a slower source has been asked for and may hold up."""
        if self.picker.needed or source.asked or not source.rate:
            return None
        best, most = None, 2.0 * self.manifest.geometry.piece_length / source.rate
        for other, book in self._sources.items():
            if other is link or not book.asked:
                continue
            for place, piece in enumerate(book.asked, start=1):
                left = place * book.piece_length / book.rate if book.rate else 60.0
                if left > most and self.picker.has(link, piece):
                    best, most = piece, left
        return best

    def _cancel(self, link: PeerLink, source: Source, piece: int) -> None:
        source.cancel(piece)
        link.put(CancelPiece(manifest=self.manifest.id, piece=piece))

    def _share_out(self) -> None:
        """Take our part among all who fetch this now."""
        self._takers = {link for link in self._sources if not self.picker.has_all(link)}
        rank = sum(link.peer < self._me for link in self._takers)
        self.picker.take_share(rank, len(self._takers) + 1)

    def _unask(self, piece: int) -> None:
        """Back to NEEDED unless another source has been asked for it too."""
        if any(piece in source.asked for source in self._sources.values()):
            return
        if self.picker.state(piece) is PieceState.ASKED:
            self.picker.put_back(piece)

    def leave_all(self) -> None:
        """The end: sources need send nothing more, and whoever waits is told."""
        for link in self.sources:
            self._leave(link)
        self.finished.set()
        self._progress.set()

    def _leave(self, link: PeerLink) -> None:
        source = self._sources.pop(link)
        link.downloads -= 1
        for piece in source.asked:
            link.put(CancelPiece(manifest=self.manifest.id, piece=piece))
        link.put(Unfollow(manifest=self.manifest.id))

    # What becomes of pieces

    def _checked(self, arrived: Arrived, good: bool) -> None:
        link, piece = arrived.link, arrived.piece
        if good:
            self.senders.add(link.peer)
            return
        log.warning("bad piece", peer=link.name, piece=piece, entry=self.name)
        self.picker.take_from_source(link, piece)
        self.picker.put_back(piece)
        self.on_bad(link, piece)
        self._pump()

    def _recorded(self, pieces: list[int]) -> None:
        for piece in pieces:
            self._count(piece)
        self.on_recorded(self.content, pieces)
        self._progress.set()
        self._progress = trio.Event()

    def _last_are_here(self) -> bool:
        return not self.picker.needed and not any(s.asked for s in self._sources.values())

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
            for link, source in list(self._sources.items()):
                source.excuse(link.held_up_for)
                if source.is_late(now):
                    self._do_without(link, source, now)
            if not self.picker.needed or any(source.asked for source in self._sources.values()):
                # Somebody has been asked for what is left, or all of it is on its way to the disk.
                self._alone_since = now
            elif now - self._alone_since > LONELY and self.purpose == "get":
                raise UnreachableError(
                    f"no machine that holds {self.name!r} has been reachable for {LONELY:.0f} s"
                )
            self._pump()

    def _do_without(self, link: PeerLink, source: Source, now: float) -> None:
        """A source is late: others get its pieces, as far as they have them."""
        silent = source.silent_for(now)
        if min(silent, now - link.channel.last_bytes) > SILENT:
            log.info("source sends nothing", peer=link.name, pieces=len(source.asked))
            link.cut("stalled: sends nothing of what was asked for")
            self.drop_link(link)
            return
        others = [other for other in self._sources if other is not link]
        given = [p for p in source.asked if any(self.picker.has(other, p) for other in others)]
        if not given:
            return
        if source.stalled and silent > SILENT:
            # What drips in holds a buffer that others could fill.
            log.info("source is too slow", peer=link.name, entry=self.name)
            link.cut("too slow: a piece was given to others long ago and has not come")
            self.drop_link(link)
            return
        log.info("source is late", peer=link.name, pieces=len(given), entry=self.name)
        source.stalled = True
        for piece in given:
            self._cancel(link, source, piece)
            self._unask(piece)


def _first(group: BaseExceptionGroup[PeerError]) -> PeerError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, PeerError) else PeerError(str(error))
