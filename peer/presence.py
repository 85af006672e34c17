"""Which members are live, suspect or gone, as far as this machine knows. Pure but for its clock.

An open link proves life. Else the tracker's word counts while the tracker is there, and once it has
said how everybody is: what it said before it was away is old. On its own, this machine keeps the
same two clocks: suspect after 15 s without a link, out of the ring after the grace time, counted
from when the tracker was lost at the earliest.
"""

from collections.abc import Callable

from protocol.ids import PeerId
from protocol.messages.shared import PeerState

SUSPECT_AFTER = 15.0
"""Seconds of silence."""


class Presence:
    """States by peer. `clock` and `grace` give seconds, `members` who is in the swarm."""

    def __init__(
        self,
        linked: Callable[[PeerId], bool],
        me: PeerId,
        members: Callable[[], tuple[PeerId, ...]],
        clock: Callable[[], float],
        grace: Callable[[], float],
    ) -> None:
        self._linked = linked
        self._me = me
        self._members = members
        self._clock = clock
        self._grace = grace
        self._told: dict[PeerId, PeerState] = {}
        self._heard: dict[PeerId, float] = {}
        self._silent_since: dict[PeerId, float] = {}
        """When the tracker first said that a peer is not live."""
        self._alone_since: float | None = None
        """Since when the tracker has been away; None while it is there."""
        self._told_all = False
        """Whether the tracker has said how everybody is since it was away last."""

    def tell(self, peer: PeerId, state: PeerState) -> None:
        """The tracker's word on a peer."""
        self._told[peer] = state
        if state == "live":
            self._silent_since.pop(peer, None)
        else:
            self._silent_since.setdefault(peer, self._clock())

    def heard(self, peer: PeerId) -> None:
        """A link to a peer has ended: until now it was there."""
        self._heard[peer] = self._clock()
        if self._alone_since is not None:
            # What the tracker last said of it is older than that.
            self._told[peer] = "live"

    def see_tracker(self, *, there: bool) -> None:
        """Whether the tracker is connected now."""
        if not there:
            self._told_all = False
            if self._alone_since is None:
                self._alone_since = self._clock()
        elif self._told_all:
            self._alone_since = None

    def told_all(self) -> None:
        """The tracker has said how everybody is: what it said before it was away is forgotten."""
        self._told_all = True
        self._alone_since = None

    def state(self, peer: PeerId) -> PeerState:
        """The state of a peer; one never heard of is suspect."""
        if peer == self._me or self._linked(peer):
            return "live"
        told = self._told.get(peer, "suspect")
        if self._alone_since is None or told == "gone":
            return told
        silent = self._clock() - max(self._alone_since, self._heard.get(peer, 0.0))
        if silent > max(self._grace(), SUSPECT_AFTER):
            return "gone"
        return told if silent <= SUSPECT_AFTER else "suspect"

    def out_in(self, peer: PeerId) -> float | None:
        """In how many seconds a suspect peer is out of the ring, about; None for others."""
        if self.state(peer) != "suspect":
            return None
        now = self._clock()
        since = self._silent_since.get(peer, now)
        if self._alone_since is not None:
            since = max(self._alone_since, self._heard.get(peer, 0.0))
        return max(0.0, since + max(self._grace(), SUSPECT_AFTER) - now)

    def unlinked(self) -> list[PeerId]:
        """Other members that no link is open to."""
        return [p for p in self.others() if not self._linked(p)]

    def others(self) -> list[PeerId]:
        """Every other member that is a peer."""
        return [p for p in self._members() if p != self._me]

    def live(self) -> list[PeerId]:
        """The other peers that are there, as far as the tracker has told."""
        return [peer for peer, state in self._told.items() if state == "live" and peer != self._me]

    def gone(self) -> frozenset[PeerId]:
        """Peers that are out of the ring for now."""
        return frozenset(peer for peer in self._members() if self.state(peer) == "gone")
