"""The index of words in SQLite: two FTS5 tables.

`entry_text` holds the folded text under trigrams, for words of three characters or more.
`entry_short` holds each entry's one- and two-character terms, and the whole words of its name, all
spelled in hexadecimal so that no script or punctuation matters to the tokenizer. So every word is
answered from an index.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Integer, Text, column, func, select, table, text

from protocol.words import LONG_WORD
from tracker.rows import AT_ONCE
from tracker.word_index import Worded, terms

_content = table("entry_text_content", column("id", Integer), column("c0", Text))
"""Where FTS5 keeps the text of `entry_text`: read by number it is there at once."""
_FOUND = "SELECT json_group_array(rowid) FROM {name} WHERE {name} MATCH :query"
_VERY_LONG = 12
_RUNS = 4
_PUT_TEXT = text("INSERT INTO entry_text(rowid, text) VALUES (:number, :text)")
_PUT_SHORT = text("INSERT INTO entry_short(rowid, terms) VALUES (:number, :terms)")


class SqliteWords:
    """A `WordIndex`."""

    def put(self, connection: Connection, added: Sequence[Worded]) -> None:
        """Take in entries of which nothing is kept."""
        texts, shorts = [], []
        for each in added:
            spelled = [*map(_spell, terms(each.text)), *map(_spell_name, each.named)]
            texts.append({"number": each.number, "text": each.text})
            shorts.append({"number": each.number, "terms": " ".join(spelled)})
        connection.execute(_PUT_TEXT, texts)
        connection.execute(_PUT_SHORT, shorts)

    def remove(self, connection: Connection, number: int) -> None:
        """Forget an entry."""
        for name in ("entry_text", "entry_short"):
            forgotten = text(f"DELETE FROM {name} WHERE rowid = :number")
            connection.execute(forgotten, {"number": number})

    def numbers_with(self, connection: Connection, word: str) -> Sequence[int]:
        """The entries that have a word somewhere in their text."""
        if len(word) < LONG_WORD:
            return _found_in(connection, "entry_short", _spell(word))
        if len(word) >= _VERY_LONG:
            # All runs of a long word, where many entries have each, take five times as long.
            maybe = _found_in(connection, "entry_text", _some_runs(word))
            if len(maybe) <= AT_ONCE:
                return self.those_with(connection, [word], maybe)
        return _found_in(connection, "entry_text", _quote(word))

    def numbers_named(self, connection: Connection, part: str) -> Sequence[int]:
        """The entries whose name has this (of letters and digits alone) as a word."""
        return _found_in(connection, "entry_short", _spell_name(part))

    def those_with(
        self, connection: Connection, words: Sequence[str], numbers: Sequence[int]
    ) -> list[int]:
        """Those of a few entries that have each word somewhere in their text."""
        inside = [self.contains(_content.c.c0, word) for word in words]
        rows = select(_content.c.id).where(_content.c.id.in_(numbers), *inside)
        return list(connection.execute(rows).scalars())

    def texts(self, connection: Connection, numbers: Sequence[int]) -> Iterable[tuple[int, str]]:
        """The numbers and texts of some entries."""
        found = select(_content.c.id, _content.c.c0).where(_content.c.id.in_(numbers))
        return connection.execute(found).all()

    def contains(self, column: Any, part: str) -> ColumnElement[bool]:
        """Whether a text column has this in it, byte for byte."""
        return func.instr(column, part) > 0


def _found_in(connection: Connection, name: str, query: str) -> list[int]:
    # As one text, which is there in a third of the time that so many rows take.
    statement = _FOUND.format(name=name)
    found = connection.execute(text(statement), {"query": query}).scalar_one()
    return msgspec.json.decode(found, type=list[int])


def _some_runs(word: str) -> str:
    """A few of a word's runs, spread over it, in any order."""
    last = len(word) - LONG_WORD
    places = sorted({last * part // (_RUNS - 1) for part in range(_RUNS)})
    return " AND ".join(_quote(word[at : at + LONG_WORD]) for at in places)


def _quote(word: str) -> str:
    return '"' + word.replace('"', '""') + '"'


def _spell(term: str) -> str:
    return "x" + term.encode().hex()


def _spell_name(word: str) -> str:
    return "n" + word.encode().hex()
