"""The search index of SQLite: two FTS5 tables and the narrow one of keys; how rows are met by it.

`entry_text` holds the folded text under trigrams, for words of three characters or more.
`entry_short` holds each entry's one- and two-character terms, and the whole words of its name, all
spelled in hexadecimal so that no script or punctuation matters to the tokenizer. So every word is
answered from an index. Another engine (PostgreSQL's pg_trgm) replaces this file.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    table,
    text,
)

from protocol.entry import Entry
from protocol.kinds import content_kind
from protocol.words import Words, fold, name_key, searchable, spaced
from tracker import tables

keys = tables.search_keys
_CONTENT = "entry_text_content"
"""Where FTS5 keeps the text of `entry_text`: read by number it is there at once."""


@dataclass(frozen=True)
class Condition:
    """Something an entry must be. `rows` are the numbers of all that are, where an index has them.

    `test` is of one row of `keys`, and tempts SQLite to no index. `sought` is the same for a walk
    along the index of the column that it bounds, `column`. `sized` has at least as many rows as
    `rows`, and is counted instead.
    """

    test: ColumnElement[bool]
    rows: Select[Any] | None = None
    column: str = ""
    sought: ColumnElement[bool] | None = None
    sized: Select[Any] | None = None


def put(connection: Connection, number: int, entry: Entry, author: str) -> None:
    """Make entry `number` findable as this, by its author's name too, and as nothing else."""
    remove(connection, number)
    put_new(connection, [(number, entry, author)])


def put_new(connection: Connection, added: Iterable[tuple[int, Entry, str]]) -> None:
    """The same for entries that nothing is kept of yet: number, entry, author's name."""
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
    for name in ("entry_text", "entry_short"):
        connection.execute(text(f"DELETE FROM {name} WHERE rowid = :number"), {"number": number})
    connection.execute(delete(keys).where(keys.c.number == number))


def has_words(words: Words) -> list[Condition]:
    """That an entry has all the words; none for no words."""
    conditions = []
    if words.long:
        found = _found_in("entry_text", " ".join(_quote(word) for word in words.long))
        conditions.append(Condition(_contains(words.long), found))
    if words.short:
        found = _found_in("entry_short", " ".join(_spell(word) for word in words.short))
        conditions.append(Condition(_contains(words.short), found))
    return conditions


def has_in_name(words: Words) -> ColumnElement[bool]:
    """That each of the words is a whole word of the name."""
    named = _aside("named")
    return and_(*(func.instr(named, spaced(word)) > 0 for word in words.each))


def names_hold(words: Words) -> list[Condition]:
    """The same as conditions, none of which an entry may miss."""
    parts = list(dict.fromkeys(part for word in words.each for part in spaced(word).split()))
    test = has_in_name(words)
    if not parts:
        return [Condition(test)]
    rows = _found_in("entry_short", " ".join(_spell_name(part) for part in parts), "entry_named")
    # Parts of one word are found wherever they are in the name: whether side by side is tested.
    return [Condition(test, rows), *([Condition(test)] if len(parts) > len(words.each) else [])]


def is_one_of(column: str, values: Collection[Any]) -> Condition:
    """That a column is one of these."""
    rows = select(keys.c.number).where(keys.c[column].in_(values))
    return Condition(_aside(column).in_(values), rows)


def is_within(column: str, least: int | None, most: int | None) -> Condition:
    """That a column is within bounds, of which one at least is given."""

    def bounds(of: Any) -> ColumnElement[bool]:
        given = [of >= least] if least is not None else []
        return and_(*given, *([of <= most] if most is not None else []))

    within = bounds(keys.c[column])
    return Condition(
        bounds(_aside(column)), select(keys.c.number).where(within), column=column, sought=within
    )


def is_listed(numbers: str, *, listed: bool) -> Condition:
    """That an entry is one of these (a JSON list), or (not `listed`) none of them."""
    each = func.json_each(numbers).table_valued("value")
    rows = select(each.c.value)
    found = keys.c.number.in_(rows)
    return Condition(found, rows) if listed else Condition(~found)


def is_held(peers: Collection[bytes], now: int) -> Condition:
    """That one of these peers holds all of it, and nobody doubts that at `now`."""
    held = tables.holdings
    whole = and_(
        held.c.peer.in_(peers),
        held.c.bits.is_(None),
        func.coalesce(held.c.doubted, 0) <= now,
    )
    one = select(held.c.peer).where(held.c.manifest == keys.c.manifest, whole).exists()
    rows = select(keys.c.number).join(held, held.c.manifest == keys.c.manifest).where(whole)
    found = rows.distinct() if len(peers) > 1 else rows
    return Condition(one, found, sized=select(held.c.manifest).where(whole))


def sorter(column: str, *, walked: bool) -> ColumnElement[Any]:
    """What to order by: along the column's index, or (not `walked`) what was found otherwise."""
    return keys.c[column] if walked else _aside(column)


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


def _found_in(name: str, query: str, called: str = "") -> Select[Any]:
    matched = literal_column(name).op("MATCH")(bindparam(f"{called or name}_query", query))
    return select(literal_column("rowid")).select_from(table(name)).where(matched)


def _contains(words: Collection[str]) -> ColumnElement[bool]:
    of = table(_CONTENT)
    inside = [func.instr(literal_column(f"{_CONTENT}.c0"), word) > 0 for word in words]
    this = literal_column(f"{_CONTENT}.id") == keys.c.number
    return select(literal_column("1")).select_from(of).where(this, *inside).correlate(keys).exists()


def _aside(column: str) -> ColumnElement[Any]:
    """A column's value without its indexes."""
    return literal_column(f"+search_keys.{column}", keys.c[column].type)


def _quote(word: str) -> str:
    return '"' + word.replace('"', '""') + '"'


def _parts(name: str) -> list[str]:
    return list(dict.fromkeys(spaced(fold(name)).split()))


def _spell(term: str) -> str:
    return "x" + term.encode().hex()


def _spell_name(word: str) -> str:
    return "n" + word.encode().hex()
