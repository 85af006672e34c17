"""Sets of entries as bits of one integer, bit n for entry number n: pure.

A million entries are 125 KB, and what two sets share takes microseconds.
"""

from array import array
from collections.abc import Collection, Iterable, Iterator
from itertools import compress, count

_SET = ord("1")
_SPARSE = 24
"""With less than one of so many numbers in it, a set is made, or read, bit by bit."""
_FEW = 8
"""So many numbers are shifted to their places before all places could be laid out."""
_BITS = bytes(1 << at for at in range(8))
_WORD = 64
_PART = 512
"""Bytes."""
_NOTHING = bytes(_PART)
_AS_FLAGS = bytes.maketrans(b"01", b"\0\1")


def mask_of(numbers: Collection[int], length: int) -> int:
    """The set of these numbers, each less than `length`."""
    if len(numbers) <= _FEW:
        found = 0
        for number in numbers:
            found |= 1 << number
        return found
    if len(numbers) * _SPARSE < length:
        bits = bytearray((length + 7) // 8)
        for number in numbers:
            bits[number >> 3] |= _BITS[number & 7]
        return int.from_bytes(bits, "little")
    digits = bytearray(b"0") * max(1, length)
    for number in numbers:
        digits[number] = _SET
    digits.reverse()
    return int(digits, 2)


def bits_of(mask: int) -> bytes:
    """The set as bytes, eight numbers in each, the lowest in the lowest bit."""
    return mask.to_bytes(mask.bit_length() // 8 + 1, "little")


def bits_among(bits: bytes, numbers: Iterable[int]) -> list[int]:
    """Those of some numbers that are in a set of `bits_of`, in their order."""
    top = len(bits) * 8
    return [one for one in numbers if one < top and bits[one >> 3] >> (one & 7) & 1]


def numbers_of(mask: int) -> list[int]:
    """The numbers in the set, in order."""
    if mask.bit_count() * _SPARSE > mask.bit_length():
        flags = f"{mask:b}"[::-1].encode().translate(_AS_FLAGS)
        return list(compress(count(), flags))
    whole = mask.to_bytes((mask.bit_length() // (8 * _PART) + 1) * _PART, "little")
    found: list[int] = []
    for begin in range(0, len(whole), _PART):
        part = whole[begin : begin + _PART]
        # Where nothing is, one comparison tells so of thousands.
        if part != _NOTHING:
            found += _numbers_in(array("Q", part), begin * 8)
    return found


def _numbers_in(words: "array[int]", begin: int) -> Iterator[int]:
    for at in compress(count(), words):
        word = words[at]
        while word:
            lowest = word & -word
            yield begin + at * _WORD + lowest.bit_length() - 1
            word ^= lowest
