"""The search index of SQLite: two FTS5 tables and the narrow one of keys; what words find in it.

`entry_text` holds the folded text under trigrams, for words of three characters or more.
`entry_short` holds each entry's one- and two-character terms, and the whole words of its name, all
spelled in hexadecimal so that no script or punctuation matters to the tokenizer. So every word is
answered from an index. Another engine (PostgreSQL's pg_trgm) replaces this file.
"""

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import (
    Connection,
    Integer,
    Text,
    column,
    delete,
    func,
    insert,
    select,
    table,
    text,
)

from protocol.entry import Entry
from protocol.kinds import content_kind
from protocol.words import LONG_WORD, fold, name_key, searchable, spaced
from tracker import tables
from tracker.rows import portions
from tracker.touched import note_entries

keys = tables.search_keys
_content = table("entry_text_content", column("id", Integer), column("c0", Text))
"""Where FTS5 keeps the text of `entry_text`: read by number it is there at once."""
_FOUND = "SELECT json_group_array(rowid) FROM {name} WHERE {name} MATCH :query"


def put(connection: Connection, number: int, entry: Entry, author: str) -> None:
    """Make entry `number` findable as this, by its author's name too, and as nothing else."""
    remove(connection, number)
    put_new(connection, [(number, entry, author)])


def put_new(connection: Connection, added: Iterable[tuple[int, Entry, str]]) -> None:
    """The same for entries that nothing is kept of yet: number, entry, author's name."""
    added = list(added)
    note_entries(connection, [number for number, _, _ in added])
    texts, shorts, columns = [], [], []
    for number, entry, author in added:
        folded = searchable((entry.name, entry.caption, *entry.tags, author))
        spelled = " ".join([*map(_spell, terms(folded)), *map(_spell_name, _parts(entry.name))])
        texts.append({"number": number, "text": folded})
        shorts.append({"number": number, "terms": spelled})
        columns.append({"number": number, **_key_columns(entry)})
    connection.execute(text("INSERT INTO entry_text(rowid, text) VALUES (:number, :text)"), texts)
    connection.execute(
        text("INSERT INTO entry_short(rowid, terms) VALUES (:number, :terms)"), shorts
    )
    connection.execute(insert(keys), columns)


def remove(connection: Connection, number: int) -> None:
    """Make entry `number` unfindable."""
    note_entries(connection, [number])
    for name in ("entry_text", "entry_short"):
        connection.execute(text(f"DELETE FROM {name} WHERE rowid = :number"), {"number": number})
    connection.execute(delete(keys).where(keys.c.number == number))


def numbers_with(connection: Connection, word: str) -> Sequence[int]:
    """The entries that have a word (folded, not empty) somewhere in them."""
    if len(word) >= LONG_WORD:
        return _found_in(connection, "entry_text", _quote(word))
    return _found_in(connection, "entry_short", _spell(word))


def numbers_named(connection: Connection, part: str) -> Sequence[int]:
    """The entries whose name has this (of letters and digits alone) as a word."""
    return _found_in(connection, "entry_short", _spell_name(part))


def those_with(connection: Connection, words: Sequence[str], numbers: Sequence[int]) -> list[int]:
    """Those of a few entries that have each word somewhere in them."""
    inside = [func.instr(_content.c.c0, word) > 0 for word in words]
    rows = select(_content.c.id).where(_content.c.id.in_(numbers), *inside)
    return list(connection.execute(rows).scalars())


def those_named(connection: Connection, words: Sequence[str], numbers: Sequence[int]) -> list[int]:
    """Those of some entries in whose names the parts of each of these words are side by side."""
    beside = [func.instr(keys.c.named, spaced(word)) > 0 for word in words]
    found: list[int] = []
    for some in portions(numbers):
        rows = select(keys.c.number).where(keys.c.number.in_(some), *beside)
        found += connection.execute(rows).scalars()
    return found


def terms(folded: str) -> list[str]:
    """Every one- and two-character run inside the words of a folded text, once each."""
    found: dict[str, None] = {}
    for word in folded.split():
        for at in range(len(word)):
            found[word[at]] = None
            found[word[at : at + 2]] = None
    return list(found)


def _key_columns(entry: Entry) -> dict[str, object]:
    return {
        "created": entry.created,
        "size": entry.size,
        "kind": content_kind(entry.kind, entry.name),
        "copies": entry.copies,
        "author": entry.author,
        "manifest": entry.manifest,
        "id": entry.id,
        "name": name_key(entry.name),
        "named": spaced(fold(entry.name)),
    }


def _found_in(connection: Connection, name: str, query: str) -> list[int]:
    # As one text, which is there in a third of the time that so many rows take.
    statement = _FOUND.format(name=name)
    found = connection.execute(text(statement), {"query": query}).scalar_one()
    return msgspec.json.decode(found, type=list[int])


def _quote(word: str) -> str:
    return '"' + word.replace('"', '""') + '"'


def _parts(name: str) -> list[str]:
    return list(dict.fromkeys(spaced(fold(name)).split()))


def _spell(term: str) -> str:
    return "x" + term.encode().hex()


def _spell_name(word: str) -> str:
    return "n" + word.encode().hex()
