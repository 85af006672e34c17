"""The search index of SQLite: two FTS5 tables, and nothing else in the tracker knows of them.

`entry_text` holds the folded text under trigrams, for words of three characters or more.
`entry_short` holds each entry's one- and two-character terms, spelled in hexadecimal so that no
script or punctuation matters to the tokenizer. So every word is answered from an index. Another
engine (PostgreSQL's pg_trgm) replaces this file's four functions.
"""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    literal_column,
    select,
    table,
    text,
)

from tracker import tables
from tracker.search_text import Words, terms


def put(connection: Connection, number: int, folded: str) -> None:
    """Make entry `number` findable by this folded text, and by no other."""
    remove(connection, number)
    connection.execute(
        text("INSERT INTO entry_text(rowid, text) VALUES (:number, :text)"),
        {"number": number, "text": folded},
    )
    spelled = " ".join(_spell(term) for term in terms(folded))
    connection.execute(
        text("INSERT INTO entry_short(rowid, terms) VALUES (:number, :terms)"),
        {"number": number, "terms": spelled},
    )


def remove(connection: Connection, number: int) -> None:
    """Make entry `number` unfindable."""
    for name in ("entry_text", "entry_short"):
        connection.execute(text(f"DELETE FROM {name} WHERE rowid = :number"), {"number": number})


def matching(words: Words) -> list[ColumnElement[bool]]:
    """Conditions that an entry has all the words; none for no words."""
    conditions = []
    if words.long:
        conditions.append(_found_in("entry_text", " ".join(_quote(word) for word in words.long)))
    if words.short:
        conditions.append(_found_in("entry_short", " ".join(_spell(word) for word in words.short)))
    return conditions


def newest_first(words: Words) -> ColumnElement[int]:
    """What to order by; with words, not by walking the whole index of times for the few found."""
    return literal_column("+entries.created") if words else tables.entries.c.created


def _found_in(name: str, query: str) -> ColumnElement[bool]:
    rows: Select[Any] = select(literal_column("rowid")).select_from(table(name))
    matched = literal_column(name).op("MATCH")(bindparam(f"{name}_query", query))
    return tables.entries.c.number.in_(rows.where(matched))


def _quote(word: str) -> str:
    return '"' + word.replace('"', '""') + '"'


def _spell(term: str) -> str:
    return "x" + term.encode().hex()
