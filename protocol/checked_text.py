"""Strings that people copy and type: `twofold-<kind>-<base32>`, checksum over kind and payload.

White space and case do not matter when reading. Refuses, with a sentence for a person, what is not
a Twofold string, what is of another kind, and what lost or changed a character on the way.
"""

import binascii
import re
from base64 import b32decode, b32encode

from protocol.errors import InvalidTextError, LocalProtocolError
from protocol.hashing import checksum

_CHECKSUM_LENGTH = 4
_KIND = re.compile(r"[a-z]{1,16}")
_SHAPE = re.compile(r"twofold-([^-]*)-(.*)")


def encode(kind: str, payload: bytes) -> str:
    """The text for `payload`. `kind` is 1..16 letters a-z, else LocalProtocolError."""
    if not _KIND.fullmatch(kind):
        raise LocalProtocolError(f"{kind!r} cannot be a kind of text")
    return f"twofold-{kind}-{_to_base32(payload + _check(kind, payload))}"


def decode(kind: str, text: str) -> bytes:
    """The payload of a text made by `encode` for this `kind`, else InvalidTextError.

    White space anywhere is ignored, upper case is taken for lower.
    """
    shape = _SHAPE.fullmatch("".join(text.split()).lower())
    if shape is None:
        raise InvalidTextError(
            f"this is not {_one(kind)}: that starts with twofold-{kind}- ; "
            "copy the whole of it, from the first character to the last"
        )
    found, letters = shape.groups()
    payload = _open(found, letters)
    if payload is None:
        raise InvalidTextError(
            f"this is not a usable {kind}: the checksum does not match: "
            "a character is missing or mistyped; copy it again"
        )
    if found != kind:
        raise InvalidTextError(
            f"this is {_one(found)}, not {_one(kind)}; paste {_one(kind)} here, "
            f"and this where {_one(found)} is asked for"
        )
    return payload


def _open(kind: str, letters: str) -> bytes | None:
    """The payload, or None if anything in kind, letters or checksum is off."""
    if not _KIND.fullmatch(kind) or not letters.isascii():
        return None
    try:
        everything = b32decode(letters.upper() + "=" * (-len(letters) % 8))
    except binascii.Error:
        return None
    # Python ignores the unused bits of the last letter: without this, some typos would pass.
    if _to_base32(everything) != letters:
        return None
    payload, check = everything[:-_CHECKSUM_LENGTH], everything[-_CHECKSUM_LENGTH:]
    return payload if check == _check(kind, payload) else None


def _to_base32(everything: bytes) -> str:
    return b32encode(everything).decode("ascii").rstrip("=").lower()


def _check(kind: str, payload: bytes) -> bytes:
    return checksum(kind.encode("ascii") + b"\0" + payload)


def _one(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
