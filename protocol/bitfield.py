"""Which pieces of a manifest are held: one bit a piece, the first piece in the highest bit.

The wire form is the bits, with `None` for "all of them", the usual case, and b"" for "nothing".
"""

from collections.abc import Iterable, Iterator

from protocol.errors import RemoteProtocolError

_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Bitfield:
    """A set of piece indices in 0..length-1, counting as it goes.

    "All" and "nothing", the usual cases, are kept as a number alone and cost no memory.
    """

    __slots__ = ("_bits", "count", "length")

    def __init__(self, length: int, *, full: bool = False) -> None:
        self.length = length
        self.count = length if full else 0
        self._bits: bytearray | None = None
        """None when full or empty, which `count` tells."""

    def __contains__(self, piece: int) -> bool:
        if not 0 <= piece < self.length:
            return False
        if self._bits is None:
            return self.count > 0
        return bool(self._bits[piece >> 3] & (0x80 >> (piece & 7)))

    def __iter__(self) -> Iterator[int]:
        if self._bits is None:
            yield from range(self.count)
            return
        for index, byte in enumerate(self._bits):
            if byte:
                base = index * 8
                for bit in range(8):
                    if byte & (0x80 >> bit):
                        yield base + bit

    def __len__(self) -> int:
        return self.count

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Bitfield):
            return NotImplemented
        if (self.length, self.count) != (other.length, other.count):
            return False
        return self._bits == other._bits or self.to_bytes() == other.to_bytes()

    __hash__ = None  # type: ignore[assignment]

    @property
    def full(self) -> bool:
        """Whether every piece is held."""
        return self.count == self.length

    def add(self, piece: int) -> bool:
        """Add one piece; False when it was there already. IndexError outside the range."""
        if not 0 <= piece < self.length:
            raise IndexError(f"piece {piece} of {self.length}")
        if self._bits is None:
            if self.count:
                return False
            self._bits = bytearray((self.length + 7) // 8)
        mask = 0x80 >> (piece & 7)
        if self._bits[piece >> 3] & mask:
            return False
        self.count += 1
        if self.count == self.length:
            self._bits = None
        else:
            self._bits[piece >> 3] |= mask
        return True

    def discard(self, piece: int) -> bool:
        """Take one piece out; False when it was not there."""
        if piece not in self:
            return False
        if self._bits is None:
            self._bits = bytearray(self.to_bytes())
        self.count -= 1
        if self.count:
            self._bits[piece >> 3] &= ~(0x80 >> (piece & 7)) & 0xFF
        else:
            self._bits = None
        return True

    def update(self, pieces: Iterable[int]) -> None:
        """Add many pieces."""
        for piece in pieces:
            self.add(piece)

    def missing(self) -> Iterator[int]:
        """The pieces not held, in order."""
        return (piece for piece in range(self.length) if piece not in self)

    def copy(self) -> "Bitfield":
        """An independent copy."""
        twin = Bitfield(self.length)
        twin._bits = None if self._bits is None else self._bits[:]
        twin.count = self.count
        return twin

    def to_bytes(self) -> bytes:
        """The bits alone, zero-padded to whole bytes."""
        if self._bits is not None:
            return bytes(self._bits)
        if not self.count:
            return bytes((self.length + 7) // 8)
        whole, rest = divmod(self.length, 8)
        return b"\xff" * whole + (bytes([(0xFF << (8 - rest)) & 0xFF]) if rest else b"")

    def as_integer(self) -> int:
        """The same set with bit i for piece i, so that sets can be combined at once."""
        if self._bits is None:
            return (1 << self.count) - 1
        return int.from_bytes(self._bits.translate(_MIRRORED), "little")

    def to_wire(self) -> bytes | None:
        """None when full, else the bits."""
        return None if self.full else self.to_bytes()


def bitfield_untrusted(bits: bytes | None, length: int) -> Bitfield:
    """Read a wire form for a manifest of `length` pieces; b"" is nothing, of any length.

    Raises RemoteProtocolError when the number of bytes is wrong or a bit past the end is set.
    """
    if bits is None:
        return Bitfield(length, full=True)
    field = Bitfield(length)
    if not bits:
        return field
    if len(bits) != (length + 7) // 8:
        raise RemoteProtocolError(f"bitfield of {len(bits)} bytes for {length} pieces")
    if length % 8 and bits[-1] & (0xFF >> (length % 8)):
        raise RemoteProtocolError(f"bitfield sets bits past piece {length}")
    field.count = int.from_bytes(bits).bit_count()
    if 0 < field.count < length:
        field._bits = bytearray(bits)
    return field
