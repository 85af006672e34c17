"""The rules for uploads as people write them, and what they allow. Pure."""

import re
from collections.abc import Collection

from protocol.errors import InvalidTextError
from protocol.kinds import ContentKind, content_kind, endings_of
from protocol.messages.upload_rules import MOST_TYPES, Resolution
from protocol.pictures import MOST_SIDE

KINDS: tuple[ContentKind, ...] = ("image", "video", "audio", "document", "archive")
_ENDING = re.compile(r"\.?[^\s/\\.,]+(\.[^\s/\\.,]+)*")
_LONGEST = 32


def tidy_types(types: Collection[str]) -> tuple[str, ...]:
    """Kinds as they are and endings with their dot, each once; InvalidTextError for others."""
    found = tuple(dict.fromkeys(_tidy(each.strip().casefold()) for each in types))
    if len(found) > MOST_TYPES:
        raise InvalidTextError(f"more than {MOST_TYPES} types: name kinds, like image")
    return found


def _tidy(text: str) -> str:
    if text in KINDS:
        return text
    if not _ENDING.fullmatch(text) or len(text) >= _LONGEST:
        raise InvalidTextError(
            f"{text[:50]!r} is no type of files: write {', '.join(KINDS)}, "
            "or how names end, like .pdf"
        )
    return "." + text.removeprefix(".")


def is_allowed(name: str, types: Collection[str]) -> bool:
    """Whether a file of this name is of one of the types; no types: all are."""
    lower = name.casefold()
    kind = content_kind("file", name)
    return not types or any(
        lower.endswith(each) and len(lower) > len(each) if each.startswith(".") else kind == each
        for each in types
    )


def endings_allowed(types: Collection[str]) -> tuple[str, ...]:
    """How names of these types end, each with its dot; none for no types."""
    found: dict[str, None] = {}
    for each in types:
        kinds = [kind for kind in KINDS if kind == each]
        found |= dict.fromkeys(f".{ending}" for kind in kinds for ending in endings_of(kind))
        if not kinds:
            found[each] = None
    return tuple(found)


def types_text(types: Collection[str]) -> str:
    """The types for a person: "image, .pdf"."""
    return ", ".join(types)


def parse_resolution(text: str) -> Resolution:
    """Width and height from "1024x786"; InvalidTextError otherwise."""
    found = re.fullmatch(r"(\d{1,7})\s*[x\u00d7]\s*(\d{1,7})", text.strip().casefold(), re.ASCII)
    if found is None or not all(1 <= int(side) <= MOST_SIDE for side in found.groups()):
        raise InvalidTextError(f"{text[:50]!r} is no resolution; write it like 1024x786")
    return Resolution(width=int(found[1]), height=int(found[2]))


def resolution_text(resolution: Resolution) -> str:
    """As `parse_resolution` reads it."""
    return f"{resolution.width}x{resolution.height}"
