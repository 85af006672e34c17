"""Brings every span to the members that should hold it: each holder offers, receivers fetch.

One mechanism publishes, tops up and repairs: what changed (content, roster, who is there) only
wakes it. It needs no tracker.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable
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
from protocol.placement import Span, only_span, pieces_to_keep, spans_of
from protocol.ring import SPAN_LENGTH
from protocol.signing import Signed

log = structlog.get_logger()

LOOK_EVERY = 15.0
ASK_AGAIN = 2.0
FULL_FOR = 60.0
UNREACHABLE_FOR = 5.0
KEEPING_AT_ONCE = 4
OFFERS_AT_ONCE = 8
RECORDS_BYTES = 48_000
"""Records of one offer together: they must fit a message."""


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
        self._taking: dict[ManifestId, int] = {}
        """Offers taken and not yet here in full, and the bytes each will need."""
        self._keeping = trio.CapacityLimiter(KEEPING_AT_ONCE)
        self._nursery: trio.Nursery | None = None
        self._wake = trio.Event()
        self.look_again: Callable[[Content], Awaitable[None]] = _nothing
        """Called before what a user's files lost is fetched: they may only have been touched."""

    def wake(self) -> None:
        """Something changed that may call for offers."""
        self._wake.set()

    def try_again(self, peer: PeerId) -> None:
        """A peer that could not be reached may be there now."""
        self._unreachable_until.pop(peer, None)

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
        targets = []
        for span in await self._spans(content):
            if not content.complete and not all(p in content.bits for p in span.pieces):
                continue
            ring = self._rosters.ring
            holders = ring.holders(span.partition, copies, self._out())
            earlier = holders[: holders.index(self._me)] if self._me in holders else holders
            if any(peer in confirmed and self._links.find(peer) for peer in earlier):
                # A holder before us in ring order is there: offering is its part.
                continue
            targets += [p for p in holders if p != self._me and p not in confirmed]
        return targets

    async def _spans(self, content: Content) -> list[Span]:
        """The spans of what is here; nearly always one, and then its manifest stays unread."""
        if content.size <= SPAN_LENGTH:
            return [only_span(content.id, content.pieces)]
        manifest = await self._contents.manifest(content.id)
        return spans_of(content.id, manifest.geometry)

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
            records = _as_fit(await self._catalogue.naming(manifest))
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
            if not self._has_room(offer.manifest, entry.size):
                return "full"
            self._taking[offer.manifest] = entry.size
            self._nursery.start_soon(self._take, link, offer.manifest, entry)
        return "fetching"

    def _has_room(self, manifest: ManifestId, size: int) -> bool:
        """Whether `size` bytes of a manifest fit beside what is here and what is on its way."""
        coming = {**self._taking, manifest: size}
        left = sum(max(0, size - self._held_bytes(one)) for one, size in coming.items())
        return self._contents.stored_bytes() + left <= self._capacity()

    def _held_bytes(self, manifest: ManifestId) -> int:
        content = self._contents.get(manifest)
        if content is None or not content.pieces:
            return 0
        return content.size * content.bits.count // content.pieces

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
                # The entry says how much it is, but only the manifest has to be believed.
                if not self._has_room(manifest_id, manifest.geometry.length):
                    raise PeerError("no room for what the manifest describes")
                download = await self._downloads.fetch(
                    manifest,
                    path=None,
                    wanted=self._mine(manifest, entry.copies),
                    purpose="keep",
                    name=entry.name,
                )
                download.add_link(link)
                await download.closed.wait()
        except (PeerError, RemoteProtocolError, OSError) as error:
            log.warning("offer not taken", entry=entry.name, error=str(error))
        finally:
            self._taking.pop(manifest_id, None)

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
        try:
            if content.stats:
                await self.look_again(content)
            await self._fetch_missing(content)
        except (PeerError, OSError) as error:
            log.warning("cannot complete", manifest=content.id.hex()[:12], error=str(error))

    async def _fetch_missing(self, content: Content) -> None:
        if self._contents.get(content.id) is not content:
            return
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


def _as_fit(records: list[Signed]) -> list[Signed]:
    """As many of the records as fit an offer; the first always does."""
    size = 0
    for number, signed in enumerate(records):
        size += len(signed.body) + 128
        if number and size > RECORDS_BYTES:
            return records[:number]
    return records


async def _nothing(_: Content) -> None:
    return None
