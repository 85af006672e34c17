"""The names of what is in a folder, as a search finds the folder by them: pure, and bounded."""

from collections.abc import Iterable
from itertools import islice

from protocol.words import fold

MOST_PATHS = 20_000
"""Of a folder with more files the first so many are looked at."""
MOST_BYTES = 64 << 10
"""Of all names together so much is kept, those least deep in the folder first."""


def inner_text(paths: Iterable[str]) -> str:
    """The folded names of files and folders in a folder, each once, one a line."""
    levels: list[dict[str, None]] = []
    for path in islice(paths, MOST_PATHS):
        for depth, name in enumerate(path.split("/")):
            if depth == len(levels):
                levels.append({})
            levels[depth][name] = None
    kept: dict[str, None] = {}
    space = MOST_BYTES
    for name in (name for level in levels for name in level):
        folded = " ".join(fold(name).split())
        if not folded or folded in kept:
            continue
        space -= len(folded.encode()) + 1
        if space < 0:
            break
        kept[folded] = None
    return "\n".join(kept)


def line_with(text: str, groups: Iterable[Iterable[str]]) -> str:
    """The name that has the most of some words, the first of such; "" if none has any."""
    wanted = [tuple(group) for group in groups]
    best, most = "", 0
    for line in text.split("\n"):
        met = sum(any(word in line for word in group) for group in wanted)
        if met > most:
            best, most = line, met
            if most == len(wanted):
                break
    return best
