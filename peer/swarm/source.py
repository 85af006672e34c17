"""What one source has been asked for, and how fast it delivers. Pure: takes `now` in seconds."""

from dataclasses import dataclass, field

LEAST_IN_FLIGHT = 3
MOST_IN_FLIGHT = 64
AHEAD = 0.5
"""Seconds of the source's own rate to keep asked for, so that its answers never wait for us."""
STALL_FACTOR = 6.0
LEAST_STALL = 4.0
_WEIGHT = 0.3


@dataclass
class Source:
    """The request book of one source in one download. `rate` is bytes a second, smoothed."""

    piece_length: int
    rate: float = 0.0
    asked: dict[int, float] = field(default_factory=dict)
    received: int = 0
    _last: float = 0.0

    def room(self, share: int = MOST_IN_FLIGHT) -> int:
        """How many more pieces may be asked for now, of the `share` this download has."""
        ahead = int(self.rate * AHEAD / self.piece_length) + 1
        wanted = max(LEAST_IN_FLIGHT, min(MOST_IN_FLIGHT, ahead))
        return max(1, min(wanted, share)) - len(self.asked)

    def ask(self, piece: int, now: float) -> None:
        """Note a request."""
        if not self.asked:
            self._last = now
        self.asked[piece] = now

    def deliver(self, piece: int, size: int, now: float) -> None:
        """Note an answer: the time since the last one, or since asking, gives the rate."""
        asked_at = self.asked.pop(piece, None)
        if asked_at is None:
            return
        self.received += size
        took = max(now - max(self._last, asked_at), 1e-4)
        measured = size / took
        self.rate = measured if not self.rate else self.rate + _WEIGHT * (measured - self.rate)
        self._last = now

    def give_up(self, piece: int) -> None:
        """A request that will not be answered, or need not be."""
        self.asked.pop(piece, None)

    def stalled(self, now: float, last_bytes: float) -> bool:
        """Whether nothing has come for much longer than a piece takes by this source's history."""
        if not self.asked:
            return False
        usual = self.piece_length / self.rate if self.rate else 1.0
        since = max(self._last, last_bytes, min(self.asked.values()))
        return now - since > max(LEAST_STALL, STALL_FACTOR * usual)
