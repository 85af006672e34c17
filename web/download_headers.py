"""What a download says of itself in HTTP: name, type, tag, and which part was asked for. Pure."""

import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from protocol.paths import clean_name

_SAFE = frozenset(
    {
        "application/pdf",
        "application/zip",
        "audio/flac",
        "audio/mp4",
        "audio/mpeg",
        "audio/ogg",
        "audio/wav",
        "audio/x-wav",
        "image/avif",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "video/mp4",
        "video/ogg",
        "video/webm",
    }
)
SANDBOX = "default-src 'none'; sandbox; frame-ancestors 'none'"
"""The content security policy of what people shared: should a browser show it all the same, then
as a stranger to this page, without scripts."""
_KINDS = mimetypes.MimeTypes()
_RANGE = re.compile(r"bytes=\s*(\d{0,19})-(\d{0,19})\s*", re.ASCII)
_ATTRIBUTE = "!#$&+-.^_`|~"


@dataclass(frozen=True)
class Part:
    """Bytes `start` up to, not including, `stop` of a file of `size`; `partial` if asked so."""

    start: int
    stop: int
    size: int
    partial: bool

    @property
    def content_range(self) -> str:
        """The value of Content-Range for a 206."""
        return f"bytes {self.start}-{self.stop - 1}/{self.size}"


class UnsatisfiableError(Exception):
    """The range asked for lies outside the file: 416."""


def content_disposition(name: str) -> str:
    """Save it, under this name, in old browsers and new."""
    name = clean_name(name)
    fallback = "".join(char if " " <= char <= "~" and char not in '"\\%' else "_" for char in name)
    extended = quote(name, safe=_ATTRIBUTE)
    return f"attachment; filename=\"{fallback}\"; filename*=UTF-8''{extended}"


def content_type(name: str) -> str:
    """The type, for pictures, sound, video and PDF; anything a browser could run is just bytes."""
    kind = _KINDS.guess_type(f"x.{name.rpartition('.')[2]}")[0]
    return kind if kind in _SAFE else "application/octet-stream"


def entity_tag(entry: str, index: int) -> str:
    """The strong ETag of one file of an entry, whose content never changes."""
    return f'"{entry}-{index}"'


def asked_part(headers: Mapping[str, str], size: int, tag: str) -> Part:
    """The part a request asks for. Several ranges, or another version's, give the whole file."""
    whole = Part(0, size, size, False)
    found = _RANGE.fullmatch(headers.get("Range", ""))
    if found is None or headers.get("If-Range", tag) != tag:
        return whole
    first, last = found.groups()
    if first:
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < int(first):
            return whole
    elif last:
        start, stop = max(0, size - int(last)), size
    else:
        return whole
    if start >= stop:
        raise UnsatisfiableError
    return Part(start, stop, size, True)
