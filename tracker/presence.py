"""Who is live, suspect or gone: pure, all times are seconds of one steady clock given as `now`.

A peer is live while its connection is open and something was heard on it lately, here or by another
tracker of the swarm. Otherwise it is suspect, and after the grace time gone. A tracker that starts
has heard nobody, and gives everybody the grace time from then.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from protocol.ids import PeerId
from protocol.messages.shared import PeerState
from tracker.telling import pause_for

SILENCE = 15.0
"""Seconds without a word after which an open connection no longer proves life."""
_LONGEST = 1.0
"""Seconds for which `states` of thousands stay as they were."""

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

    def heard(self) -> float:
        return self.since if self.connection is None else self.connection.last_received


class Presence:
    """Every active member and when it was last heard."""

    def __init__(self, grace: float) -> None:
        self.grace = grace
        self.version = 0
        """Another one whenever `told` may say something else."""
        self._peers: dict[PeerId, _Peer] = {}
        self._to_look_at: dict[PeerId, None] = {}
        """Whose state may be another than was told; a set with an order."""
        self._live: dict[Heard, PeerId] = {}
        """The connections of all others: they were told to be live, and can only fall silent."""
        self._states: Mapping[PeerId, PeerState] = {}
        self._looked_at = -math.inf

    def expect(self, peer: PeerId, addresses: Addresses, now: float) -> None:
        """Know of a member that is not connected; one already known stays as it is."""
        if peer not in self._peers:
            self.version += 1
            self._looked_at = -math.inf
            known = self._peers[peer] = _Peer(addresses, now, told=("suspect", addresses))
            self._doubt(peer, known)

    def arrive(self, peer: PeerId, addresses: Addresses, connection: Heard) -> None:
        """A member is connected, and can be reached there."""
        self.version += 1
        self.expect(peer, addresses, connection.last_received)
        known = self._peers[peer]
        self._doubt(peer, known)
        known.connection, known.addresses = connection, addresses

    def leave(self, peer: PeerId) -> None:
        """A member's connection is over."""
        known = self._peers.get(peer)
        if known is not None:
            self._doubt(peer, known)
            known.since, known.connection = known.heard(), None

    def meet(self, elsewhere: Mapping[PeerId, Addresses], now: float) -> None:
        """These peers are live with other trackers, and no others are."""
        for peer, known in self._peers.items():
            if known.elsewhere and peer not in elsewhere:
                known.elsewhere, known.since = False, max(known.since, now)
                self._doubt(peer, known)
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
        self._looked_at = -math.inf
        known = self._peers.pop(peer, None)
        self._to_look_at.pop(peer, None)
        if known is not None and known.connection is not None:
            self._live.pop(known.connection, None)

    def state(self, peer: PeerId, now: float) -> PeerState:
        """How a peer is; strangers are gone."""
        known = self._peers.get(peer)
        return "gone" if known is None else self._state(known, now)

    def told(self, peer: PeerId) -> tuple[PeerState, Addresses] | None:
        """How and where a member is, as was told last; None for strangers."""
        known = self._peers.get(peer)
        return None if known is None else known.told

    def states(self, now: float) -> Mapping[PeerId, PeerState]:
        """How everybody is; of many, how it was a moment ago. Not to be changed."""
        # Of thousands it takes as long as a search, and each search asks.
        if now >= self._looked_at + min(_LONGEST, pause_for(len(self._peers))):
            self._looked_at = now
            self._states = {peer: self._state(each, now) for peer, each in self._peers.items()}
        return self._states

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
        latest = now - SILENCE
        # Of thousands, nearly none.
        for connection in [each for each in self._live if each.last_received < latest]:
            peer = self._live[connection]
            self._doubt(peer, self._peers[peer])
        for peer in list(self._to_look_at):
            known = self._peers[peer]
            current = (self._state(known, now), known.addresses)
            if known.connection is not None and current[0] == "live":
                del self._to_look_at[peer]
                self._live[known.connection] = peer
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

    def _doubt(self, peer: PeerId, known: _Peer) -> None:
        if known.connection is not None:
            self._live.pop(known.connection, None)
        self._to_look_at[peer] = None
