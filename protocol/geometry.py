"""Where pieces lie in stored content: fixed length, natural offsets, a few of them shorter.

Files of at least one piece start on a piece boundary, so their last piece is short; smaller files
are packed together behind them. Pure arithmetic.
"""

import struct
from dataclasses import dataclass
from itertools import pairwise

MIN_PIECE_LENGTH = 256 << 10
MAX_PIECE_LENGTH = 16 << 20
WANTED_PIECES = 2_000
_PAIR = struct.Struct("<II")
SHORT_LENGTH = _PAIR.size


def choose_piece_length(content_length: int) -> int:
    """The least power of two from 256 KiB to 16 MiB that gives at most 2,000 pieces."""
    piece_length = MIN_PIECE_LENGTH
    while piece_length < MAX_PIECE_LENGTH and content_length > piece_length * WANTED_PIECES:
        piece_length *= 2
    return piece_length


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Piece `i` is `piece_size(i)` bytes at `i * piece_length`; `short` lists those not full."""

    piece_length: int
    length: int
    short: dict[int, int]

    @property
    def pieces(self) -> int:
        """How many pieces there are."""
        return -(-self.length // self.piece_length)

    def piece_size(self, piece: int) -> int:
        """Bytes in one piece; IndexError when there is no such piece."""
        if not 0 <= piece < self.pieces:
            raise IndexError(f"piece {piece} of {self.pieces}")
        size = self.short.get(piece)
        if size is not None:
            return size
        return min(self.piece_length, self.length - piece * self.piece_length)

    def overlapping(self, offset: int, size: int) -> range:
        """The pieces that hold any of `size` bytes at `offset`."""
        if size == 0:
            return range(0)
        return range(offset // self.piece_length, -(-(offset + size) // self.piece_length))


def pack_short(short: dict[int, int]) -> bytes:
    """Eight bytes for each short piece: index, size, little-endian, by index."""
    return b"".join(_PAIR.pack(piece, size) for piece, size in sorted(short.items()))


def unpack_short(packed: bytes) -> dict[int, int]:
    """Undo `pack_short`; ValueError when it is not whole pairs in rising order."""
    if len(packed) % _PAIR.size:
        raise ValueError("short pieces are not whole pairs")
    pairs = list(_PAIR.iter_unpack(packed))
    if any(a[0] >= b[0] for a, b in pairwise(pairs)):
        raise ValueError("short pieces are not in rising order")
    return dict(pairs)


def place_files(sizes: list[int], piece_length: int) -> tuple[list[int], Geometry]:
    """Lay files out: the offset of each, in the order given, and the geometry that results."""
    offsets = [0] * len(sizes)
    short: dict[int, int] = {}
    position = 0
    for index, size in enumerate(sizes):
        if size >= piece_length:
            offsets[index] = position
            tail = size % piece_length
            position += size
            if tail:
                short[position // piece_length] = tail
                position += piece_length - tail
    packed_from = position
    for index, size in enumerate(sizes):
        # Empty files lie at 0: behind the last piece would be outside the content.
        if 0 < size < piece_length:
            offsets[index] = position
            position += size
    if position == packed_from and short:
        # Nothing is packed behind the last big file, so the content ends where that file does.
        last = max(short)
        if (last + 1) * piece_length == position:
            position -= piece_length - short.pop(last)
    return offsets, Geometry(piece_length=piece_length, length=position, short=short)
