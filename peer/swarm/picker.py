"""Which piece to ask a source for next: rarest first, or in order from a position. Pure.

A wanted piece is in exactly one state at any time: NEEDED, ASKED, ARRIVED (being written) or DONE.
"""

import random
from array import array
from collections.abc import Hashable, Iterable
from enum import Enum

from protocol.bitfield import Bitfield

SAMPLE = 24


class PieceState(Enum):
    """Where a wanted piece is on its way to the disk."""

    NEEDED = "needed"
    ASKED = "asked"
    ARRIVED = "arrived"
    DONE = "done"


class Picker:
    """The book of one download's pieces and of what each source has."""

    def __init__(self, pieces: int, wanted: Iterable[int], chance: random.Random) -> None:
        self._state = dict.fromkeys(wanted, PieceState.NEEDED)
        self._needed = list(self._state)
        chance.shuffle(self._needed)
        self._at = {piece: index for index, piece in enumerate(self._needed)}
        self._availability = array("H", bytes(2 * pieces))
        self._sources: dict[Hashable, Bitfield] = {}
        self._chance = chance
        self._from: int | None = None
        self._read_at = 0
        self._done = 0

    @property
    def finished(self) -> bool:
        """Whether every wanted piece is DONE."""
        return self._done == len(self._state)

    @property
    def needed(self) -> int:
        """How many wanted pieces nobody has been asked for."""
        return len(self._needed)

    def state(self, piece: int) -> PieceState | None:
        """The state of a piece; None when it is not wanted."""
        return self._state.get(piece)

    def in_state(self, state: PieceState) -> list[int]:
        """The wanted pieces in a state."""
        return [piece for piece, found in self._state.items() if found is state]

    def read_from(self, piece: int | None) -> None:
        """Pick in order from `piece` on (for a reader), or rarest first again (None)."""
        self._from = piece
        self._read_at = piece or 0

    def set_source(self, source: Hashable, held: Bitfield) -> None:
        """What a source has, replacing what was known of it; repeats count once."""
        self.drop_source(source)
        self._sources[source] = held
        for piece in held:
            self._availability[piece] += 1

    def add_to_source(self, source: Hashable, pieces: Iterable[int]) -> None:
        """Pieces a source has gained; ones it had, or that do not exist, change nothing."""
        held = self._sources.get(source)
        if held is None:
            return
        for piece in pieces:
            if piece < held.length and held.add(piece):
                self._availability[piece] += 1

    def take_from_source(self, source: Hashable, piece: int) -> None:
        """A source turned out not to have a piece."""
        held = self._sources.get(source)
        if held is not None and held.discard(piece):
            self._availability[piece] -= 1

    def drop_source(self, source: Hashable) -> None:
        """Forget a source; what it was asked for must be put back by the caller."""
        for piece in self._sources.pop(source, ()):
            self._availability[piece] -= 1

    def availability(self, piece: int) -> int:
        """How many sources have a piece."""
        return self._availability[piece]

    def has(self, source: Hashable, piece: int) -> bool:
        """Whether a source has a piece."""
        held = self._sources.get(source)
        return held is not None and piece in held

    def pick(self, source: Hashable) -> int | None:
        """A NEEDED piece this source has, now ASKED; None when there is none."""
        held = self._sources.get(source)
        if held is None or not self._needed:
            return None
        piece = self._next_in_order(held) if self._from is not None else None
        if piece is None:
            piece = self._rarest(held)
        if piece is not None:
            self._leave_needed(piece)
            self._state[piece] = PieceState.ASKED
        return piece

    def put_back(self, piece: int) -> None:
        """An ASKED or ARRIVED piece did not come, or was bad: NEEDED again."""
        if self._state.get(piece) in (PieceState.ASKED, PieceState.ARRIVED):
            self._state[piece] = PieceState.NEEDED
            self._at[piece] = len(self._needed)
            self._needed.append(piece)
            if self._from is not None and self._read_at <= piece < self._from:
                # The reader waits for this one, not for those behind it.
                self._from = piece

    def arrived(self, piece: int) -> bool:
        """A piece came whole; False when it is here already or not wanted, so not needed again."""
        if self._state.get(piece) is PieceState.NEEDED:
            self._leave_needed(piece)
        elif self._state.get(piece) is not PieceState.ASKED:
            return False
        self._state[piece] = PieceState.ARRIVED
        return True

    def done(self, piece: int) -> None:
        """A piece is on disk and recorded."""
        if self._state.get(piece) is PieceState.NEEDED:
            self._leave_needed(piece)
        if self._state.get(piece) not in (None, PieceState.DONE):
            self._state[piece] = PieceState.DONE
            self._done += 1

    def _next_in_order(self, held: Bitfield) -> int | None:
        piece = self._from or 0
        while piece in self._state and self._state[piece] is not PieceState.NEEDED:
            piece += 1
        self._from = piece
        while piece < held.length:
            if self._state.get(piece) is PieceState.NEEDED and piece in held:
                return piece
            piece += 1
        return None

    def _rarest(self, held: Bitfield) -> int | None:
        """The rarest of a few drawn at random: near enough to the rarest of all, and cheap."""
        needed = self._needed
        start = self._chance.randrange(len(needed))
        found: list[int] = []
        for offset in range(len(needed)):
            piece = needed[(start + offset) % len(needed)]
            if piece in held:
                found.append(piece)
                if len(found) == SAMPLE:
                    break
        return min(found, key=self._availability.__getitem__) if found else None

    def _leave_needed(self, piece: int) -> None:
        index, last = self._at.pop(piece), self._needed.pop()
        if last != piece:
            self._needed[index] = last
            self._at[last] = index
