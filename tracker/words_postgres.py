"""The index of words in PostgreSQL: one table with two GIN indexes.

`text` is the folded text under the trigrams of pg_trgm, which knows letters and digits alone, and
other scripts only as the locale of the database does. `terms` holds each entry's one- and
two-character runs, whatever they are made of, and behind a space each word of its name. So every
word is answered from an index in every locale.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Text,
    cast,
    column,
    delete,
    func,
    insert,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import ARRAY

from protocol.words import LONG_WORD
from tracker.word_index import SHORT_TERM, Worded, terms

_words = table(
    "entry_words",
    column("number", BigInteger),
    column("text", Text),
    column("terms", ARRAY(Text)),
)
_LONGEST_TERM = 200
_HAS_TRIGRAM = re.compile(r"[0-9a-z]{3}")
_SPECIAL = re.compile(r"([\\%_])")


class PostgresWords:
    """A `WordIndex`."""

    def put(self, connection: Connection, added: Sequence[Worded]) -> None:
        """Take in entries of which nothing is kept."""
        rows = [
            {
                "number": each.number,
                "text": each.text,
                "terms": [*terms(each.text), *map(_name_term, each.named)],
            }
            for each in added
        ]
        connection.execute(insert(_words), rows)

    def remove(self, connection: Connection, number: int) -> None:
        """Forget an entry."""
        connection.execute(delete(_words).where(_words.c.number == number))

    def numbers_with(self, connection: Connection, word: str) -> Sequence[int]:
        """The entries that have a word somewhere in their text."""
        if len(word) < LONG_WORD:
            return _found(connection, _has([word]))
        if _HAS_TRIGRAM.search(word):
            pattern = _SPECIAL.sub(r"\\\1", word)
            return _found(connection, _words.c.text.like(f"%{pattern}%"))
        runs = [word[at : at + SHORT_TERM] for at in range(len(word) - 1)]
        return _found(connection, _has(runs), self.contains(_words.c.text, word))

    def numbers_named(self, connection: Connection, part: str) -> Sequence[int]:
        """The entries whose name has this (of letters and digits alone) as a word."""
        return _found(connection, _has([_name_term(part)]))

    def those_with(
        self, connection: Connection, words: Sequence[str], numbers: Sequence[int]
    ) -> list[int]:
        """Those of a few entries that have each word somewhere in their text."""
        inside = [self.contains(_words.c.text, word) for word in words]
        rows = select(_words.c.number).where(_words.c.number.in_(numbers), *inside)
        return list(connection.execute(rows).scalars())

    def texts(self, connection: Connection, numbers: Sequence[int]) -> Iterable[tuple[int, str]]:
        """The numbers and texts of some entries."""
        found = select(_words.c.number, _words.c.text).where(_words.c.number.in_(numbers))
        return connection.execute(found).all()

    def contains(self, column: Any, part: str) -> ColumnElement[bool]:
        """Whether a text column has this in it, byte for byte."""
        return func.strpos(column, part) > 0


def _has(wanted: Sequence[str]) -> ColumnElement[bool]:
    return _words.c.terms.contains(list(dict.fromkeys(wanted)))


def _found(connection: Connection, *conditions: ColumnElement[bool]) -> list[int]:
    # As one text, which is read faster than so many rows.
    found = select(cast(func.json_agg(_words.c.number), Text)).where(*conditions)
    numbers = connection.execute(found).scalar_one()
    return [] if numbers is None else msgspec.json.decode(numbers, type=list[int])


def _name_term(word: str) -> str:
    """A word of a name; of one that is too long for an index, a hash."""
    raw = word.encode()
    return " " + (word if len(raw) <= _LONGEST_TERM else hashlib.sha256(raw).hexdigest())
