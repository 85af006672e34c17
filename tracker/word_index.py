"""What an index of words does, whichever engine keeps it, and how entries come to it."""

from collections.abc import Generator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection

from tracker.rows import Row

SHORT_TERM = 2
MOST_ALIKE = 100
TEXTS_AT_ONCE = 500
"""Names in a folder are up to 64 KiB."""
Group = tuple[str, ...]
"""Words of which one is enough."""


@dataclass(frozen=True)
class Worded:
    """An entry as its words are kept: its folded text, and the words of its name."""

    number: int
    text: str
    named: tuple[str, ...] = ()


class WordIndex(Protocol):
    """One engine's index of words. All words are folded and not empty."""

    def put(self, connection: Connection, added: Sequence[Worded]) -> None:
        """Take in entries of which nothing is kept."""

    def remove(self, connection: Connection, number: int) -> None:
        """Forget an entry."""

    def numbers_with(self, connection: Connection, word: str) -> Sequence[int]:
        """The entries that have a word somewhere in their text."""

    def numbers_named(self, connection: Connection, part: str) -> Sequence[int]:
        """The entries whose name has this as a word."""

    def those_with(
        self, connection: Connection, word: str, numbers: Sequence[int]
    ) -> Sequence[int]:
        """Those of some entries that have a word somewhere in their text."""

    def texts(self, connection: Connection, numbers: Sequence[int]) -> dict[int, str]:
        """The folded texts of a few entries."""

    def all_texts(self, connection: Connection) -> Generator[Row]:
        """Numbers and folded texts of all entries, in any order: to be read or closed first."""

    def contains(self, column: Any, part: str) -> ColumnElement[bool]:
        """Whether a text column has this in it, byte for byte."""


class Vocabulary(Protocol):
    """One engine's list of words that others are corrected to. None is ever taken out."""

    def learn(self, connection: Connection, words: AbstractSet[str]) -> None:
        """Keep words that may be there already."""

    def with_keys(self, connection: Connection, keys: Sequence[str]) -> Sequence[str]:
        """The words that have one of these keys."""

    def alike(self, connection: Connection, key: str, most: int) -> Sequence[str]:
        """Words at most `most` letters longer or shorter, with LIKENESS to a key and more.

        The most alike first, MOST_ALIKE at most.
        """


def terms(folded: str) -> list[str]:
    """Every one- and two-character run inside the words of a folded text, once each."""
    found: dict[str, None] = {}
    for word in folded.split():
        for at in range(len(word)):
            found[word[at]] = None
            found[word[at : at + SHORT_TERM]] = None
    return list(found)
