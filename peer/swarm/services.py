"""What a link needs of the rest of the daemon, in one place, so that nothing imports it back."""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from peer.limits.pacing import Pacing
from peer.store.buffers import BufferPool, Room
from peer.store.contents import Contents
from peer.store.piece_store import PieceStore
from peer.swarm.rate import Rate
from protocol.drivers.on_trio import TrioChannel
from protocol.ids import ManifestId, PeerId
from protocol.messages.keeping import Audit, Doubt, Keep, Kept, Release
from protocol.messages.peering import (
    Follow,
    Have,
    Holds,
    NoPiece,
    Offer,
    Piece,
    Whereabouts,
)
from protocol.messages.shared import Holder
from protocol.signing import Signed

if TYPE_CHECKING:
    from peer.swarm.peer_link import PeerLink

SERVING_BYTES = 32 << 20
LANES_BYTES = 24 << 20
"""Pieces under way on all lanes, each way: they move slowly, and must not hold up what does not."""


class Traffic:
    """Piece bytes moved since the start, in all and by peer."""

    def __init__(self) -> None:
        self.uploaded = 0
        self.downloaded = 0
        self.fetched_twice = 0
        """Pieces that came whole and were here already: the price of not waiting for the slow."""
        self.received_from: dict[PeerId, int] = defaultdict(int)
        self.sent_to: dict[PeerId, int] = defaultdict(int)
        self._sending: dict[PeerId, Rate] = {}

    def sent(self, peer: PeerId, size: int, now: float) -> None:
        """Count what was sent with one call: a piece, or several small ones."""
        self.uploaded += size
        self.sent_to[peer] += size
        rate = self._sending.get(peer)
        if rate is None:
            rate = self._sending[peer] = Rate(now)
        rate.add(size, now)

    def sending_rate(self, peer: PeerId, now: float) -> int:
        """Bytes a second that go to a peer."""
        rate = self._sending.get(peer)
        return rate.per_second(now) if rate else 0

    def received(self, peer: PeerId, size: int) -> None:
        """Count a piece received, good or bad."""
        self.downloaded += size
        self.received_from[peer] += size


class PieceTaker(Protocol):
    """Where pieces and word of pieces go: the downloads."""

    async def receive(self, link: "PeerLink", header: Piece, channel: TrioChannel) -> None:
        """Take the bytes that follow the header off the connection of the link it came on."""

    def note(self, link: "PeerLink", message: Holds | Have | NoPiece | Follow) -> None:
        """Word of what a peer has, or that it fetches."""


class CopyKeeper(Protocol):
    """Who answers peers that are about to drop a copy."""

    async def answer(self, peer: PeerId, request: Keep) -> Kept:
        """Promise to keep ours, or not."""

    def released(self, peer: PeerId, message: Release) -> None:
        """The promise is not needed any more."""


class Prover(Protocol):
    """Who proves to peers what is held here. Both return at once."""

    def audited(self, link: "PeerLink", audit: Audit) -> None:
        """Answer an audit."""

    def doubted(self, link: "PeerLink", doubt: Doubt) -> None:
        """Look at what a peer doubts."""


@dataclass(kw_only=True)
class PeerServices:
    """Made once by the daemon, given to every link."""

    contents: Contents
    store: PieceStore
    pieces: PieceTaker
    copies: CopyKeeper
    proofs: Prover
    take_roster: Callable[[bytes], Awaitable[None]]
    take_record: Callable[[Signed], Awaitable[None]]
    take_approval: Callable[[Signed], Awaitable[None]]
    consider_offer: Callable[["PeerLink", Offer], Awaitable[Literal["have", "fetching", "full"]]]
    locate_here: Callable[[ManifestId], tuple[Holder, ...]]
    take_whereabouts: Callable[["PeerLink", Whereabouts], Awaitable[None]]
    pacing: Pacing = field(default_factory=Pacing)
    traffic: Traffic = field(default_factory=Traffic)
    serving: BufferPool = field(default_factory=lambda: BufferPool(SERVING_BYTES))
    serving_lanes: BufferPool = field(default_factory=lambda: BufferPool(LANES_BYTES, least=1))
    lanes_room: Room = field(default_factory=lambda: Room(LANES_BYTES))
    """For what comes on lanes."""
