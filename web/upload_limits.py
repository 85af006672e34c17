"""What may be uploaded: names, paths, sizes, numbers; each refusal says what to do. Pure."""

import os
from pathlib import Path

from protocol.fields import MAX_PIECES
from protocol.geometry import MAX_PIECE_LENGTH
from protocol.manifest import MAX_FILES
from protocol.messages.upload_rules import Resolution, Rules
from protocol.paths import check_relative_path, clean_name
from protocol.upload_rules import is_allowed, types_text
from web.answers import AnswerError, invalid

MAX_SIZE = MAX_PIECES * MAX_PIECE_LENGTH
MAX_UNFINISHED = 1000
_LONGEST_WHOLE_PATH = 4095
_GIB = 1 << 30


def checked_name(name: str) -> str:
    """A name fit to keep; AnswerError when there is none."""
    if not name:
        raise invalid("Give the file's name, as “name” in Upload-Metadata.")
    return clean_name(name)


def check_size(name: str, size: int) -> None:
    """AnswerError when one entry cannot be so large."""
    if size > MAX_SIZE:
        most = f"{MAX_SIZE >> 40} TiB, the most one entry can hold"
        text = f"“{name}” is over {most}. Share it in parts."
        raise AnswerError(413, "too_large", text)


def check_rules(name: str, size: int, rules: Rules, *, folder: bool = False) -> None:
    """AnswerError for what the owner of this machine does not take."""
    if not folder and not is_allowed(name, rules.types):
        text = (
            f"“{name}” is not taken: only {types_text(rules.types)} may be uploaded here. "
            "Save it as one of these, or ask the owner of this machine to allow it."
        )
        raise AnswerError(415, "type", text)
    if rules.largest is not None and size > rules.largest:
        text = (
            f"“{name}” has {size_text(size)}, and uploads here may have "
            f"{size_text(rules.largest)} at most. Make it smaller, share it in parts, or ask the "
            "owner of this machine to allow more."
        )
        raise AnswerError(413, "too_large", text)


def check_resolution(name: str, width: int, height: int, least: Resolution | None) -> None:
    """AnswerError for a picture that is smaller than pictures must be."""
    if least is not None and (width < least.width or height < least.height):
        text = (
            f"“{name}” is {width} x {height}; pictures here must be at least "
            f"{least.width} x {least.height}. Upload a larger one."
        )
        raise AnswerError(422, "too_small", text)


def size_text(size: int) -> str:
    """Bytes as the page says them."""
    for unit, each in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 1000)):
        if size >= each:
            return f"{size / each:.4g} {unit}"
    return f"{size} bytes"


def check_room(name: str, needed: int, free: int) -> None:
    """AnswerError when the disk cannot take it, with what is promised to other uploads."""
    if needed > free:
        text = (
            f"“{name}” does not fit: it needs {_gib(needed)}, this machine's disk has "
            f"{_gib(max(0, free))} left. Make room there, or upload on another machine."
        )
        raise AnswerError(507, "no_room", text)


def check_files(name: str, files: int) -> None:
    """AnswerError for a folder with no files, or too many."""
    if files < 1:
        raise invalid(f"“{name}” has no files in it: there is nothing to share.")
    if files > MAX_FILES:
        text = (
            f"“{name}” has over {MAX_FILES} files, the most one entry can hold. Share parts of it."
        )
        raise AnswerError(413, "too_large", text)


def check_number(unfinished: int) -> None:
    """AnswerError when too many uploads were begun."""
    if unfinished >= MAX_UNFINISHED:
        text = f"{MAX_UNFINISHED} uploads are unfinished. Finish or cancel some of them first."
        raise AnswerError(429, "too_many", text)


def check_about(caption: str, tags: tuple[str, ...]) -> None:
    """AnswerError for a caption or tags an entry cannot have."""
    if len(caption) > 4096:
        raise invalid("The caption is too long: 4096 characters at most.")
    if len(tags) > 32 or any(len(tag) > 64 for tag in tags):
        raise invalid("At most 32 tags of 64 characters each.")


def checked_path(path: str, tree: Path) -> str:
    """A path inside a folder; AnswerError when it leads elsewhere or is too long to be kept."""
    try:
        check_relative_path(path)
    except ValueError as error:
        raise invalid(f"{str(error).capitalize()}. Rename it, then upload again.") from None
    if len(os.fsencode(tree / path)) > _LONGEST_WHOLE_PATH:
        raise invalid(f"The path “{path[:80]}…” is too long for this machine. Shorten it.")
    return path


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f} GiB" if size >= _GIB // 10 else f"{size / (1 << 20):.1f} MiB"
