"""Whom a person means by a name or a key. Pure."""

from collections.abc import Iterable

SHORTEST_KEY = 6
"""Hexadecimal digits of a key that tell whom one means."""


def keys_called(called: str, everybody: Iterable[tuple[bytes, str]]) -> list[bytes]:
    """The keys of those of this name, whatever its case; else of those whose key begins so."""
    members = list(everybody)
    wanted = called.strip().casefold()
    named = [key for key, name in members if name.casefold() == wanted]
    if named or len(wanted) < SHORTEST_KEY or not wanted.isascii():
        return named
    return [key for key, _ in members if key.hex().startswith(wanted)]
