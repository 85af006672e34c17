"""JSON without what can fake a page or a terminal: names come from every member. Pure.

The same signs as in `protocol.paths.clean_name`, but for line ends and tabs, which captions have.
"""

import re
from typing import Any

import msgspec

_MARKS = "\x7f\u061c\u200e\u200f\u2028\u2029\ufeff"
_RANGES = (("\x80", "\x9f"), ("\u202a", "\u202e"), ("\u2066", "\u2069"))
_FAKING = [char.encode() for char in _MARKS]
_FAKING += [chr(n).encode() for a, z in _RANGES for n in range(ord(a), ord(z) + 1)]
# Every backslash begins an escape, so pairs are taken whole: \\u001b is no control.
_SIGNS = re.compile(rb"\\u00[01][0-9a-f]|\\[bfr]|\\[^bfr]|" + b"|".join(_FAKING), re.DOTALL)


def encode(content: Any) -> bytes:
    """`content` as JSON; controls and marks of direction in its texts become "_"."""
    return _SIGNS.sub(_replaced, msgspec.json.encode(content))


def _replaced(found: re.Match[bytes]) -> bytes:
    sign = found[0]
    kept = sign[:1] == b"\\" and sign[1:2] not in b"bfr" and sign[1:4] != b"u00"
    return sign if kept else b"_"
