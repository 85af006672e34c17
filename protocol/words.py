"""How words are compared with text, and how near what is found is to them: pure.

Text and words are folded alike (compatibility forms, upper and lower case), and split at white
space. An entry matches when each word is somewhere in its name, caption, tags or author's name, or
in the name of a file inside.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

MAX_WORDS = 32
LONG_WORD = 3
"""Characters from which on an index of runs of three finds a word."""
EXACT, PREFIX, WORD, PART, INSIDE = 4, 3, 2, 1, 0
"""How near: the name is the words, begins with them, has each as a word; they are somewhere in what
the entry says of itself; or some are only in the names of files inside."""
NAME_BYTES = 200
"""Of a folded name, what names are sorted by: those that are alike so far are sorted by id."""
_CONTROLS = dict.fromkeys((*range(32), 127), " ")
_SPACED = "".join(each if each.isalnum() else " " for each in map(chr, range(128)))


@dataclass(frozen=True)
class Words:
    """A query taken apart: all of `long` and all of `short` must be found."""

    long: tuple[str, ...]
    short: tuple[str, ...]
    together: str = ""
    """The same in the order they were given, one space between."""
    instead: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of words that were put in place of others: all that do as well, the word itself first."""

    def __bool__(self) -> bool:
        return bool(self.long or self.short)

    @property
    def each(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.long, *self.short)

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """All of them, each with what does as well: of each group one must be found."""
        return tuple(self.instead.get(word, (word,)) for word in self.each)


def fold(text: str) -> str:
    """Text as it is compared; controls (and NUL, which ends a query early) become spaces."""
    if text.isascii():
        return text.lower() if text.isprintable() else text.lower().translate(_CONTROLS)
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(" " if unicodedata.category(char) in ("Cc", "Cs") else char for char in folded)


def split_query(text: str) -> Words:
    """The words of a query; those past MAX_WORDS are left out, being plenty."""
    return _words_of(fold(text).split(), {})


def replaced(groups: Iterable[Sequence[str]]) -> Words:
    """The words of a query in which some were replaced: of each group one must be found."""
    some = [tuple(group) for group in groups]
    instead = {group[0]: group for group in reversed(some) if len(group) > 1}
    return _words_of([group[0] for group in some], instead)


def searchable(parts: Iterable[str]) -> str:
    """The folded text of an entry's name, caption, tags and author."""
    return "\n".join(fold(part) for part in parts)


def name_key(name: str) -> str:
    """What names are sorted by, and compared with a whole query."""
    folded = " ".join(fold(name).split())
    return folded.encode()[:NAME_BYTES].decode(errors="ignore")


def spaced(text: str) -> str:
    """The words of folded text between single spaces, one also at either end: " film mp4 "."""
    if text.isascii():
        apart = text.translate(_SPACED)
    else:
        apart = "".join(c if c.isalnum() else " " for c in text)
    return f" {' '.join(apart.split())} "


def nearness(words: Words, key: str, named: str) -> int:
    """How near who has all words is, by the entry's `name_key` and `spaced` words of its name."""
    if key == words.together:
        return EXACT
    if key.startswith(words.together):
        return PREFIX
    whole = all(any(spaced(word) in named for word in group) for group in words.groups)
    return WORD if whole else PART


def _words_of(given: list[str], instead: Mapping[str, tuple[str, ...]]) -> Words:
    words = list(dict.fromkeys(given))[:MAX_WORDS]
    return Words(
        long=tuple(word for word in words if len(word) >= LONG_WORD),
        short=tuple(word for word in words if len(word) < LONG_WORD),
        together=" ".join(given),
        instead=instead,
    )
