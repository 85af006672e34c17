"""All downloads under way: starts them, finds their sources, hands them what links bring."""

import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog
import trio

from peer.errors import PeerError, UnreachableError
from peer.store.contents import Content, Contents
from peer.store.piece_store import PieceStore
from peer.swarm.download import Download, Purpose
from peer.swarm.links import Links
from peer.swarm.locator import Locator, Place
from peer.swarm.peer_link import PeerLink
from peer.swarm.services import Traffic
from peer.swarm.shunned import Shunned
from protocol.bitfield import bitfield_untrusted
from protocol.drivers.on_trio import TrioChannel
from protocol.errors import RemoteProtocolError
from protocol.ids import ManifestId, PeerId
from protocol.manifest import Manifest
from protocol.messages.keeping import Doubt
from protocol.messages.peering import Follow, Have, Holds, NoPiece, Piece

log = structlog.get_logger()

LOOK_EVERY = 10.0
FIRST_LOOKS = 1.0
APPROACH_HOLDS = 5.0
MOST_APPROACHED = 8
GOING_LOOK = 0.1
READ_ON = 0.25
"""Seconds within which a reader that has what it waited for often wants more."""
FEW = 4
"""So many peers are dialled before it is known which of them holds what is wanted."""


@dataclass
class Approach:
    """The holders of something, looked for ahead of its download."""

    places: list[Place] = field(default_factory=list)
    located: trio.Event = field(default_factory=trio.Event)


class Downloads:
    """Downloads by manifest, at most one each."""

    def __init__(
        self,
        me: PeerId,
        contents: Contents,
        store: PieceStore,
        links: Links,
        traffic: Traffic,
        locator: Locator,
        chance: random.Random,
    ) -> None:
        self._me = me
        self._contents = contents
        self._store = store
        self._links = links
        self._traffic = traffic
        self._locator = locator
        self._chance = chance
        self._running: dict[ManifestId, Download] = {}
        self._beginning: dict[ManifestId, trio.Lock] = defaultdict(trio.Lock)
        self._approaches: dict[ManifestId, Approach] = {}
        self._looked: dict[ManifestId, float] = {}
        self._nursery: trio.Nursery | None = None
        self._readers = 0
        self._read_until = -math.inf
        self.shunned = Shunned()
        self.on_recorded: Callable[[Content, list[int]], None] = lambda *_: None
        self.on_finished: Callable[[Content], None] = lambda _: None
        self.is_going: Callable[[ManifestId], bool] = lambda _: False
        """Tells whether our copy is about to be dropped: what came now would go with it."""
        self.disk_is_low: Callable[[], bool] = lambda: False
        """Whether nothing more may be written that is only kept for others."""

    def start(self, nursery: trio.Nursery) -> None:
        """Downloads run in this nursery from now on."""
        self._nursery = nursery

    def all(self) -> list[Download]:
        """Every download under way."""
        return list(self._running.values())

    def find(self, manifest: ManifestId) -> Download | None:
        """The download of a manifest, if one is under way."""
        return self._running.get(manifest)

    async def fetch(
        self,
        manifest: Manifest,
        *,
        path: Path | None,
        wanted: list[int] | None,
        purpose: Purpose,
        name: str,
        passing: bool = False,
    ) -> Download:
        """Begin, or join, the download of these pieces (None: all). Wait on its `finished`.

        `path` is where a user wants the files, None for our own content file; it is ignored when
        the content has a place already. `passing` when what is new here is not to stay.
        """
        # Two that began the same at once would each note the content, and count in different books.
        lock = self._beginning[manifest.id]
        try:
            async with lock:
                while self.is_going(manifest.id):  # noqa: ASYNC110 - a moment, and rare
                    await trio.sleep(GOING_LOOK)
                running = self._running.get(manifest.id)
                if running is None:
                    if self._contents.get(manifest.id) is None:
                        await self._hold(manifest, path, passing=passing)
                    return await self._begin(manifest, wanted, purpose, name)
                if purpose == "get":
                    running.purpose = "get"
                running.want(list(range(manifest.pieces)) if wanted is None else wanted)
                return running
        finally:
            if not lock.locked():
                self._beginning.pop(manifest.id, None)

    async def _hold(self, manifest: Manifest, path: Path | None, *, passing: bool) -> None:
        if path is not None:
            await self._store.claim(manifest, path)
        nothing = manifest.pieces == 0
        await self._contents.add(manifest, path, full=nothing, passing=passing)

    async def _begin(
        self, manifest: Manifest, wanted: list[int] | None, purpose: Purpose, name: str
    ) -> Download:
        content = self._contents.get(manifest.id)
        if self._nursery is None or content is None:
            raise PeerError("the daemon is stopping")
        if content.stats and not content.complete:
            content = await self._store.rehome(content)
        download = Download(
            content,
            manifest,
            self._store,
            wanted=list(range(manifest.pieces)) if wanted is None else wanted,
            purpose=purpose,
            name=name,
            me=self._me,
            chance=self._chance,
        )
        download.may_fill = self._may_fill
        download.may_ask = self._may_ask
        download.on_bad = partial(self._strike, download)
        download.on_recorded = self._recorded
        download.find_sources = self._find_sources
        self._running[manifest.id] = download
        self._nursery.start_soon(self._run, download)
        return download

    def approach(self, manifest: ManifestId, holders: tuple[PeerId, ...] = ()) -> None:
        """Find and reach the holders of what will be fetched in a moment, to lose no time then.

        `holders` are those known already.
        """
        if self._nursery is not None and manifest not in self._running:
            approach = self._approaches[manifest] = Approach()
            self._nursery.start_soon(self._approach, manifest, approach)
            for peer in holders[:MOST_APPROACHED]:
                self._nursery.start_soon(self._reach, peer)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """As long as this lasts, somebody waits to read."""
        self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1
            self._read_until = trio.current_time() + READ_ON

    def reach_few(self, peers: list[PeerId]) -> None:
        """Reach these, if they are few, while the tracker is asked which of them holds what."""
        if self._nursery is not None and len(peers) <= FEW:
            for peer in peers:
                self._nursery.start_soon(self._reach, peer)

    def stop(self, manifest: ManifestId, why: str) -> None:
        """End a download, if there is one."""
        running = self._running.get(manifest)
        if running is not None:
            running.stop(PeerError(why))

    # What links bring

    async def receive(self, link: PeerLink, header: Piece, channel: TrioChannel) -> None:
        """Take a piece off a connection of a link: into a pool buffer if it was asked for."""
        download = self._running.get(header.manifest)
        request = (header.manifest, header.piece)
        self._traffic.received(link.peer, header.length)
        if download is None or request in link.coming or not download.begins(link, header.piece):
            link.forgive_piece()
            # Bytes nobody waits for any more: a cancel crossed them on the wire.
            urgent = download is not None and download.purpose == "get"
            dropped = memoryview(bytearray(header.length))
            await link.receive_piece(channel, dropped, urgent=urgent)
            self._traffic.fetched_twice += self._is_here(header)
            return
        geometry = download.manifest.geometry
        if header.length != geometry.piece_size(header.piece):
            raise RemoteProtocolError(f"piece {header.piece} has the wrong length")
        link.coming.add(request)
        try:
            await self._take_in(link, header, channel, download)
        finally:
            link.coming.discard(request)

    async def _take_in(
        self, link: PeerLink, header: Piece, channel: TrioChannel, download: Download
    ) -> None:
        with link.held_up(channel):
            buffer = await self._store.buffers.take(download.manifest.geometry.piece_length)
        try:
            target = memoryview(buffer)[: header.length]
            await link.receive_piece(channel, target, urgent=download.purpose == "get")
        except BaseException:
            self._store.buffers.give_back(buffer)
            raise
        before = download.twice
        download.arrived(link, header.piece, buffer, header.length)
        self._traffic.fetched_twice += download.twice - before

    def note(self, link: PeerLink, message: Holds | Have | NoPiece | Follow) -> None:
        """Word of what a peer has; of no interest unless it is being downloaded."""
        download = self._running.get(message.manifest)
        if download is None:
            return
        match message:
            case Holds(bits=bits):
                # Nothing yet is an answer too: it may be fetching the same, and will say Have.
                download.source_holds(link, bitfield_untrusted(bits, download.content.pieces))
            case Have(pieces=pieces):
                download.source_gained(link, pieces)
            case NoPiece(piece=piece):
                download.source_lacks(link, piece)
            case Follow():
                # It fetches the same, so it will have pieces that we need, and we for it.
                download.add_link(link)

    def link_closed(self, link: PeerLink) -> None:
        """A link has ended."""
        for download in self.all():
            download.drop_link(link)

    # Inside

    def _is_here(self, header: Piece) -> bool:
        content, download = self._contents.get(header.manifest), self._running.get(header.manifest)
        durable = content is not None and header.piece in content.bits
        return durable or (download is not None and download.is_here(header.piece))

    async def _run(self, download: Download) -> None:
        content = download.content
        try:
            await self._store.prepare(content)
            await download.run()
            # What has stats is verified already: to look anew would pass an edited file as good.
            if download.error is None and content.complete and not content.stats:
                await self._store.finish(content)
        except (PeerError, OSError) as error:
            download.stop(error if isinstance(error, PeerError) else PeerError(str(error)))
            download.leave_all()
        finally:
            self._running.pop(content.id, None)
            self._looked.pop(content.id, None)
        if download.error is not None:
            log.warning("download failed", entry=download.name, error=str(download.error))
        else:
            twice, name = download.twice, download.name
            log.info("download finished", entry=name, bytes=download.received, twice=twice)
            self.on_finished(content)
        download.closed.set()

    def _may_fill(self, download: Download) -> bool:
        """What is only being copied leaves the way to what a person waits for."""
        if download.purpose == "get":
            return True
        return not any(other.purpose == "get" for other in self._running.values())

    def _may_ask(self, download: Download) -> bool:
        """While a reader waits, and a moment after, what is only being copied stands still."""
        if download.purpose == "get":
            return True
        return not self._readers and trio.current_time() >= self._read_until

    def _recorded(self, content: Content, pieces: list[int]) -> None:
        self._links.tell_have(content.id, pieces)
        self.on_recorded(content, pieces)
        running = self._running.get(content.id)
        if running is None or running.purpose == "get" or content.path is not None:
            return
        if self.disk_is_low():
            self.stop(content.id, "the disk is nearly full: free some room on it")

    def _strike(self, download: Download, link: PeerLink, piece: int) -> None:
        link.put(Doubt(manifest=download.content.id, piece=piece))
        if self.shunned.strike(link.peer, trio.current_time()):
            log.error("peer shunned: it sent bad pieces", peer=link.name)
            link.cut("shunned: sent bad pieces")

    def _find_sources(self, download: Download) -> None:
        """Look for holders now and then: often at first and while there are none."""
        if self._nursery is None:
            return
        now = trio.current_time()
        young = now - download.started < LOOK_EVERY
        pause = FIRST_LOOKS if young or not download.sources else LOOK_EVERY
        if now - self._looked.get(download.content.id, -LOOK_EVERY) >= pause:
            self._looked[download.content.id] = now
            self._nursery.start_soon(self._look, download)

    async def _look(self, download: Download) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._try_all, download, None)
            for link in download.sources:
                nursery.start_soon(self._try_all, download, link)

    async def _try_all(self, download: Download, told_by: PeerLink | None) -> None:
        """Try whoever the tracker (None) or a source names."""
        manifest = download.content.id
        approach = self._approaches.pop(manifest, None) if told_by is None else None
        if approach is not None:
            await approach.located.wait()
            places = approach.places
        elif told_by is None:
            places = await self._locator.sources(manifest)
        else:
            places = await self._locator.ask(told_by, manifest)
        async with trio.open_nursery() as nursery:
            for place in places:
                nursery.start_soon(self._try_source, download, place)

    async def _try_source(self, download: Download, place: Place) -> None:
        link = await self._reach(place.peer)
        if link is None or download.finished.is_set() or not download.add_link(link):
            return
        if place.bits != b"":
            # As the tracker was told; what the source says in a moment replaces it.
            with suppress(RemoteProtocolError):
                held = bitfield_untrusted(place.bits, download.content.pieces)
                download.source_holds(link, held)
        # Whoever else fetches this is known to its sources only, and the sooner the better.
        await self._try_all(download, link)

    async def _reach(self, peer: PeerId) -> PeerLink | None:
        if self.shunned.is_shunned(peer, trio.current_time()):
            return None
        try:
            return await self._links.connect(peer)
        except UnreachableError as error:
            log.debug("source not reachable", error=str(error))
            return None

    async def _approach(self, manifest: ManifestId, approach: Approach) -> None:
        approach.places = await self._locator.sources(manifest)
        approach.located.set()
        async with trio.open_nursery() as nursery:
            for place in approach.places:
                nursery.start_soon(self._reach, place.peer)
            await trio.sleep(APPROACH_HOLDS)
        if self._approaches.get(manifest) is approach:
            del self._approaches[manifest]
