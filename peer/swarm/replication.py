"""Brings every span to the members that should hold it: each holder offers, receivers fetch.

One mechanism publishes, tops up and repairs: what changed (content, roster, who is there) only
wakes it. It needs no tracker.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Literal

import structlog
import trio

from peer.catalogue import Catalogue
from peer.errors import NotFoundError, PeerError
from peer.presence import Presence
from peer.roster_book import RosterBook
from peer.store.contents import Content, Contents
from peer.swarm.downloads import Downloads
from peer.swarm.links import Links
from peer.swarm.peer_link import PeerLink
from protocol.entry import Entry
from protocol.errors import RemoteProtocolError
from protocol.ids import ManifestId, PeerId
from protocol.manifest import Manifest, decode_manifest_untrusted
from protocol.messages.peering import Offer, OfferAnswer
from protocol.messages.shared import GetManifest, ManifestDocument
from protocol.placement import pieces_to_keep, spans_of

log = structlog.get_logger()

LOOK_EVERY = 15.0
ASK_AGAIN = 2.0
FULL_FOR = 60.0
UNREACHABLE_FOR = 5.0
KEEPING_AT_ONCE = 4
OFFERS_AT_ONCE = 8


class Replication:
    """Offers what others should hold, takes what is offered here."""

    def __init__(
        self,
        me: PeerId,
        contents: Contents,
        catalogue: Catalogue,
        rosters: RosterBook,
        presence: Presence,
        links: Links,
        downloads: Downloads,
        capacity: Callable[[], int],
    ) -> None:
        self._me = me
        self._contents = contents
        self._catalogue = catalogue
        self._rosters = rosters
        self._presence = presence
        self._links = links
        self._downloads = downloads
        self._capacity = capacity
        self._confirmed: dict[ManifestId, set[PeerId]] = defaultdict(set)
        self._full_until: dict[PeerId, float] = {}
        self._unreachable_until: dict[PeerId, float] = {}
        self._taking: set[ManifestId] = set()
        self._keeping = trio.CapacityLimiter(KEEPING_AT_ONCE)
        self._nursery: trio.Nursery | None = None
        self._wake = trio.Event()

    def wake(self) -> None:
        """Something changed that may call for offers."""
        self._wake.set()

    def confirmed(self, manifest: ManifestId) -> frozenset[PeerId]:
        """Peers that said they hold all they should of a manifest."""
        return frozenset(self._confirmed.get(manifest, ()))

    def link_closed(self, link: PeerLink) -> None:
        """What a peer said holds only while it is there."""
        for peers in self._confirmed.values():
            peers.discard(link.peer)

    async def run(self) -> None:
        """Offer whenever woken, and now and then."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._resume)
            while True:
                self._wake = trio.Event()
                pause = LOOK_EVERY if await self._offer_all() else ASK_AGAIN
                with trio.move_on_after(pause):
                    await self._wake.wait()

    # Offering

    async def _offer_all(self) -> bool:
        """Offer everything that is short somewhere; whether nothing is left to ask again."""
        short: dict[PeerId, list[ManifestId]] = defaultdict(list)
        for content in self._contents.all():
            for target in await self._short_of(content):
                short[target].append(content.id)
        settled = True
        async with trio.open_nursery() as nursery:
            for target, manifests in short.items():
                if self._presence.state(target) == "gone":
                    continue
                settled = False
                if self._unreachable_until.get(target, 0.0) > trio.current_time():
                    continue
                nursery.start_soon(self._offer_to, target, manifests)
        return settled

    async def _short_of(self, content: Content) -> list[PeerId]:
        """Members that should hold part of what is here in full, and have not said they do."""
        copies = self._catalogue.copies_wanted(content.id)
        if not copies or (content.pieces and not content.bits.count):
            return []
        confirmed = self._confirmed.get(content.id, set())
        manifest = await self._contents.manifest(content.id)
        targets = []
        for span in spans_of(content.id, manifest.geometry):
            if not all(piece in content.bits for piece in span.pieces):
                continue
            ring = self._rosters.ring
            holders = ring.holders(span.partition, copies, self._out())
            earlier = holders[: holders.index(self._me)] if self._me in holders else holders
            if any(peer in confirmed and self._links.find(peer) for peer in earlier):
                # A holder before us in ring order is there: offering is its part.
                continue
            targets += [p for p in holders if p != self._me and p not in confirmed]
        return targets

    def _out(self) -> frozenset[PeerId]:
        now = trio.current_time()
        full = {peer for peer, until in self._full_until.items() if until > now}
        return self._presence.gone() | full

    async def _offer_to(self, target: PeerId, manifests: list[ManifestId]) -> None:
        try:
            link = await self._links.connect(target)
        except PeerError as error:
            log.debug("cannot offer", error=str(error))
            self._unreachable_until[target] = trio.current_time() + UNREACHABLE_FOR
            return
        limiter = trio.CapacityLimiter(OFFERS_AT_ONCE)
        async with trio.open_nursery() as nursery:
            for manifest in manifests:
                nursery.start_soon(self._offer_one, link, manifest, limiter)

    async def _offer_one(
        self, link: PeerLink, manifest: ManifestId, limiter: trio.CapacityLimiter
    ) -> None:
        async with limiter:
            records = await self._catalogue.naming(manifest)
            if not records:
                return
            try:
                reply, _ = await link.calls.call(
                    lambda call: Offer(call=call, manifest=manifest, records=tuple(records)),
                    OfferAnswer,
                )
            except PeerError as error:
                log.info("offer failed", peer=link.name, error=str(error))
                self._unreachable_until[link.peer] = trio.current_time() + UNREACHABLE_FOR
                return
        if reply.answer == "have":
            self._confirmed[manifest].add(link.peer)
        elif reply.answer == "full":
            log.warning("peer is full", peer=link.name)
            self._full_until[link.peer] = trio.current_time() + FULL_FOR

    # Taking

    async def consider(self, link: PeerLink, offer: Offer) -> Literal["have", "fetching", "full"]:
        """Answer an offer, and begin to fetch what should be here. Called by the link's reader."""
        entry = await self._learn(offer)
        content = self._contents.get(offer.manifest)
        if content is not None and content.complete:
            self._confirmed[offer.manifest].add(link.peer)
            return "have"
        if content is not None and content.bits.count:
            manifest = await self._contents.manifest(content.id)
            if all(piece in content.bits for piece in self._mine(manifest, entry.copies)):
                return "have"
        if offer.manifest not in self._taking and self._nursery is not None:
            held = content.size * content.bits.count // content.pieces if content else 0
            if self._contents.stored_bytes() - held + entry.size > self._capacity():
                return "full"
            self._taking.add(offer.manifest)
            self._nursery.start_soon(self._take, link, offer.manifest, entry)
        return "fetching"

    async def _learn(self, offer: Offer) -> Entry:
        """The offered entry that calls for copies; NotFoundError when it has been deleted."""
        for signed in offer.records:
            record, _ = await self._catalogue.learn(signed)
            if record.manifest != offer.manifest:
                raise RemoteProtocolError("an offer with the record of other content")
        for signed in await self._catalogue.naming(offer.manifest):
            record, _ = await self._catalogue.learn(signed)
            if isinstance(record, Entry):
                return record
        raise NotFoundError("the entry has been deleted")

    def _mine(self, manifest: Manifest, copies: int) -> list[int]:
        """Pieces the ring places here; all of them when the offerer's ring is newer than ours."""
        return self._placed_here(manifest, copies) or list(range(manifest.pieces))

    def _placed_here(self, manifest: Manifest, copies: int) -> list[int]:
        spans = spans_of(manifest.id, manifest.geometry)
        return pieces_to_keep(spans, self._rosters.ring, self._me, copies, self._presence.gone())

    async def _take(self, link: PeerLink, manifest_id: ManifestId, entry: Entry) -> None:
        try:
            async with self._keeping:
                manifest = await self._manifest_from(link, manifest_id)
                download = await self._downloads.fetch(
                    manifest,
                    path=None,
                    wanted=self._mine(manifest, entry.copies),
                    purpose="keep",
                    name=entry.name,
                )
                download.add_link(link)
                await download.closed.wait()
        except (PeerError, RemoteProtocolError) as error:
            log.warning("offer not taken", entry=entry.name, error=str(error))
        finally:
            self._taking.discard(manifest_id)

    async def _manifest_from(self, link: PeerLink, manifest: ManifestId) -> Manifest:
        if self._contents.get(manifest) is not None:
            return await self._contents.manifest(manifest)
        _, encoded = await link.calls.call(
            lambda call: GetManifest(call=call, manifest=manifest), ManifestDocument
        )
        return decode_manifest_untrusted(encoded, manifest)

    def refetch(self, content: Content) -> None:
        """Fetch again what was lost here, as far as the ring wants it here."""
        if self._nursery is not None:
            self._nursery.start_soon(self._complete, content)

    async def _resume(self) -> None:
        """Go on with what an earlier run had begun."""
        for content in self._contents.all():
            await self._complete(content)

    async def _complete(self, content: Content) -> None:
        copies = self._catalogue.copies_wanted(content.id)
        if content.complete or not copies:
            return
        manifest = await self._contents.manifest(content.id)
        wanted: list[int] | None = None
        if content.path is None:
            wanted = self._mine(manifest, copies)
        elif content.stats:
            # A user's changed file: what the ring wants of it goes to our own content file.
            wanted = self._placed_here(manifest, copies)
            if not wanted:
                return
        name = content.id.hex()[:12]
        await self._downloads.fetch(
            manifest, path=content.path, wanted=wanted, purpose="keep", name=name
        )
