"""Peers that sent bad pieces: two within a day and a key is shunned. Pure: takes `now`."""

from collections import defaultdict

from protocol.ids import PeerId

STRIKES = 2
WINDOW = 86_400.0


class Shunned:
    """Strikes by peer."""

    def __init__(self) -> None:
        self._strikes: dict[PeerId, list[float]] = defaultdict(list)

    def strike(self, peer: PeerId, now: float) -> bool:
        """Note a bad piece; whether the peer is shunned from now on."""
        self._strikes[peer].append(now)
        return self.is_shunned(peer, now)

    def is_shunned(self, peer: PeerId, now: float) -> bool:
        """Whether this peer sent too many bad pieces lately."""
        if peer not in self._strikes:
            return False
        recent = [at for at in self._strikes[peer] if now - at < WINDOW]
        self._strikes[peer] = recent
        return len(recent) >= STRIKES
