"""The index of words in SQLite: two FTS5 tables.

The first holds the folded text under trigrams, for words of three characters or more. The second
holds each entry's one- and two-character terms, and the whole words of its name, all spelled in
hexadecimal so that no script or punctuation matters to the tokenizer. So every word is answered
from an index.
"""

from collections.abc import Generator, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, column, func, select, table, text

from protocol.words import LONG_WORD
from tracker.rows import Row, as_json, put_in_sqlite, raw_rows
from tracker.word_index import TEXTS_AT_ONCE, Worded, terms

_FOUND = "SELECT json_group_array(rowid) FROM {name} WHERE {name} MATCH ?"
_AMONG = "id IN (SELECT value FROM json_each(?))"
_VERY_LONG = 12
_RUNS = 4
_LOOKED_AT = 3_000
"""So many short texts are looked at in the time that finding such a word by all its runs takes."""


class SqliteWords:
    """A `WordIndex`; `name` is that of its two tables but for their endings.

    At most `looked_at` texts are gone through for a very long word.
    """

    def __init__(self, name: str, looked_at: int = _LOOKED_AT) -> None:
        self._looked_at = looked_at
        self._texts, self._shorts = f"{name}_text", f"{name}_short"
        # Where FTS5 keeps the text: read by number it is there at once.
        self._get_texts = f"SELECT id, c0 FROM {self._texts}_content WHERE {_AMONG}"
        self._get_those = f"SELECT id FROM {self._texts}_content WHERE {_AMONG}"
        self._all_texts = _content(self._texts)
        self._put_text = f"INSERT INTO {self._texts}(rowid, text) VALUES (?, ?)"
        self._put_short = f"INSERT INTO {self._shorts}(rowid, terms) VALUES (?, ?)"
        self._drop_text = text(f"DELETE FROM {self._texts} WHERE rowid = :number")
        self._drop_short = text(f"DELETE FROM {self._shorts} WHERE rowid = :number")

    def put(self, connection: Connection, added: Sequence[Worded]) -> None:
        """Take in entries of which nothing is kept."""
        texts, shorts = [], []
        for each in added:
            spelled = [*map(_spell, terms(each.text)), *map(_spell_name, each.named)]
            texts.append((each.number, each.text))
            shorts.append((each.number, " ".join(spelled)))
        put_in_sqlite(connection, self._put_text, texts)
        put_in_sqlite(connection, self._put_short, shorts)

    def remove(self, connection: Connection, number: int) -> None:
        """Forget an entry."""
        if connection.execute(self._drop_text, {"number": number}).rowcount:
            connection.execute(self._drop_short, {"number": number})

    def numbers_with(self, connection: Connection, word: str) -> Sequence[int]:
        """The entries that have a word somewhere in their text."""
        if len(word) < LONG_WORD:
            return found_in(connection, self._shorts, _spell(word))
        if len(word) >= _VERY_LONG:
            # All runs of a long word, where many entries have each, take five times as long.
            maybe = found_in(connection, self._texts, _some_runs(word))
            if len(maybe) <= self._looked_at:
                return self.those_with(connection, word, maybe)
        return found_in(connection, self._texts, _quote(word))

    def numbers_named(self, connection: Connection, part: str) -> Sequence[int]:
        """The entries whose name has this (of letters and digits alone) as a word."""
        return found_in(connection, self._shorts, _spell_name(part))

    def those_with(
        self, connection: Connection, word: str, numbers: Sequence[int]
    ) -> Sequence[int]:
        """Those of some entries that have a word somewhere in their text."""
        question = f"{self._get_those} AND instr(c0, ?)"
        found = connection.exec_driver_sql(question, (as_json(numbers), word))
        return [number for (number,) in found]

    def texts(self, connection: Connection, numbers: Sequence[int]) -> dict[int, str]:
        """The folded texts of a few entries."""
        found = connection.exec_driver_sql(self._get_texts, (as_json(numbers),))
        return {row.id: row.c0 for row in found}

    def all_texts(self, connection: Connection) -> Generator[Row]:
        """Numbers and folded texts of all entries, in any order: to be read or closed first."""
        return raw_rows(connection, self._all_texts, many=True, at_once=TEXTS_AT_ONCE)

    def contains(self, column: Any, part: str) -> ColumnElement[bool]:
        """Whether a text column has this in it, byte for byte."""
        return func.instr(column, part) > 0


def found_in(connection: Connection, name: str, query: str) -> list[int]:
    """The rows of an FTS5 table that a query matches."""
    # As one text, which is there in a third of the time that so many rows take.
    found = connection.exec_driver_sql(_FOUND.format(name=name), (query,)).scalar_one()
    return msgspec.json.decode(found, type=list[int])


def _content(name: str) -> Select[Any]:
    kept = table(f"{name}_content", column("id"), column("c0"))
    return select(kept.c.id, kept.c.c0)


def _some_runs(word: str) -> str:
    """A few of a word's runs, spread over it, in any order."""
    last = len(word) - LONG_WORD
    places = sorted({last * part // (_RUNS - 1) for part in range(_RUNS)})
    return " AND ".join(_quote(word[at : at + LONG_WORD]) for at in places)


def _quote(word: str) -> str:
    return '"' + word.replace('"', '""') + '"'


@lru_cache(1 << 14)
def _spell(term: str) -> str:
    return "x" + term.encode().hex()


def _spell_name(word: str) -> str:
    return "n" + word.encode().hex()
