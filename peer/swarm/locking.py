"""The asking side of the lock under which copies are dropped; see `promises.py` for the rules."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog
import trio

from peer.errors import PeerError
from peer.swarm.links import Links
from peer.swarm.peer_link import PeerLink
from peer.swarm.promises import Promises, SpanKey
from protocol.ids import ManifestId, PeerId
from protocol.messages.keeping import Keep, Kept, Release

log = structlog.get_logger()

MOST_ASKED = 16
"""Peers asked to keep one span: more will not be needed."""
ASKED_AT_ONCE = 256
MOST_RELEASED = 1000
"""Releases sent over one link when a lock ends: the promises beyond that end by time."""


@dataclass(frozen=True)
class Need:
    """Who may keep a span, and how many of them must."""

    peers: tuple[PeerId, ...]
    keepers: int


@dataclass
class Lock:
    """Spans that are about to go, and the links of those who promised to keep each."""

    promises: Promises
    bound: dict[SpanKey, list[PeerLink]] = field(default_factory=dict)
    asked: list[tuple[PeerLink, SpanKey]] = field(default_factory=list)
    still: Callable[[], bool] = lambda: True
    """Tells whether they should go at all; that may change while others are asked."""
    enough: bool = False
    dropped: bool = False
    """To be set by who drops the copies: those that were asked are told."""

    def holds(self) -> bool:
        """Whether they may be dropped now: all is as it was when it was promised."""
        now = trio.current_time()
        return (
            self.enough
            and self.still()
            and all(self.promises.in_time(span, now) for span in self.bound)
            and not any(link.closed for links in self.bound.values() for link in links)
        )

    def names(self) -> list[str]:
        """Who keeps them."""
        return sorted({link.name for links in self.bound.values() for link in links})


class Locking:
    """Asks others to keep what is about to go from here."""

    def __init__(self, me: PeerId, links: Links, promises: Promises) -> None:
        self._me = me
        self._links = links
        self._promises = promises
        self.distrusted: Callable[[ManifestId], frozenset[PeerId]] = lambda _: frozenset()
        """Tells who is not believed to hold a manifest, whatever it promises."""
        self.on_lacking: Callable[[PeerId, ManifestId], None] = lambda *_: None
        """Called when a peer does not hold, or not for long, what it may have said it does."""

    @asynccontextmanager
    async def lock(self, needs: Mapping[SpanKey, Need]) -> AsyncIterator[Lock]:
        """Mark these spans as going and ask about each, many at once; all end together."""
        lock = Lock(self._promises)
        begun = [span for span in needs if self._promises.begin(span, trio.current_time())]
        try:
            if len(begun) == len(needs):
                await self._ask_all(lock, needs)
            yield lock
        finally:
            for span in begun:
                self._promises.end(span)
            _release(lock, self._links.all() if lock.dropped else [])

    async def _ask_all(self, lock: Lock, needs: Mapping[SpanKey, Need]) -> None:
        limiter = trio.CapacityLimiter(ASKED_AT_ONCE)
        async with trio.open_nursery() as nursery:
            for span, need in needs.items():
                lock.bound[span] = []
                out = self.distrusted(span[0]) | {self._me}
                peers = [peer for peer in dict.fromkeys(need.peers) if peer not in out]
                for peer in peers[:MOST_ASKED]:
                    await limiter.acquire_on_behalf_of((span, peer))
                    nursery.start_soon(self._ask, lock, span, peer, limiter)
        lock.enough = all(len(lock.bound[span]) >= need.keepers for span, need in needs.items())

    async def _ask(
        self, lock: Lock, span: SpanKey, peer: PeerId, limiter: trio.CapacityLimiter
    ) -> None:
        manifest, number = span
        try:
            link = await self._links.connect(peer)
            lock.asked.append((link, span))
            reply, _ = await link.calls.call(
                lambda call: Keep(call=call, manifest=manifest, span=number), Kept
            )
            if reply.answer == "kept":
                lock.bound[span].append(link)
            else:
                self.on_lacking(peer, manifest)
        except PeerError as error:
            log.debug("cannot ask to keep", error=str(error))
        finally:
            limiter.release_on_behalf_of((span, peer))


def _release(lock: Lock, others: list[PeerLink]) -> None:
    """Release those that were asked; when copies were dropped, tell all others of it too."""
    sent: dict[PeerLink, int] = {}
    told = set(lock.asked)
    lock.asked += [
        (link, span) for link in others for span in lock.bound if (link, span) not in told
    ]
    for link, (manifest, number) in lock.asked:
        sent[link] = sent.get(link, 0) + 1
        if sent[link] <= MOST_RELEASED:
            link.put(Release(manifest=manifest, span=number, dropped=lock.dropped))
