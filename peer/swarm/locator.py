"""Who may hold a manifest: the tracker's word when it can be had, else everybody we know."""

from peer.errors import PeerError
from peer.roster_book import RosterBook
from peer.store.contents import Contents
from peer.swarm.address_book import AddressBook
from peer.tracker_link import TrackerLink
from protocol.ids import ManifestId, PeerId
from protocol.messages.shared import Holder, Locate, Located


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

    async def find(self, manifest: ManifestId) -> list[PeerId]:
        """Peers to ask for pieces, never this one; their addresses are learnt on the way."""
        try:
            located, _ = await self._tracker.call(
                lambda call: Locate(call=call, manifest=manifest), Located
            )
        except PeerError:
            # Away, or it cannot tell: either way everybody may be asked.
            roster = self._rosters.roster
            return [m.peer for m in (roster.peers() if roster else ()) if m.peer != self._me]
        others = [holder for holder in located.holders if holder.peer != self._me]
        for holder in others:
            await self._addresses.learn(holder.peer, holder.addresses)
        return [holder.peer for holder in others]

    def here(self, manifest: ManifestId) -> tuple[Holder, ...]:
        """What this peer itself holds."""
        content = self._contents.get(manifest)
        if content is None:
            return ()
        bits = content.bits.to_wire()
        return (Holder(peer=self._me, state="live", addresses=self.own_addresses, bits=bits),)
