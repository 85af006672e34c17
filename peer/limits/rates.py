"""Rates as people write them: bytes a second, None for no limit."""

import msgspec

from peer.errors import UsageError
from peer.units import parse_size

LEAST_RATE = 50_000
"""Below it one portion would be more than a third of a second's worth, and no limit kept."""
MOST_RATE = 1 << 40
NONE = "none"
_UNITS = {
    f"{letter}{end}": base**power
    for power, letter in enumerate("KMGT", start=1)
    for end, base in (("B", 1000), ("iB", 1024))
}


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Both directions."""

    up: int | None = None
    down: int | None = None


def parse_rate(text: str) -> int | None:
    """Bytes a second from "5MB", "1.5 MiB/s" or "none". UsageError otherwise."""
    trimmed = text.strip().lower().removesuffix("/s")
    if trimmed == NONE:
        return None
    try:
        rate = parse_size(trimmed)
    except UsageError:
        raise UsageError(
            f"{text!r} is not a rate; write bytes a second like 5MB or 800KiB, or {NONE}"
        ) from None
    if not LEAST_RATE <= rate <= MOST_RATE:
        raise UsageError(f"{text!r} is out of bounds: from 50KB to 1TiB a second, or {NONE}")
    return rate


def rate_text(rate: int | None) -> str:
    """The shortest text that `parse_rate` reads as exactly this rate."""
    if rate is None:
        return NONE
    whole = {unit: rate // size for unit, size in _UNITS.items() if rate % size == 0}
    unit, number = min(whole.items(), key=lambda item: item[1], default=("B", rate))
    return f"{number}{unit}"
