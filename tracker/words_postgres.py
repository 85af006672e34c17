"""The index of words in PostgreSQL: two tables, each with a GIN index.

The first holds the folded text under the trigrams of pg_trgm, which knows letters and digits alone,
and other scripts only as the locale of the database does. The second holds each entry's one- and
two-character runs, whatever they are made of, and behind a space each word of its name. So every
word is answered from an index in every locale. Each row that an index finds is looked at: that is
why texts lie apart, and terms are one text, a third of what an array of them would take.
"""

import hashlib
import re
from collections.abc import Generator, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Text,
    bindparam,
    cast,
    column,
    delete,
    func,
    insert,
    select,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from protocol.words import LONG_WORD
from tracker.rows import SOME, Row, raw_rows, rows_among
from tracker.word_index import SHORT_TERM, TEXTS_AT_ONCE, Worded, terms

_BETWEEN = "\n"
"""No folded text has it: it is a space there."""
_LONGEST_TERM = 200
_SIGN = r"[!-/:-@\[-`{-~]"
_HAS_TRIGRAM = re.compile(rf"[0-9a-z]{{3}}|[0-9a-z]{{2}}{_SIGN}|{_SIGN}[0-9a-z]{{2}}")
"""Three letters or digits, or two at the end or the beginning of what pg_trgm takes for a word."""
_SPECIAL = re.compile(r"([\\%_])")


class PostgresWords:
    """A `WordIndex`; `name` is that of its two tables but for their endings."""

    def __init__(self, name: str) -> None:
        self._words = table(f"{name}_words", column("number", BigInteger), column("text", Text))
        self._terms = table(f"{name}_terms", column("number", BigInteger), column("terms", Text))
        some = self._words.c.number.in_(SOME)
        has = func.strpos(self._words.c.text, bindparam("word")) > 0
        self._among = select(self._words.c.number).where(some, has)
        self._all_texts = select(self._words.c.number, self._words.c.text)
        self._texts = self._all_texts.where(some)

    def put(self, connection: Connection, added: Sequence[Worded]) -> None:
        """Take in entries of which nothing is kept."""
        texts = [{"number": each.number, "text": each.text} for each in added]
        runs = [
            {
                "number": each.number,
                "terms": _BETWEEN.join((*terms(each.text), *map(_name_term, each.named))),
            }
            for each in added
        ]
        connection.execute(insert(self._words), texts)
        connection.execute(insert(self._terms), runs)

    def remove(self, connection: Connection, number: int) -> None:
        """Forget an entry."""
        for each in (self._words, self._terms):
            connection.execute(delete(each).where(each.c.number == number))

    def numbers_with(self, connection: Connection, word: str) -> Sequence[int]:
        """The entries that have a word somewhere in their text."""
        if len(word) < LONG_WORD:
            return _found(connection, self._having([word]))
        if _HAS_TRIGRAM.search(word):
            pattern = _SPECIAL.sub(r"\\\1", word)
            like = self._words.c.text.like(f"%{pattern}%")
            return _found(connection, select(self._words.c.number).where(like))
        maybe = self._having([word[at : at + SHORT_TERM] for at in range(len(word) - 1)])
        texts = maybe.join(self._words, self._words.c.number == self._terms.c.number)
        return _found(connection, texts.where(self.contains(self._words.c.text, word)))

    def numbers_named(self, connection: Connection, part: str) -> Sequence[int]:
        """The entries whose name has this (of letters and digits alone) as a word."""
        return _found(connection, self._having([_name_term(part)]))

    def those_with(
        self, connection: Connection, word: str, numbers: Sequence[int]
    ) -> Sequence[int]:
        """Those of some entries that have a word somewhere in their text."""
        found = rows_among(connection, self._among, list(numbers), word=word)
        return [number for (number,) in found]

    def texts(self, connection: Connection, numbers: Sequence[int]) -> dict[int, str]:
        """The folded texts of a few entries."""
        return dict(rows_among(connection, self._texts, list(numbers)))

    def all_texts(self, connection: Connection) -> Generator[Row]:
        """Numbers and folded texts of all entries, in any order: to be read or closed first."""
        return raw_rows(connection, self._all_texts, many=True, at_once=TEXTS_AT_ONCE)

    def contains(self, column: Any, part: str) -> ColumnElement[bool]:
        """Whether a text column has this in it, byte for byte."""
        return func.strpos(column, part) > 0

    def _having(self, wanted: Sequence[str]) -> Select[tuple[int]]:
        # As the index has it, word for word.
        there = func.string_to_array(self._terms.c.terms, text("chr(10)"), type_=ARRAY(Text))
        return select(self._terms.c.number).where(there.contains(list(dict.fromkeys(wanted))))


def _found(connection: Connection, numbers: Select[tuple[int]]) -> list[int]:
    # As one text, which is read faster than so many rows.
    found = select(cast(func.json_agg(numbers.subquery().c.number), Text))
    told = connection.execute(found).scalar_one()
    return [] if told is None else msgspec.json.decode(told, type=list[int])


def _name_term(word: str) -> str:
    """A word of a name; of one that is too long for an index, a hash."""
    raw = word.encode()
    return " " + (word if len(raw) <= _LONGEST_TERM else hashlib.sha256(raw).hexdigest())
