"""What searches find entries by: the engine's index of words, and the narrow table of keys."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, delete, insert, select

from protocol.entry import Entry
from protocol.kinds import content_kind
from protocol.words import fold, name_key, searchable, spaced
from tracker import tables
from tracker.remembered import Text
from tracker.rows import portions
from tracker.touched import note_entries
from tracker.word_index import Worded, WordIndex
from tracker.words_postgres import PostgresWords
from tracker.words_sqlite import SqliteWords

keys = tables.search_keys
_INDEXES: dict[str, WordIndex] = {"sqlite": SqliteWords(), "postgresql": PostgresWords()}


def put(connection: Connection, number: int, entry: Entry, author: str) -> None:
    """Make entry `number` findable as this, by its author's name too, and as nothing else."""
    remove(connection, number)
    put_new(connection, [(number, entry, author)])


def put_new(connection: Connection, added: Iterable[tuple[int, Entry, str]]) -> None:
    """The same for entries that nothing is kept of yet: number, entry, author's name."""
    added = list(added)
    note_entries(connection, [number for number, _, _ in added])
    worded = [
        Worded(
            number,
            searchable((entry.name, entry.caption, *entry.tags, author)),
            tuple(dict.fromkeys(spaced(fold(entry.name)).split())),
        )
        for number, entry, author in added
    ]
    _words(connection).put(connection, worded)
    columns = [{"number": number, **_key_columns(entry)} for number, entry, _ in added]
    connection.execute(insert(keys), columns)


def remove(connection: Connection, number: int) -> None:
    """Make entry `number` unfindable."""
    note_entries(connection, [number])
    _words(connection).remove(connection, number)
    connection.execute(delete(keys).where(keys.c.number == number))


def numbers_with(connection: Connection, word: str) -> Sequence[int]:
    """The entries that have a word (folded, not empty) somewhere in them."""
    return _words(connection).numbers_with(connection, word)


def numbers_named(connection: Connection, part: str) -> Sequence[int]:
    """The entries whose name has this (of letters and digits alone) as a word."""
    return _words(connection).numbers_named(connection, part)


def those_with(connection: Connection, words: Sequence[str], numbers: Sequence[int]) -> list[int]:
    """Those of a few entries that have each word somewhere in them."""
    return _words(connection).those_with(connection, words, numbers)


def texts_of(connection: Connection, numbers: Sequence[int]) -> dict[int, Text]:
    """What some entries are found by; of those that are shown."""
    found: dict[int, Text] = {}
    for some in portions(numbers):
        texts = dict(_words(connection).texts(connection, some))
        named = select(keys.c.number, keys.c.named).where(keys.c.number.in_(some))
        for number, name in connection.execute(named):
            found[number] = Text(texts.get(number, ""), name)
    return found


def those_named(connection: Connection, words: Sequence[str], numbers: Sequence[int]) -> list[int]:
    """Those of some entries in whose names the parts of each of these words are side by side."""
    index = _words(connection)
    beside = [index.contains(keys.c.named, spaced(word)) for word in words]
    found: list[int] = []
    for some in portions(numbers):
        rows = select(keys.c.number).where(keys.c.number.in_(some), *beside)
        found += connection.execute(rows).scalars()
    return found


def _words(connection: Connection) -> WordIndex:
    return _INDEXES[connection.dialect.name]


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
