"""Lengths of time as people write them: 30s, 15m, 24h, 7d."""

import re

from protocol.errors import InvalidTextError

LONGEST = 366 * 86_400
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SHAPE = re.compile(r"([0-9]{1,9})([smhd])", re.ASCII)


def parse_duration(text: str) -> int:
    """Seconds, 1 up to 366 days; InvalidTextError for anything else."""
    shape = _SHAPE.fullmatch(text.strip().lower())
    if shape is None:
        raise InvalidTextError(f"{text!r} is not a length of time: write 30s, 15m, 24h or 7d")
    seconds = int(shape[1]) * _UNITS[shape[2]]
    if not 1 <= seconds <= LONGEST:
        raise InvalidTextError(f"{text!r} is out of bounds: from 1s to 366d")
    return seconds
