"""Who may hold a manifest: the tracker's word when it can be had, else everybody we know."""

from collections.abc import Callable
from typing import NamedTuple

from peer.errors import PeerError
from peer.roster_book import RosterBook
from peer.store.contents import Contents
from peer.swarm.address_book import AddressBook
from peer.swarm.peer_link import PeerLink
from peer.tracker_link import TrackerLink
from protocol.ids import ManifestId, PeerId
from protocol.messages.shared import Holder, Locate, Located
from protocol.placement import spans_by_size

MOST_TOLD = 20


class Place(NamedTuple):
    """A peer that may have pieces, and which, as far as the tracker was told: see Holder."""

    peer: PeerId
    bits: bytes | None


class Locator:
    """Answers for downloads, and for other peers that ask this one."""

    def __init__(
        self,
        me: PeerId,
        tracker: TrackerLink,
        rosters: RosterBook,
        contents: Contents,
        addresses: AddressBook,
    ) -> None:
        self._me = me
        self._tracker = tracker
        self._rosters = rosters
        self._contents = contents
        self._addresses = addresses
        self.own_addresses: tuple[str, ...] = ()
        self.followers: Callable[[ManifestId], list[PeerId]] = lambda _: []

    async def find(self, manifest: ManifestId) -> list[Place]:
        """Peers to ask for pieces, never this one; their addresses are learnt on the way."""
        try:
            located, _ = await self._tracker.call(
                lambda call: Locate(call=call, manifest=manifest), Located
            )
        except PeerError:
            # Away, or it cannot tell: either way everybody may be asked.
            roster = self._rosters.roster
            members = roster.peers() if roster else ()
            return [Place(m.peer, b"") for m in members if m.peer != self._me]
        others = [holder for holder in located.holders if self._is_other_member(holder.peer)]
        for holder in others:
            await self._addresses.told(
                holder.peer, holder.addresses, loopback=self._tracker.from_here
            )
        return [Place(holder.peer, holder.bits) for holder in others]

    async def sources(self, manifest: ManifestId) -> list[Place]:
        """The same, and who should hold it by the ring: a tracker need not say who does."""
        places = await self.find(manifest)
        named = {place.peer for place in places}
        content, roster = self._contents.get(manifest), self._rosters.roster
        if content is None or roster is None:
            return places
        for span in spans_by_size(manifest, content.pieces, content.size):
            for peer in self._rosters.ring.holders(span.partition, roster.copies, frozenset()):
                if peer != self._me and peer not in named:
                    named.add(peer)
                    places.append(Place(peer, b""))
        return places

    async def ask(self, link: PeerLink, manifest: ManifestId) -> list[Place]:
        """The same, as a peer that sends pieces tells: it knows who else fetches them."""
        try:
            located, _ = await link.calls.call(
                lambda call: Locate(call=call, manifest=manifest), Located
            )
        except PeerError:
            return []
        others = [holder for holder in located.holders if self._is_other_member(holder.peer)]
        for holder in others:
            if not self._addresses.candidates(holder.peer):
                self._addresses.hear(holder.peer, holder.addresses, loopback=link.from_here)
        return [Place(holder.peer, b"") for holder in others]

    def _is_other_member(self, peer: PeerId) -> bool:
        return peer != self._me and self._rosters.find(peer) is not None

    def here(self, manifest: ManifestId) -> tuple[Holder, ...]:
        """What this peer itself holds, and who follows that: they hold some of it, or soon will."""
        content = self._contents.get(manifest)
        if content is None:
            return ()
        bits = content.bits.to_wire()
        me = Holder(peer=self._me, state="live", addresses=self.own_addresses, bits=bits)
        return (me, *(self._follower(peer) for peer in self.followers(manifest)[:MOST_TOLD]))

    def _follower(self, peer: PeerId) -> Holder:
        addresses = tuple(str(address) for address in self._addresses.candidates(peer))
        return Holder(peer=peer, state="live", addresses=addresses, bits=b"")
