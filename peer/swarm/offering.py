"""Offers what others should hold: looks only at what changed, and offers only what is short.

A wake-up names what changed (one manifest, or anything), and looking is arithmetic in memory. While
all copies are where they should be, nothing is gone through, read or sent.
"""

from collections.abc import Callable, Iterable

import structlog
import trio

from peer.catalogue import Catalogue
from peer.errors import PeerError, UnreachableError
from peer.presence import Presence
from peer.roster_book import RosterBook
from peer.store.contents import Content, Contents
from peer.swarm.elsewhere import Elsewhere, elsewhere
from peer.swarm.handing_on import HandingOn
from peer.swarm.links import Links
from peer.swarm.offers import OfferBook
from peer.swarm.peer_link import PeerLink
from protocol.ids import ManifestId, PeerId
from protocol.messages.peering import Offer, OfferAnswer
from protocol.placement import spans_by_size
from protocol.ring import SPAN_LENGTH
from protocol.roster import OUTSIDE
from protocol.signing import Signed

log = structlog.get_logger()

LOOK_ALL_EVERY = 300.0
"""Should a change have woken nobody, it is found then."""
LOOK_WHILE_COMING = 15.0
"""The same while content of several spans comes in: each is offered once it is whole."""
PORTION = 1000
"""Contents that are looked at in one go: about 10 ms."""
OFFERS_AT_ONCE = 8
RECORDS_BYTES = 48_000
"""Records of one offer together: they must fit a message."""


class Offering:
    """The giving side of replication."""

    def __init__(
        self,
        me: PeerId,
        contents: Contents,
        catalogue: Catalogue,
        rosters: RosterBook,
        presence: Presence,
        links: Links,
        handing_on: HandingOn,
    ) -> None:
        self._me = me
        self._contents = contents
        self._catalogue = catalogue
        self._rosters = rosters
        self._presence = presence
        self._links = links
        self._handing_on = handing_on
        self.book = OfferBook()
        self._changed: set[ManifestId] = set()
        self._everything = True
        self._look_all_at = 0.0
        self._busy: set[PeerId] = set()
        """Peers that are being offered something."""
        self.distrusted: Callable[[ManifestId], frozenset[PeerId]] = lambda _: frozenset()
        """Tells who is not believed to hold a manifest: others must, in their place."""
        self._wake = trio.Event()

    def wake(self, manifest: ManifestId | None = None) -> None:
        """Something changed that may call for offers: of a manifest, or (None) of any."""
        if manifest is None:
            self._everything = True
        else:
            self._changed.add(manifest)
        self._wake.set()

    async def run(self) -> None:
        """Offer whenever woken, and when it is time to ask again."""
        async with trio.open_nursery() as nursery:
            while True:
                self._wake = trio.Event()
                now = trio.current_time()
                await self.look(now)
                wake_at = min(self._look_all_at, self.book.full_until())
                for peer in self.book.targets():
                    if peer in self._busy or self._presence.state(peer) == "gone":
                        continue
                    if self.book.next_time(peer) <= now:
                        self._busy.add(peer)
                        nursery.start_soon(self._offer_to, peer)
                    else:
                        wake_at = min(wake_at, self.book.next_time(peer))
                with trio.move_on_at(wake_at):
                    await self._wake.wait()

    async def look(self, now: float) -> None:
        """Find what is short, among what changed; every now and then among everything."""
        if self.book.forget_full(now) or now >= self._look_all_at:
            self._everything = True
        if self._everything:
            await self.look_at_all(now)
        else:
            known = [self._contents.get(manifest) for manifest in self._changed]
            self._changed.clear()
            self._look_at([content for content in known if content is not None], now)

    async def look_at_all(self, now: float) -> None:
        """A portion at a time, so that no link waits; what changes meanwhile is looked at next."""
        self._everything = False
        self._changed.clear()
        contents = self._contents.all()
        coming = any(c.size > SPAN_LENGTH and not c.complete for c in contents)
        self._look_all_at = now + (LOOK_WHILE_COMING if coming else LOOK_ALL_EVERY)
        for start in range(0, len(contents), PORTION):
            self._look_at(contents[start : start + PORTION], now)
            await trio.lowlevel.checkpoint()

    def _look_at(self, contents: Iterable[Content], now: float) -> None:
        gone = self._presence.gone()
        for content in contents:
            self.book.want(content.id, self._short_of(content, gone, now))

    def _short_of(self, content: Content, gone: frozenset[PeerId], now: float) -> list[PeerId]:
        """Members that should hold part of what is here in full, and have not said they do."""
        copies = self._catalogue.copies_wanted(content.id)
        state = self._rosters.state_of(self._me)
        if not copies or state in OUTSIDE or (content.pieces and not content.bits.count):
            return []
        out = gone | self.book.full_for(content.id, content.size, now)
        out |= self.distrusted(content.id)
        alone = state == "leaving" or content.id in self._handing_on
        if alone:
            out |= {self._me}
        targets: list[PeerId] = []
        for span in spans_by_size(content.id, content.pieces, content.size):
            if not content.complete and not all(p in content.bits for p in span.pieces):
                continue
            holders = self._rosters.ring.holders(span.partition, copies, out)
            earlier = holders[: holders.index(self._me)] if self._me in holders else holders
            if not alone and any(self.is_there(peer, content.id) for peer in earlier):
                # A holder before us in ring order is there: offering is its part. Only who gives
                # it up asks everybody, to know that all is well without it.
                continue
            targets += [
                p for p in holders if p != self._me and not self.book.is_confirmed(p, content.id)
            ]
        return targets

    def is_pending(self, manifest: ManifestId) -> bool:
        """Whether others have still to confirm a manifest to this machine."""
        return manifest in self._changed or self.book.is_queued(manifest)

    def is_there(self, peer: PeerId, manifest: ManifestId) -> bool:
        """Whether a peer has said over an open link that it holds all it should."""
        return self.book.is_confirmed(peer, manifest) and self._links.find(peer) is not None

    def elsewhere(self, content: Content, now: float) -> Elsewhere:
        """How well the others hold what is here."""
        copies = self._catalogue.copies_wanted(content.id)
        doubted = self.distrusted(content.id)
        out = self._presence.gone() | self.book.full_for(content.id, content.size, now) | doubted
        out |= {self._me}
        said = self.book.confirmed(content.id) - doubted
        there = frozenset(peer for peer in said if self._links.find(peer))
        return elsewhere(content, self._rosters.ring, copies, out, there)

    def can_go(self, content: Content) -> bool:
        """Whether enough others hold what is here, or may take it."""
        found = self.elsewhere(content, trio.current_time())
        return not found.partial and found.copies + len(found.missing) >= found.wanted > 0

    def is_given_away(self, content: Content, asker: PeerId) -> bool:
        """Whether our copy is to go to others, so that `asker` may not count on it.

        Else we would bring it back to one that found it surplus, as the ring places it here. But of
        two that the ring names and that both hand it on, the later in order goes first.
        """
        if content.id not in self._handing_on or not self.can_go(content):
            return False
        copies, gone = self._catalogue.copies_wanted(content.id), self._presence.gone()
        for span in spans_by_size(content.id, content.pieces, content.size):
            named = self._rosters.ring.holders(span.partition, copies, gone)
            if asker not in named or self._me in named[named.index(asker) :]:
                return True
        return False

    async def _offer_to(self, peer: PeerId) -> None:
        """Offer a peer all that is due, a few at a time."""
        try:
            link = await self._links.connect(peer)
            while due := self.book.due(peer, trio.current_time()):
                await self._offer_some(link, due)
                self.book.round_ended(peer, trio.current_time())
                await self.look(trio.current_time())
        except PeerError as error:
            log.debug("cannot offer", error=str(error))
            self.book.failed(peer, trio.current_time())
        finally:
            self._busy.discard(peer)
            self._wake.set()

    async def _offer_some(self, link: PeerLink, manifests: list[ManifestId]) -> None:
        records = await self._catalogue.naming_each(manifests)
        limiter = trio.CapacityLimiter(OFFERS_AT_ONCE)
        async with trio.open_nursery() as nursery:
            for manifest in manifests:
                fitting = as_fit(records[manifest])
                if fitting and self._contents.get(manifest) is not None:
                    nursery.start_soon(self._offer_one, link, manifest, fitting, limiter)
                else:
                    self.book.want(manifest, ())

    async def _offer_one(
        self,
        link: PeerLink,
        manifest: ManifestId,
        records: list[Signed],
        limiter: trio.CapacityLimiter,
    ) -> None:
        async with limiter:
            try:
                reply, _ = await link.calls.call(
                    lambda call: Offer(call=call, manifest=manifest, records=tuple(records)),
                    OfferAnswer,
                )
            except UnreachableError as error:
                log.info("offer failed", peer=link.name, error=str(error))
                self.book.failed(link.peer, trio.current_time())
                return
            except PeerError as error:
                # Of this one only: the others must not wait behind it.
                log.info("offer declined", peer=link.name, error=str(error))
                self.book.declined(link.peer, manifest)
                return
        self._answered(link, manifest, reply)

    def _answered(self, link: PeerLink, manifest: ManifestId, reply: OfferAnswer) -> None:
        now = trio.current_time()
        if reply.answer == "have":
            self.book.has(link.peer, manifest)
            # Others that are short of it may now be that peer's part.
            self._changed.add(manifest)
        elif reply.answer == "fetching":
            self.book.fetching(link.peer, manifest, now)
        else:
            content = self._contents.get(manifest)
            log.warning("peer is full", peer=link.name)
            self.book.full(link.peer, manifest, content.size if content else 0, now)
            # Whatever does not fit there goes to the next of the ring.
            self._changed.update(self.book.queued(link.peer))


def as_fit(records: list[Signed]) -> list[Signed]:
    """As many of the records as fit an offer; the first always does."""
    size = 0
    for number, signed in enumerate(records):
        size += len(signed.body) + 128
        if number and size > RECORDS_BYTES:
            return records[:number]
    return records
