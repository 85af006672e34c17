"""The index of words in PostgreSQL: one table with two GIN indexes.

`text` is the folded text under the trigrams of pg_trgm, which knows letters and digits alone, and
other scripts only as the locale of the database does. `terms` holds each entry's one- and
two-character runs, whatever they are made of, and behind a space each word of its name. So every
word is answered from an index in every locale.
"""

import hashlib
import re
from collections.abc import Sequence
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

_LONGEST_TERM = 200
_HAS_TRIGRAM = re.compile(r"[0-9a-z]{3}")
_SPECIAL = re.compile(r"([\\%_])")


class PostgresWords:
    """A `WordIndex`, in the table of this name."""

    def __init__(self, name: str) -> None:
        self._words = table(
            name,
            column("number", BigInteger),
            column("text", Text),
            column("terms", ARRAY(Text)),
        )

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
        connection.execute(insert(self._words), rows)

    def remove(self, connection: Connection, number: int) -> None:
        """Forget an entry."""
        connection.execute(delete(self._words).where(self._words.c.number == number))

    def numbers_with(self, connection: Connection, word: str) -> Sequence[int]:
        """The entries that have a word somewhere in their text."""
        if len(word) < LONG_WORD:
            return self._found(connection, self._has([word]))
        if _HAS_TRIGRAM.search(word):
            pattern = _SPECIAL.sub(r"\\\1", word)
            return self._found(connection, self._words.c.text.like(f"%{pattern}%"))
        runs = [word[at : at + SHORT_TERM] for at in range(len(word) - 1)]
        return self._found(connection, self._has(runs), self.contains(self._words.c.text, word))

    def numbers_named(self, connection: Connection, part: str) -> Sequence[int]:
        """The entries whose name has this (of letters and digits alone) as a word."""
        return self._found(connection, self._has([_name_term(part)]))

    def texts(self, connection: Connection, numbers: Sequence[int]) -> dict[int, str]:
        """The folded texts of a few entries."""
        columns = self._words.c
        found = select(columns.number, columns.text).where(columns.number.in_(numbers))
        return {row.number: row.text for row in connection.execute(found)}

    def contains(self, column: Any, part: str) -> ColumnElement[bool]:
        """Whether a text column has this in it, byte for byte."""
        return func.strpos(column, part) > 0

    def _has(self, wanted: Sequence[str]) -> ColumnElement[bool]:
        return self._words.c.terms.contains(list(dict.fromkeys(wanted)))

    def _found(self, connection: Connection, *conditions: ColumnElement[bool]) -> list[int]:
        # As one text, which is read faster than so many rows.
        found = select(cast(func.json_agg(self._words.c.number), Text)).where(*conditions)
        numbers = connection.execute(found).scalar_one()
        return [] if numbers is None else msgspec.json.decode(numbers, type=list[int])


def _name_term(word: str) -> str:
    """A word of a name; of one that is too long for an index, a hash."""
    raw = word.encode()
    return " " + (word if len(raw) <= _LONGEST_TERM else hashlib.sha256(raw).hexdigest())
