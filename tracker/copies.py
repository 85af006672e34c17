"""How many copies there are: the holders of the worst-held piece. Pure bit arithmetic.

Counts of all pieces at once are kept as binary digits, one big integer for each digit, so a
manifest of many pieces and holders costs a handful of integer operations each.
"""

from collections.abc import Iterable


def count_pieces(bits: bytes | None, pieces: int) -> int:
    """How many pieces a holding has; None is all of them."""
    return pieces if bits is None else min(int.from_bytes(bits).bit_count(), pieces)


def worst_copies(pieces: int, full: int, partial: Iterable[bytes]) -> int:
    """The smallest number of holders any piece has, given `full` holders and partial ones."""
    if pieces == 0:
        return full
    width = (pieces + 7) // 8
    everything = ((1 << pieces) - 1) << (width * 8 - pieces)
    digits: list[int] = []
    for bits in partial:
        if len(bits) == width:
            _add(digits, int.from_bytes(bits) & everything)
    return full + _smallest(digits, everything)


def _add(digits: list[int], carry: int) -> None:
    """Add one to the count of every piece in `carry`."""
    for place, digit in enumerate(digits):
        digits[place], carry = digit ^ carry, digit & carry
    if carry:
        digits.append(carry)


def _smallest(digits: list[int], candidates: int) -> int:
    """The smallest count among the candidates, highest digit first."""
    smallest = 0
    for place in reversed(range(len(digits))):
        zeros = candidates & ~digits[place]
        if zeros:
            candidates = zeros
        else:
            smallest |= 1 << place
    return smallest


def missing_pieces(pieces: int, wanted: int, full: int, partial: Iterable[bytes]) -> int:
    """How many pieces to copy until each has `wanted` holders; one that lacks two counts twice."""
    short = wanted - full
    if short <= 0 or pieces == 0:
        return 0
    width = (pieces + 7) // 8
    everything = ((1 << pieces) - 1) << (width * 8 - pieces)
    at_least = [everything] + [0] * short
    for bits in partial:
        if len(bits) == width:
            held = int.from_bytes(bits) & everything
            for number in range(short, 0, -1):
                at_least[number] |= at_least[number - 1] & held
    return sum(pieces - held.bit_count() for held in at_least[1:])
