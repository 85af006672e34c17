"""What tus 1.0 says in headers: lengths, metadata, checksums, moments. Pure."""

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from web.answers import AnswerError, invalid

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,checksum,termination,expiration"
BODY_TYPE = "application/offset+octet-stream"
CHECKSUM_MISMATCH = 460
_HASHES: dict[str, Callable[[], Any]] = {"sha1": hashlib.sha1, "sha256": hashlib.sha256}
ALGORITHMS = ",".join(_HASHES)


@dataclass(frozen=True)
class Checksum:
    """What the bytes of one request must hash to."""

    algorithm: str
    digest: bytes

    def begin(self) -> Any:
        """A fresh hash of this kind."""
        return _HASHES[self.algorithm]()


def parse_length(text: str | None, name: str) -> int:
    """A header that is a count of bytes; AnswerError when it is none."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) < 20):
        raise invalid(f"Send {name} as a whole number of bytes.")
    return int(text)


def parse_metadata(text: str) -> dict[str, str]:
    """The pairs of Upload-Metadata; AnswerError for what is not base64 of UTF-8."""
    pairs: dict[str, str] = {}
    for pair in text.split(",") if text.strip() else ():
        key, _, value = pair.strip().partition(" ")
        if not key or not key.isascii() or key in pairs:
            raise invalid("Upload-Metadata must name each key once.")
        try:
            pairs[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeError, ValueError):
            raise invalid(f"“{key}” in Upload-Metadata must be UTF-8 text in base64.") from None
    return pairs


def parse_checksum(text: str | None) -> Checksum | None:
    """Upload-Checksum, if there is one; AnswerError when it is of a kind we do not know."""
    if text is None:
        return None
    algorithm, _, value = text.strip().partition(" ")
    if algorithm not in _HASHES:
        raise invalid(f"Upload-Checksum must be one of {ALGORITHMS}.")
    try:
        digest = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Upload-Checksum must be in base64.") from None
    if len(digest) != _HASHES[algorithm]().digest_size:
        raise invalid(f"Upload-Checksum has the wrong length for {algorithm}.")
    return Checksum(algorithm, digest)


def checksum_mismatch() -> AnswerError:
    """A 460: these bytes were not taken."""
    text = "These bytes changed on their way; they were not taken. Send them again."
    return AnswerError(CHECKSUM_MISMATCH, "checksum", text)


def http_date(milliseconds: int) -> str:
    """A moment as Upload-Expires has it."""
    return formatdate(milliseconds / 1000, usegmt=True)
