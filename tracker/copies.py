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
