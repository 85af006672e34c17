"""What one source has been asked for, and how fast it delivers. Pure: takes `now` in seconds."""

import math
from dataclasses import dataclass, field

MOST_IN_FLIGHT = 200
TURNS, AHEAD = 4.0, 0.04
"""Times there and back, and seconds, for which to keep a source asked: see docs/decisions/0013."""
FIRST_BYTES = 4 << 20
"""What is asked for before anything is known, or a long way would lie idle for its first turns."""
LONG_WAY = 0.01
"""Seconds there and back from which on a connection takes long to find its speed."""
WARM_WINDOW, WARM_BYTES, WARM_SECONDS = 8 << 20, 16 << 20, 2.0
"""What is kept asked for on a long way meanwhile, how long, and what it may take at least."""
MEMORY = 4 << 20
"""Bytes over which a rate is averaged: a lost packet holds up, then sets free, about as much."""
LONG = 0.5
"""A piece that takes longer than this is asked for with fewer ahead: others may be better."""
EACH = 2
"""Pieces asked for on each connection of a link that has several."""
PATIENCE = 0.5
"""Seconds by which an answer may be later than any before it."""
UNKNOWN = 2.0
"""Seconds in which a source without any history must have delivered."""
RISING = 0.8
"""A source gets faster while an answer takes less than so much of the average."""
_WEIGHT = 0.25


@dataclass
class Source:
    """The request book of one source in one download."""

    piece_length: int
    asked: dict[int, float] = field(default_factory=dict)
    late: set[int] = field(default_factory=set)
    """Pieces it was asked for and that were then given to others: they may still come."""
    received: int = 0
    _again: set[int] = field(default_factory=set)
    stalled: bool = False
    """It is asked for one piece at a time until it delivers again."""
    _per_byte: float = 0.0
    _rising: bool | None = None
    """Whether every answer so far came faster than those before it; None before the second."""
    _gap: float = 0.0
    _spread: float = 0.0
    _latency: float = math.inf
    _last: float = 0.0
    _held_up: float = 0.0
    _excused: float = 0.0

    @property
    def rate(self) -> float:
        """Bytes a second, smoothed; 0 before the first answer."""
        return 1.0 / self._per_byte if self._per_byte else 0.0

    @property
    def latency(self) -> float | None:
        """The least seconds from asking to the first byte; None before that."""
        return self._latency if math.isfinite(self._latency) else None

    def room(self, share: int = MOST_IN_FLIGHT, connections: int = 1) -> int:
        """How many more pieces may be asked for now, of the `share` this download has.

        A link of several connections takes two for each, as each brings whole pieces.

        Bandwidth times delay, both as measured. None for a while when much is in flight: requests
        then go out several at a time.
        """
        window = self._window()
        if connections > 1 and not self.stalled:
            window = max(window, EACH * connections)
        window = max(1, min(window, share))
        free = window - len(self.asked)
        return free if free >= window // 4 else 0

    def _window(self) -> int:
        if self.stalled:
            return 1
        piece = self.piece_length * self._per_byte
        least = 3 if piece < LONG else 2 if piece < 4 * LONG else 1
        if not piece:
            return max(least, min(16, FIRST_BYTES // self.piece_length))
        if self._latency == math.inf:
            return least
        least = max(least, self._warm_bytes() // self.piece_length)
        ahead = math.ceil((TURNS * self._latency + AHEAD) / piece)
        return max(least, min(MOST_IN_FLIGHT, ahead))

    def _warm_bytes(self) -> int:
        """What to keep asked for while TCP speeds up on a long way, faster than measured so far."""
        if self._latency < LONG_WAY:
            return 0
        if WARM_WINDOW * self._per_byte < WARM_SECONDS and self.received < WARM_BYTES:
            return WARM_WINDOW
        # It may also just be slow: no more than what it was asked for to begin with.
        return FIRST_BYTES if self._rising else 0

    def ask(self, piece: int, now: float) -> None:
        """Note a request."""
        if not self.asked:
            self._last, self._excused = now, 0.0
        self.asked[piece] = now
        if piece in self.late:
            # What comes may be the answer to the earlier request: it says nothing of the way.
            self.late.discard(piece)
            self._again.add(piece)

    def excuse(self, held_up: float) -> None:
        """We have let its link wait for so many seconds, in all: that is no silence of its own.

        For its rate it counts all the same: more than we can take need not be asked for.
        """
        self._excused += held_up - self._held_up
        self._held_up = held_up

    def begin(self, piece: int, now: float) -> None:
        """The first byte of an answer: the least time from asking is the way there and back."""
        asked_at = self.asked.get(piece)
        if asked_at is not None and piece not in self._again:
            self._latency = min(self._latency, now - asked_at)

    def deliver(self, piece: int, size: int, now: float) -> None:
        """Note an answer: the time since the last one, or since asking, gives the rate."""
        asked_at = self.asked.pop(piece, None)
        self.late.discard(piece)
        self._again.discard(piece)
        self.received += size
        if asked_at is None:
            return
        took = max(now - max(self._last, asked_at), 1e-6)
        self._last, self._excused = now, 0.0
        self.stalled = False
        if not self._per_byte:
            self._per_byte, self._gap, self._spread = took / size, took, took / 2
            return
        self._rising = self._rising is not False and took / size < RISING * self._per_byte
        # Averages of times, not of rates: a burst would count for more than the wait before it.
        weight = _WEIGHT if self._rising else min(_WEIGHT, size / MEMORY)
        self._per_byte += weight * (took / size - self._per_byte)
        self._spread += _WEIGHT * (abs(took - self._gap) - self._spread)
        self._gap += _WEIGHT * (took - self._gap)

    def give_up(self, piece: int) -> None:
        """A request that will not be answered."""
        self.asked.pop(piece, None)

    def cancel(self, piece: int) -> None:
        """A request that need not be answered, though it may be."""
        if self.asked.pop(piece, None) is not None:
            self.late.add(piece)

    def expects(self, piece: int) -> bool:
        """Whether this piece was asked for and has not come."""
        return piece in self.asked or piece in self.late

    def silent_for(self, now: float) -> float:
        """Seconds since it delivered, or since it was asked; 0 when it owes nothing."""
        if not self.asked:
            return 0.0
        return max(0.0, now - max(self._last, min(self.asked.values())) - self._excused)

    def is_late(self, now: float) -> bool:
        """Whether it takes much longer than its own history lets us expect."""
        if not self._per_byte:
            return self.silent_for(now) > UNKNOWN
        return self.silent_for(now) > self._gap + 4.0 * self._spread + PATIENCE
