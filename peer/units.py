"""Sizes as people write them."""

import re
from decimal import Decimal

from peer.errors import UsageError

_UNITS = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgt", start=1):
    _UNITS[_letter] = _UNITS[f"{_letter}ib"] = 1024**_power
    _UNITS[f"{_letter}b"] = 1000**_power


def parse_size(text: str) -> int:
    """Bytes from "100GiB", "2TB", "0", "1.5 GiB"; a bare letter is binary. UsageError otherwise."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    if match is None or match[2] not in _UNITS:
        raise UsageError(f"{text!r} is not a size; write it like 500GiB or 2TB")
    return int(Decimal(match[1]) * _UNITS[match[2]])
