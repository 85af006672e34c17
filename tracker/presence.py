"""Who is live, suspect or gone: pure, all times are seconds of one steady clock given as `now`.

A peer is live while its connection is open and something was heard on it lately, here or by another
tracker of the swarm. Otherwise it is suspect, and after the grace time gone. A tracker that starts
has heard nobody, and gives everybody the grace time from then.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from protocol.ids import PeerId
from protocol.messages.shared import PeerState

SILENCE = 15.0
"""Seconds without a word after which an open connection no longer proves life."""

Addresses = tuple[str, ...]


class Heard(Protocol):
    """A connection, which knows when something came on it last."""

    last_received: float


@dataclass
class _Peer:
    addresses: Addresses
    since: float
    """While it is not connected: when it was last heard, or when we started waiting for it."""
    connection: Heard | None = None
    elsewhere: bool = False
    """Whether another tracker says that it is live."""
    told: tuple[PeerState, Addresses] = ("suspect", ())
    as_told: bool = False
    """Whether it was told to be live here, and can only have fallen silent since."""

    def heard(self) -> float:
        return self.since if self.connection is None else self.connection.last_received


class Presence:
    """Every active member and when it was last heard."""

    def __init__(self, grace: float) -> None:
        self.grace = grace
        self.version = 0
        """Another one whenever `told` may say something else."""
        self._peers: dict[PeerId, _Peer] = {}

    def expect(self, peer: PeerId, addresses: Addresses, now: float) -> None:
        """Know of a member that is not connected; one already known stays as it is."""
        if peer not in self._peers:
            self.version += 1
            self._peers[peer] = _Peer(addresses, now, told=("suspect", addresses))

    def arrive(self, peer: PeerId, addresses: Addresses, connection: Heard) -> None:
        """A member is connected, and can be reached there."""
        self.version += 1
        known = self._peers.setdefault(peer, _Peer(addresses, connection.last_received))
        known.connection, known.addresses, known.as_told = connection, addresses, False

    def leave(self, peer: PeerId) -> None:
        """A member's connection is over."""
        known = self._peers.get(peer)
        if known is not None:
            known.since, known.connection, known.as_told = known.heard(), None, False

    def meet(self, elsewhere: Mapping[PeerId, Addresses], now: float) -> None:
        """These peers are live with other trackers, and no others are."""
        for peer, known in self._peers.items():
            if known.elsewhere and peer not in elsewhere:
                known.elsewhere, known.since, known.as_told = False, max(known.since, now), False
        for peer, addresses in elsewhere.items():
            there = self._peers.get(peer)
            if there is None:
                continue  # Not a member any more, or not yet.
            there.elsewhere = True
            if there.connection is None:
                there.addresses, there.since = addresses, now

    def here(self, now: float) -> dict[PeerId, Addresses]:
        """The peers that are live by their connection to this tracker, and where."""
        return {
            peer: known.addresses
            for peer, known in self._peers.items()
            if known.connection is not None and now - known.heard() <= SILENCE
        }

    def forget(self, peer: PeerId) -> None:
        """Not a member any more."""
        self.version += 1
        self._peers.pop(peer, None)

    def state(self, peer: PeerId, now: float) -> PeerState:
        """How a peer is; strangers are gone."""
        known = self._peers.get(peer)
        return "gone" if known is None else self._state(known, now)

    def told(self, peer: PeerId) -> tuple[PeerState, Addresses] | None:
        """How and where a member is, as was told last; None for strangers."""
        known = self._peers.get(peer)
        return None if known is None else known.told

    def states(self, now: float) -> dict[PeerId, PeerState]:
        """How everybody is."""
        return {peer: self._state(known, now) for peer, known in self._peers.items()}

    def addresses(self) -> dict[PeerId, Addresses]:
        """Where everybody was last."""
        return {peer: known.addresses for peer, known in self._peers.items()}

    def silent_for(self, peer: PeerId, now: float) -> float | None:
        """Seconds since a connected peer was heard; None for one that is not connected."""
        known = self._peers.get(peer)
        if known is None or known.connection is None:
            return None
        return now - known.heard()

    def changes(self, now: float) -> Iterator[tuple[PeerId, PeerState, Addresses]]:
        """What is different from the last time this was asked."""
        for peer, known in self._peers.items():
            connection = known.connection
            if known.as_told and connection and now - connection.last_received <= SILENCE:
                continue  # As nearly all are, of thousands.
            current = (self._state(known, now), known.addresses)
            known.as_told = connection is not None and current[0] == "live"
            if current != known.told:
                known.told = current
                self.version += 1
                yield peer, *current

    def told_live(self) -> Iterator[tuple[PeerId, PeerState, Addresses]]:
        """The peers that were live when changes were asked for last."""
        for peer, known in self._peers.items():
            if known.told[0] == "live":
                yield peer, *known.told

    def live(self, now: float) -> Iterator[tuple[PeerId, Addresses]]:
        """The peers that are live, and where."""
        for peer, known in self._peers.items():
            if self._state(known, now) == "live":
                yield peer, known.addresses

    def _state(self, known: _Peer, now: float) -> PeerState:
        silence = now - known.heard()
        if known.elsewhere or (known.connection is not None and silence <= SILENCE):
            return "live"
        return "suspect" if silence <= max(self.grace, SILENCE) else "gone"
