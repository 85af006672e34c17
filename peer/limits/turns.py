"""Whose turn it is to move bytes, in one direction. Pure: takes `now` in seconds.

Two rates hold at the same time, the whole daemon's and the peer's own. Of those that may go, who
is urgent goes first, then the peer that has had the fewest bytes lately: peers share a rate by
bytes, whatever the size of what they move at one go.
"""

import math
from collections.abc import Mapping, Set
from dataclasses import dataclass

from peer.limits.bucket import Bucket
from peer.limits.lately import Lately
from protocol.ids import PeerId

LEAST_PORTION = 16 << 10
MOST_PORTION = 1 << 20
PORTIONS_A_SECOND = 10


@dataclass(eq=False, kw_only=True)
class Turn:
    """A peer's wish to move `size` bytes; `given` once it may."""

    peer: PeerId
    size: int
    urgent: bool
    given: bool = False


class Turns:
    """The rates of one direction, and who waits for them."""

    def __init__(self) -> None:
        self._whole: Bucket | None = None
        self._by_peer: dict[PeerId, Bucket] = {}
        self._exempt: Set[PeerId] = frozenset()
        self._lately = Lately()
        self._waiting: list[Turn] = []

    def set_rates(
        self,
        whole: int | None,
        by_peer: Mapping[PeerId, int],
        exempt: Set[PeerId],
        now: float,
    ) -> None:
        """From now on these rates, in bytes a second, for all but the exempt."""
        self._whole = _changed(self._whole, whole, now)
        self._by_peer = {
            peer: bucket
            for peer, rate in by_peer.items()
            if (bucket := _changed(self._by_peer.get(peer), rate, now))
        }
        self._exempt = exempt

    def limits(self, peer: PeerId) -> bool:
        """Whether a rate holds for a peer."""
        return (self._whole is not None or peer in self._by_peer) and peer not in self._exempt

    def portion(self, peer: PeerId) -> int:
        """Bytes to move at one go: a tenth of a second's worth, within bounds."""
        rates = [bucket.rate for bucket in self._buckets(peer)] if self.limits(peer) else []
        wanted = min(rates, default=MOST_PORTION * PORTIONS_A_SECOND) // PORTIONS_A_SECOND
        return max(LEAST_PORTION, min(MOST_PORTION, wanted))

    def join(self, peer: PeerId, size: int, *, urgent: bool) -> Turn:
        """Begin to wait; `give` says when it is over."""
        turn = Turn(peer=peer, size=size, urgent=urgent)
        self._waiting.append(turn)
        return turn

    def leave(self, turn: Turn) -> None:
        """Wait no longer; nothing happens to a turn that was given."""
        if not turn.given:
            self._waiting.remove(turn)

    def give(self, now: float) -> tuple[list[Turn], float]:
        """The turns that may go now, and when to ask again (infinity: when somebody joins)."""
        given = [turn for turn in self._waiting if not self.limits(turn.peer)]
        for free in given:
            self._let_go(free)
        while (turn := self._next(now)) is not None:
            self._let_go(turn)
            self._lately.add(turn.peer, turn.size, now)
            for bucket in self._buckets(turn.peer):
                bucket.take(turn.size, now)
            given.append(turn)
        return given, min((self._ready_at(turn) for turn in self._waiting), default=math.inf)

    def _next(self, now: float) -> Turn | None:
        if self._whole is not None and self._whole.ready_at() > now:
            return None
        ready = (turn for turn in self._waiting if self._ready_at(turn) <= now)
        return min(ready, key=lambda turn: self._rank(turn, now), default=None)

    def _rank(self, turn: Turn, now: float) -> tuple[bool, float]:
        # With half of what it will move: else whoever moves more at one go would get more in all.
        return not turn.urgent, self._lately.of(turn.peer, now) + turn.size / 2

    def _ready_at(self, turn: Turn) -> float:
        return max((bucket.ready_at() for bucket in self._buckets(turn.peer)), default=-math.inf)

    def _buckets(self, peer: PeerId) -> list[Bucket]:
        own = self._by_peer.get(peer)
        return [bucket for bucket in (self._whole, own) if bucket is not None]

    def _let_go(self, turn: Turn) -> None:
        turn.given = True
        self._waiting.remove(turn)


def _changed(bucket: Bucket | None, rate: int | None, now: float) -> Bucket | None:
    """The bucket at another rate, so that what it let pass already is not forgotten."""
    if rate is None:
        return None
    if bucket is None:
        return Bucket(rate)
    bucket.change(rate, now)
    return bucket
