"""Which members are live, suspect or gone, as far as this machine knows: from links and tracker."""

from collections.abc import Callable

from protocol.ids import PeerId
from protocol.messages.shared import PeerState


class Presence:
    """States by peer: an open link proves life, else the tracker's word counts."""

    def __init__(self, linked: Callable[[PeerId], bool], me: PeerId) -> None:
        self._linked = linked
        self._me = me
        self._told: dict[PeerId, PeerState] = {}

    def tell(self, peer: PeerId, state: PeerState) -> None:
        """The tracker's word on a peer."""
        self._told[peer] = state

    def state(self, peer: PeerId) -> PeerState:
        """The state of a peer; one never heard of is suspect."""
        if peer == self._me or self._linked(peer):
            return "live"
        return self._told.get(peer, "suspect")

    def live(self) -> list[PeerId]:
        """The other peers that are there, as far as the tracker has told."""
        return [peer for peer, state in self._told.items() if state == "live" and peer != self._me]

    def gone(self) -> frozenset[PeerId]:
        """Peers that are out of the ring for now."""
        return frozenset(peer for peer in self._told if self.state(peer) == "gone")
