"""Brings every span to the members that should hold it: each holder offers, receivers fetch.

One mechanism publishes, tops up and repairs: what changed (content, roster, who is there) only
wakes it. It needs no tracker. Here is the taking side; `offering.py` has the other.
"""

import math
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
from peer.swarm.handing_on import HandingOn
from peer.swarm.links import Links
from peer.swarm.offering import Offering
from peer.swarm.peer_link import PeerLink
from peer.swarm.promises import Promises
from peer.swarm.room import Room
from protocol.entry import Entry, open_record_untrusted
from protocol.errors import RemoteProtocolError
from protocol.ids import ManifestId, PeerId
from protocol.manifest import Manifest, decode_manifest_untrusted
from protocol.messages.deleting import RecordPassedOn
from protocol.messages.peering import Offer
from protocol.messages.shared import GetManifest, ManifestDocument
from protocol.placement import pieces_to_keep, spans_of
from protocol.ring import SPAN_LENGTH

log = structlog.get_logger()

KEEPING_AT_ONCE = 4


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
        promises: Promises,
        room: Room,
        handing_on: HandingOn,
    ) -> None:
        self._me = me
        self._contents = contents
        self._catalogue = catalogue
        self._rosters = rosters
        self._presence = presence
        self._downloads = downloads
        self._promises = promises
        self._room = room
        self._handing_on = handing_on
        self.offering = Offering(me, contents, catalogue, rosters, presence, links, handing_on)
        self._taking: dict[ManifestId, int] = {}
        """Offers taken and not yet here in full, and the bytes each will need."""
        self._keeping = trio.CapacityLimiter(KEEPING_AT_ONCE)
        self._nursery: trio.Nursery | None = None
        self.look_again: Callable[[Content], Awaitable[None]] = _nothing
        """Called before what a user's files lost is fetched: they may only have been touched."""
        self.take_back: Callable[[ManifestId], None] = lambda _: None
        """Called with what is offered and lies in the trash here."""

    def wake(self, manifest: ManifestId | None = None) -> None:
        """Something changed that may call for offers: of a manifest, or (None) of any."""
        self.offering.wake(manifest)

    def try_again(self, peer: PeerId) -> None:
        """A peer that could not be reached may be there now."""
        self.offering.book.try_again(peer)

    def ask_full_again(self) -> None:
        """Who had no room may have been given some."""
        self.offering.book.forget_full(math.inf)
        self.wake()

    def confirmed(self, manifest: ManifestId) -> frozenset[PeerId]:
        """Peers that said they hold all they should of a manifest, and are believed."""
        said = self.offering.book.confirmed(manifest)
        return said - self.offering.distrusted(manifest)

    def confirmed_by(self, peer: PeerId) -> frozenset[ManifestId]:
        """Manifests of which a peer said so, believed or not."""
        return self.offering.book.confirmed_by(peer)

    def dropped(self, peer: PeerId, manifest: ManifestId) -> None:
        """A peer holds less of a manifest than it said."""
        self.offering.book.unsay(peer, manifest)
        self.wake(manifest)

    def placed_anew(self) -> None:
        """Another roster, or others are gone: spans may belong to others than before."""
        for content in self._contents.all():
            if content.size > SPAN_LENGTH:
                self.offering.book.unsay_all(content.id)
        self.wake()

    def link_closed(self, link: PeerLink) -> None:
        """What a peer said holds only while it is there."""
        self.offering.book.lost(link.peer)
        self.wake()

    async def run(self) -> None:
        """Offer whenever woken, and now and then."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._resume)
            await self.offering.run()

    # Taking

    async def consider(self, link: PeerLink, offer: Offer) -> Literal["have", "fetching", "full"]:
        """Answer an offer, and begin to fetch what should be here. Called by the link's reader."""
        entry = await self._learn(link, offer)
        if self._contents.in_trash(offer.manifest):
            # Back in a moment; who offers asks again.
            self.take_back(offer.manifest)
            return "fetching"
        if self._promises.is_going(offer.manifest):
            # Soon it is not here; who offers asks again.
            return "fetching"
        content = self._contents.get(offer.manifest)
        if content is not None and content.complete and content.size <= SPAN_LENGTH:
            # Of more spans than one, who offers may hold only some.
            self._note_offerer(link.peer, content)
        given_away = content is not None and self.offering.is_given_away(content, link.peer)
        if content is not None and content.complete and not given_away:
            await self._contents.set_passing(content, False)
            return "have"
        if offer.manifest in self._handing_on:
            return "full"
        if content is not None and content.bits.count:
            manifest = await self._contents.manifest(content.id)
            if all(piece in content.bits for piece in self._mine(manifest, entry.copies)):
                await self._contents.set_passing(content, False)
                return "have"
        if offer.manifest not in self._taking and self._nursery is not None:
            if content is None and not self._room.takes_new():
                return "full"
            if not self._has_room(offer.manifest, entry.size):
                return "full"
            self._taking[offer.manifest] = entry.size
            self._nursery.start_soon(self._take, link, offer.manifest, entry)
        return "fetching"

    def _note_offerer(self, peer: PeerId, content: Content) -> None:
        """Who offers has it; but it may hand it on, as we do: it refused it then."""
        book, now = self.offering.book, trio.current_time()
        refused = book.full_for(content.id, content.size, now)
        if content.id not in self._handing_on or peer not in refused:
            book.has(peer, content.id)

    def _has_room(self, manifest: ManifestId, size: int) -> bool:
        """Whether `size` bytes of a manifest fit beside what is here and what is on its way."""
        coming = {**self._taking, manifest: size}
        left = sum(max(0, size - self._held_bytes(one)) for one, size in coming.items())
        try:
            return left <= self._room.left()
        except OSError as error:
            log.error("the disk cannot be looked at", error=str(error))
            return False

    def _held_bytes(self, manifest: ManifestId) -> int:
        content = self._contents.get(manifest)
        return content.held_bytes if content else 0

    async def _learn(self, link: PeerLink, offer: Offer) -> Entry:
        """The offered entry that calls for copies; NotFoundError when it has been deleted."""
        for signed in offer.records:
            record, _ = await self._catalogue.learn(signed)
            if record.manifest != offer.manifest:
                raise RemoteProtocolError("an offer with the record of other content")
        for signed in await self._catalogue.naming(offer.manifest):
            record = open_record_untrusted(signed)
            if isinstance(record, Entry):
                return record
        for signed in offer.records:
            newest = await self._catalogue.find(open_record_untrusted(signed).id)
            if newest is not None and newest[1] != signed:
                # Whoever offers what is deleted was away when the others heard of it.
                link.put(RecordPassedOn(record=newest[1]))
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
                if manifest_id in self._handing_on:
                    raise PeerError("it is not wanted here any more")
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
                await self._contents.set_passing(download.content, False)
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

    async def wants(self, content: Content) -> bool:
        """Whether the ring places any of a content on this machine."""
        copies = self._catalogue.copies_wanted(content.id)
        if not copies or content.id in self._handing_on:
            return False
        return bool(self._placed_here(await self._contents.manifest(content.id), copies))

    def refetch(self, content: Content) -> None:
        """Fetch again what was lost here, as far as the ring wants it here."""
        self.wake(content.id)
        if self._nursery is not None:
            self._nursery.start_soon(self._complete, content)

    async def _resume(self) -> None:
        """Go on with what an earlier run had begun."""
        for content in self._contents.all():
            # Whether files that count have changed meanwhile is the file watch's to find out.
            if not content.complete:
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
        if content.complete or not copies or content.id in self._handing_on:
            return
        manifest = await self._contents.manifest(content.id)
        wanted: list[int] | None = None
        if content.passing or content.stats:
            # Of what is only passing, and of a user's changed file, just what the ring wants.
            wanted = self._placed_here(manifest, copies)
            if not wanted:
                return
            if content.stats and not self.confirmed(content.id):
                # Its disk may be back soon, and this may be the only copy: to fetch would give up
                # the place it lies in. Whoever has it will offer it.
                return
            await self._contents.set_passing(content, False)
        elif content.path is None:
            wanted = self._mine(manifest, copies)
        name = content.id.hex()[:12]
        await self._downloads.fetch(
            manifest, path=content.path, wanted=wanted, purpose="keep", name=name
        )


async def _nothing(_: Content) -> None:
    return None
