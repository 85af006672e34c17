"""What of an entry can be searched for, and how words are compared: pure.

Text and words are folded alike (compatibility forms, upper and lower case), and split at white
space. A word of three characters or more is looked for by trigrams; shorter ones by terms, the
distinct one- and two-character runs of each word.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

MAX_WORDS = 32
LONG_WORD = 3


@dataclass(frozen=True)
class Words:
    """A query taken apart: all of `long` and all of `short` must be found."""

    long: tuple[str, ...]
    short: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.long or self.short)


def fold(text: str) -> str:
    """Text as it is compared; controls (and NUL, which ends a query early) become spaces."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(" " if unicodedata.category(char) in ("Cc", "Cs") else char for char in folded)


def split_query(text: str) -> Words:
    """The words of a query; those past MAX_WORDS are left out, being plenty."""
    words = list(dict.fromkeys(fold(text).split()))[:MAX_WORDS]
    return Words(
        long=tuple(word for word in words if len(word) >= LONG_WORD),
        short=tuple(word for word in words if len(word) < LONG_WORD),
    )


def searchable(parts: Iterable[str]) -> str:
    """The folded text of an entry's name, caption, tags and author."""
    return "\n".join(fold(part) for part in parts)


def terms(folded: str) -> list[str]:
    """Every one- and two-character run inside the words of a folded text, once each."""
    found: dict[str, None] = {}
    for word in folded.split():
        for at in range(len(word)):
            found[word[at]] = None
            found[word[at : at + 2]] = None
    return list(found)
