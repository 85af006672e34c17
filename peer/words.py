"""Numbers, sizes, times and names as people are told them."""

import time
from collections.abc import Sequence

MOST_NAMES = 3


def bytes_text(size: float) -> str:
    """A number of bytes for a person."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def duration_text(seconds: float) -> str:
    """A length of time for a person."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours == 0:
        return f"{minutes} min"
    return f"{hours} h {minutes} min" if hours < 48 else f"{round(hours / 24)} days"


def counted(number: int, noun: str, nouns: str = "") -> str:
    """A number with its noun; `nouns` where they are more than an s longer."""
    return f"{number} {noun}" if number == 1 else f"{number} {nouns or noun + 's'}"


def entries_text(number: int) -> str:
    """A number of entries."""
    return counted(number, "entry", "entries")


def listed(names: Sequence[str]) -> str:
    """A few names, and how many more there are."""
    if len(names) > MOST_NAMES:
        names = (*names[: MOST_NAMES - 1], f"{len(names) - MOST_NAMES + 1} more")
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def moment_text(milliseconds: int) -> str:
    """A moment since 1970, by this machine's clock and zone: "2026-11-21 14:05"."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(milliseconds / 1000))
