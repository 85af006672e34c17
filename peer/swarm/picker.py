"""Which piece to ask a source for next: rarest first, or in order for readers. Pure.

A wanted piece is in exactly one state at any time: NEEDED, ASKED, ARRIVED (being written) or DONE.

Sets of pieces are integers, bit i for piece i: the union or the difference of two sets of thousands
of pieces costs less than one step of a loop.
"""

import random
from collections.abc import Hashable, Iterable
from enum import Enum

from protocol.bitfield import Bitfield

LEVELS = 4
"""Pieces that this many sources have count as equally common."""


class PieceState(Enum):
    """Where a wanted piece is on its way to the disk."""

    NEEDED = "needed"
    ASKED = "asked"
    ARRIVED = "arrived"
    DONE = "done"


class Picker:
    """The book of one download's pieces and of what each source has."""

    def __init__(self, pieces: int, wanted: Iterable[int], chance: random.Random) -> None:
        self._pieces = pieces
        self._wanted = 0
        self._sets = dict.fromkeys(PieceState, 0)
        self._sources: dict[Hashable, int] = {}
        self._levels: list[int] | None = None
        self._chance = chance
        self._start = chance.randrange(pieces) if pieces else 0
        self._share = (0, pieces)
        self._readers: tuple[int, ...] = ()
        self._turn = 0
        self.want(wanted)

    @property
    def finished(self) -> bool:
        """Whether every wanted piece is DONE."""
        return self._sets[PieceState.DONE] == self._wanted

    @property
    def needed(self) -> int:
        """How many wanted pieces nobody has been asked for."""
        return self._sets[PieceState.NEEDED].bit_count()

    def want(self, pieces: Iterable[int]) -> None:
        """Want these too; those wanted already stay in their state."""
        more = set_of(pieces, self._pieces) & ~self._wanted
        self._wanted |= more
        self._sets[PieceState.NEEDED] |= more

    def state(self, piece: int) -> PieceState | None:
        """The state of a piece; None when it is not wanted."""
        if piece < 0:
            return None
        for state, pieces in self._sets.items():
            if pieces >> piece & 1:
                return state
        return None

    def read_from(self, positions: Iterable[int]) -> None:
        """Pick for readers, who wait at these pieces; rarest first for none.

        What they wait for comes first, as they are given, and then what follows each of them, in
        order, in turns.
        """
        self._readers = tuple(positions)
        self._turn = 0

    def take_share(self, rank: int, takers: int) -> None:
        """Begin with this taker's part, of as many as fetch the same at the same time.

        They that know of one another ask a source for different pieces, and trade them.
        """
        self._share = (rank * self._pieces // takers, (rank + 1) * self._pieces // takers)

    def set_source(self, source: Hashable, held: Bitfield) -> None:
        """What a source has, replacing what was known of it."""
        self._sources[source] = held.as_integer()
        self._levels = None

    def add_to_source(self, source: Hashable, pieces: Iterable[int]) -> None:
        """Pieces a source has gained; ones that do not exist change nothing."""
        if source in self._sources:
            self._sources[source] |= set_of(pieces, self._pieces)
            self._levels = None

    def take_from_source(self, source: Hashable, piece: int) -> None:
        """A source turned out not to have a piece."""
        if self.has(source, piece):
            self._sources[source] ^= 1 << piece
            self._levels = None

    def drop_source(self, source: Hashable) -> None:
        """Forget a source; what it was asked for must be put back by the caller."""
        if self._sources.pop(source, None) is not None:
            self._levels = None

    def has(self, source: Hashable, piece: int) -> bool:
        """Whether a source has a piece."""
        return piece >= 0 and bool(self._sources.get(source, 0) >> piece & 1)

    def held_by(self, source: Hashable) -> int:
        """How many pieces a source has."""
        return self._sources.get(source, 0).bit_count()

    def has_all(self, source: Hashable) -> bool:
        """Whether a source has everything there is."""
        return self.held_by(source) == self._pieces

    def useful(self, source: Hashable) -> bool:
        """Whether a source has anything that nobody has been asked for."""
        return bool(self._sets[PieceState.NEEDED] & self._sources.get(source, 0))

    def pick(self, source: Hashable, *, own: bool = False) -> int | None:
        """A NEEDED piece this source has, now ASKED; None when there is none.

        With `own`, only what a reader waits for or is of our share: others will bring theirs.
        """
        open_to = self._sets[PieceState.NEEDED] & self._sources.get(source, 0)
        piece = next((at for at in self._readers if open_to >> at & 1), None)
        if own:
            low, high = self._share
            open_to &= (1 << high) - (1 << low)
        if piece is None:
            if not open_to:
                return None
            piece = self._ahead(open_to)
        if piece is None:
            piece = self._among(self._rarest(open_to))
        self._move(piece, PieceState.ASKED)
        return piece

    def put_back(self, piece: int) -> None:
        """An ASKED or ARRIVED piece did not come, or was bad: NEEDED again."""
        if self.state(piece) in (PieceState.ASKED, PieceState.ARRIVED):
            self._move(piece, PieceState.NEEDED)

    def arrived(self, piece: int) -> bool:
        """A piece came whole; False when it is here already or not wanted, so not needed again."""
        if self.state(piece) not in (PieceState.NEEDED, PieceState.ASKED):
            return False
        self._move(piece, PieceState.ARRIVED)
        return True

    def done(self, piece: int) -> None:
        """A piece is on disk and recorded."""
        if self.state(piece) is not None:
            self._move(piece, PieceState.DONE)

    def _ahead(self, pieces: int) -> int | None:
        """What one of the readers will read next."""
        for _ in self._readers:
            position = self._readers[self._turn % len(self._readers)]
            self._turn += 1
            if (piece := _first(pieces, position, self._pieces)) is not None:
                return piece
        return None

    def _move(self, piece: int, target: PieceState) -> None:
        bit = 1 << piece
        for state, pieces in self._sets.items():
            if pieces & bit:
                self._sets[state] = pieces ^ bit
                break
        self._sets[target] |= bit

    def _rarest(self, pieces: int) -> int:
        """Those of `pieces` that the fewest sources have."""
        if self._levels is None:
            self._levels = self._count_levels()
        for common in self._levels[1:]:
            if rare := pieces & ~common:
                return rare
        return pieces

    def _count_levels(self) -> list[int]:
        """At place k, the pieces that more than k sources have."""
        levels = [0] * LEVELS
        for held in self._sources.values():
            carry = held
            for level, pieces in enumerate(levels):
                levels[level], carry = pieces | carry, pieces & carry
                if not carry:
                    break
        return levels

    def _among(self, pieces: int) -> int:
        """One of `pieces`, which are equally good: of our share the next in order, else any.

        In order, because what lies together is read and written together.
        """
        low, high = self._share
        start = self._start if low <= self._start < high else low
        for begin, end in ((start, high), (low, start)):
            if (piece := _first(pieces, begin, end)) is not None:
                return piece
        somewhere = self._chance.randrange(self._pieces)
        piece = _first(pieces, somewhere, self._pieces)
        return _lowest(pieces) if piece is None else piece


def set_of(pieces: Iterable[int], length: int) -> int:
    """A set of the pieces that are below `length`, as an integer."""
    bits = bytearray((length + 7) // 8)
    for piece in pieces:
        if 0 <= piece < length:
            bits[piece >> 3] |= 1 << (piece & 7)
    return int.from_bytes(bits, "little")


def _first(pieces: int, begin: int, end: int) -> int | None:
    rest = pieces >> begin
    if not rest:
        return None
    piece = begin + _lowest(rest)
    return piece if piece < end else None


def _lowest(pieces: int) -> int:
    return (pieces & -pieces).bit_length() - 1
