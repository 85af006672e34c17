"""Drops copies that are not needed here any more, and never one that others do not hold.

A copy goes only while enough live holders elsewhere are bound by a promise to keep theirs
(`promises.py`). What cannot be dropped now is tried again later; nothing is lost by waiting.
"""

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping

import structlog
import trio

from peer.catalogue import Catalogue
from peer.errors import PeerError
from peer.presence import Presence
from peer.roster_book import RosterBook
from peer.store.contents import Content
from peer.store.holes import punch_holes
from peer.store.piece_store import PieceStore
from peer.swarm.downloads import Downloads
from peer.swarm.handing_on import HandingOn
from peer.swarm.locking import Lock, Locking, Need
from peer.swarm.promises import Promises, SpanKey
from peer.swarm.replication import Replication
from peer.swarm.surplus import RETRY, RETRY_HANDED_ON, Surplus, SurplusBook, surplus_of
from protocol.ids import ManifestId, PeerId
from protocol.placement import Span, spans_by_size

log = structlog.get_logger()

LOOK_ALL_EVERY = 300.0
DROPS_AT_ONCE = 8
PORTION = 1000
"""Contents that are looked at in one go: about 10 ms."""


class Dropping:
    """The giving-up side of replication."""

    def __init__(
        self,
        me: PeerId,
        store: PieceStore,
        catalogue: Catalogue,
        rosters: RosterBook,
        presence: Presence,
        locking: Locking,
        downloads: Downloads,
        promises: Promises,
        handing_on: HandingOn,
        replication: Replication,
    ) -> None:
        self._me = me
        self._contents = store.contents
        self._store = store
        self._catalogue = catalogue
        self._rosters = rosters
        self._presence = presence
        self._locking = locking
        self._downloads = downloads
        self._promises = promises
        self._handing_on = handing_on
        self._replication = replication
        self._book = SurplusBook()
        self._changed: set[ManifestId] = set()
        self._hastened: set[ManifestId] = set()
        self._everything = True
        self._wake = trio.Event()
        self.is_used: Callable[[ManifestId], bool] = lambda _: False
        """Tells whether somebody here is at work on a content."""
        self.on_dropped: Callable[[Content], Awaitable[None]] = _nothing
        """Called when a copy has gone from here."""

    def wake(self, manifest: ManifestId | None = None) -> None:
        """Something changed that may make copies surplus: of a manifest, or (None) of any."""
        if manifest is None:
            self._everything = True
        else:
            self._changed.add(manifest)
        self._wake.set()

    def hasten(self, manifest: ManifestId) -> None:
        """Others hold what is given up here: try to drop it now."""
        self._hastened.add(manifest)
        self.wake(manifest)

    async def run(self) -> None:
        """Drop what has been surplus for a while, for ever."""
        look_all_at = -math.inf
        while True:
            self._wake = trio.Event()
            now = trio.current_time()
            if self._everything or now >= look_all_at:
                self._everything, look_all_at = True, now + LOOK_ALL_EVERY
            await self._look(now)
            while self._hastened:
                self._book.hasten(self._hastened.pop(), now)
            self._promises.tidy(now)
            await self._drop_due(now)
            with trio.move_on_at(min(look_all_at, self._book.next_time() or math.inf)):
                await self._wake.wait()

    async def _look(self, now: float) -> None:
        """Find what is surplus, among what changed or among everything, a portion at a time."""
        held = [self._contents.get(manifest) for manifest in self._changed]
        if self._everything:
            held = list(self._contents.all())
        self._everything = False
        self._changed.clear()
        for start in range(0, len(held), PORTION):
            gone = self._presence.gone()
            for content in held[start : start + PORTION]:
                if content is not None:
                    numbers = [each.number for each in self._surplus(content, gone)]
                    self._book.note(content, numbers, now)
            await trio.lowlevel.checkpoint()

    def _surplus(self, content: Content, gone: frozenset[PeerId]) -> list[Surplus]:
        if self._rosters.state_of(self._me) == "leaving":
            # It goes as a whole, or stays after all and needs what it has.
            return []
        copies = self._catalogue.copies_wanted(content.id)
        users = self._handing_on.is_unwanted(content.id)
        if content.id in self._handing_on:
            gone |= {self._me}
        return surplus_of(content, self._rosters.ring, self._me, copies, gone, users=users)

    async def _drop_due(self, now: float) -> None:
        limiter = trio.CapacityLimiter(DROPS_AT_ONCE)
        async with trio.open_nursery() as nursery:
            for key in self._book.due(now):
                nursery.start_soon(self._drop_surplus, key, limiter)

    async def _drop_surplus(self, key: SpanKey, limiter: trio.CapacityLimiter) -> None:
        manifest, number = key
        async with limiter:
            content = self._contents.get(manifest)
            surplus = self._surplus(content, self._presence.gone()) if content else []
            found = next((each for each in surplus if each.number == number), None)
            if content is None or found is None:
                self._book.done(manifest, number)
                return
            if await self._try_to_drop(content, found, surplus):
                self._book.dropped(manifest, number)
            else:
                after = RETRY_HANDED_ON if manifest in self._handing_on else RETRY
                self._book.later(manifest, number, trio.current_time(), after)

    async def _try_to_drop(self, content: Content, found: Surplus, surplus: list[Surplus]) -> bool:
        # All whom the ring names must have it: fewer copies would only be made up again.
        need = len(found.holders)
        if content.id not in self._handing_on:
            there = all(self._presence.state(peer) == "live" for peer in found.holders)
            return there and await self.drop(content, {found.number: found.holders}, need=need)
        # A user's files go from the books as a whole, and are never cut.
        going = surplus if content.path is not None else [found]
        among = {each.number: self._keepers(content, each.span) for each in going}
        if any(len(keepers) < need for keepers in among.values()):
            return False
        return await self.drop(
            content, among, need=need, still=lambda: content.id in self._handing_on
        )

    def _keepers(self, content: Content, span: Span) -> list[PeerId]:
        """Who may hold a span that is handed on: others may have taken it for who is full."""
        order = [peer for peer in self._rosters.ring.order(span.partition) if peer != self._me]
        if content.complete or all(piece in content.bits for piece in span.pieces):
            said = self._replication.confirmed(content.id)
            return [peer for peer in order if peer in said]
        # Of what is not whole here nobody was offered anything.
        return [peer for peer in order if self._presence.state(peer) == "live"]

    async def drop(
        self,
        content: Content,
        among: Mapping[int, Iterable[PeerId]],
        *,
        need: int,
        still: Callable[[], bool] = lambda: True,
    ) -> bool:
        """Drop our copy of some spans if it is safe, and `still` wanted; whether it is gone.

        `among` names, for each span's number, who may hold it; at least `need` of them, live and
        linked, must promise to keep all of each span. All spans go, or none.
        """
        needs = {(content.id, number): Need(tuple(peers), need) for number, peers in among.items()}
        try:
            async with self._locking.lock(needs) as lock:
                lock.still = still
                if lock.enough:
                    await self._drop_locked(content, list(among), lock)
        except (PeerError, OSError) as error:
            log.warning("not dropped", manifest=content.id.hex()[:12], error=str(error))
            return False
        return lock.dropped

    async def _drop_locked(self, content: Content, numbers: list[int], lock: Lock) -> None:
        spans = spans_by_size(content.id, content.pieces, content.size)
        going = [spans[number] for number in numbers]
        if content.path is not None:
            if self._is_whole(content, going) and self._may_go(content, lock):
                await self._store.release(content)
                lock.dropped = True
        elif self._is_whole(content, going):
            await self._release(content, lock)
        elif self._may_go(content, lock):
            await self._drop_spans(content, going)
            lock.dropped = True
        if lock.dropped:
            name = content.id.hex()[:12]
            await self.on_dropped(content)
            log.info("copy dropped", manifest=name, spans=len(going), held_by=lock.names())

    async def _release(self, content: Content, lock: Lock) -> None:
        before = content.passing
        # Should we stop between here and the end, the next start knows that it may be gone.
        await self._contents.set_passing(content, True)
        if not content.passing:
            # Somebody here wants it to stay after all.
            return
        if not self._may_go(content, lock):
            await self._contents.set_passing(content, before)
            return
        await self._store.release(content)
        lock.dropped = True

    def _may_go(self, content: Content, lock: Lock) -> bool:
        """Whether it is still held and unused, and others are still bound to keep it."""
        return (
            self._contents.get(content.id) is content
            and not self.is_used(content.id)
            and self._downloads.find(content.id) is None
            and lock.holds()
        )

    def _is_whole(self, content: Content, going: list[Span]) -> bool:
        """Whether nothing would be left."""
        leaving = sum(piece in content.bits for span in going for piece in span.pieces)
        return leaving == content.bits.count

    async def _drop_spans(self, content: Content, going: list[Span]) -> None:
        manifest, layout = await self._contents.opened(content.id)
        pieces = [piece for span in going for piece in span.pieces if piece in content.bits]
        await self._contents.discount(content, pieces)
        self._store.on_released(content)
        parts = []
        for piece in pieces:
            (segment,) = layout.piece(piece)
            parts.append((segment.position, manifest.geometry.piece_size(piece)))
        try:
            await self._store.in_thread(punch_holes, layout.root, parts)
        except OSError as error:
            log.warning("room not given back", path=str(layout.root), error=str(error))


async def _nothing(_: Content) -> None:
    return None
