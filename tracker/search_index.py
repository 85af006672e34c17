"""What searches find entries by: the engine's indexes of words, and the narrow table of keys.

One index is of what entries say of themselves, one of the names in folders; all words of both are
in the vocabulary, for what is mistyped.
"""

from collections.abc import Generator, Iterable, Sequence

from sqlalchemy import Connection, delete, or_, select

from protocol.entry import Entry
from protocol.inner_names import inner_text
from protocol.kinds import content_kind
from protocol.manifest import file_paths
from protocol.similar import learned
from protocol.words import fold, name_key, searchable, spaced
from tracker import tables
from tracker.remembered import Text
from tracker.rows import SOME, Row, portions, put_rows, rows_among
from tracker.touched import note_entries
from tracker.vocabulary_postgres import PostgresVocabulary
from tracker.vocabulary_sqlite import SqliteVocabulary
from tracker.word_index import Group, Vocabulary, Worded, WordIndex
from tracker.words_postgres import PostgresWords
from tracker.words_sqlite import SqliteWords

keys = tables.search_keys
_NUMBERS = select(tables.entries.c.number).where(tables.entries.c.id.in_(SOME))
_FOLDERS_LOOKED_AT = 500
"""All names in a folder are up to 64 KiB."""
_INDEXES: dict[str, WordIndex] = {
    "sqlite": SqliteWords("entry"),
    "postgresql": PostgresWords("entry"),
}
_INNER: dict[str, WordIndex] = {
    "sqlite": SqliteWords("inner", looked_at=_FOLDERS_LOOKED_AT),
    "postgresql": PostgresWords("inner"),
}
_VOCABULARIES: dict[str, Vocabulary] = {
    "sqlite": SqliteVocabulary(),
    "postgresql": PostgresVocabulary(),
}


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
    put_inner(connection, [(number, entry) for number, entry, _ in added])
    learn(connection, [each.text for each in worded])
    columns = [{"number": number, **_key_columns(entry)} for number, entry, _ in added]
    put_rows(connection, keys, columns)


def put_inner(connection: Connection, added: Iterable[tuple[int, Entry]]) -> None:
    """Make folders findable by the names in them; of none of them such names are kept."""
    names = [
        Worded(number, inner_names(connection, entry.manifest))
        for number, entry in added
        if entry.kind == "folder"
    ]
    if names:
        _inner(connection).put(connection, names)
        learn(connection, [each.text for each in names])


def inner_names(connection: Connection, manifest: bytes) -> str:
    """The folded names in a folder whose manifest is here, one a line."""
    found = select(tables.manifests.c.encoded).where(tables.manifests.c.id == manifest)
    encoded: bytes | None = connection.execute(found).scalar()
    return inner_text(file_paths(encoded)) if encoded is not None else ""


def learn(connection: Connection, texts: Iterable[str]) -> None:
    """What is mistyped may be corrected to a word of these folded texts from now on."""
    words = set[str]().union(*map(learned, texts))
    if words:
        vocabulary(connection).learn(connection, words)


def remove(connection: Connection, number: int) -> None:
    """Make entry `number` unfindable."""
    note_entries(connection, [number])
    _words(connection).remove(connection, number)
    _inner(connection).remove(connection, number)
    connection.execute(delete(keys).where(keys.c.number == number))


def note_listed(connection: Connection, ids: Iterable[bytes]) -> None:
    """What is told of these entries changes: a rendition comes or goes, or a deletion waits."""
    rows = rows_among(connection, _NUMBERS, list(ids))
    if rows:
        note_entries(connection, [number for (number,) in rows])


def numbers_with(connection: Connection, word: str) -> Sequence[int]:
    """The entries that have a word (folded, not empty) somewhere in what they say of themselves."""
    return _words(connection).numbers_with(connection, word)


def numbers_named(connection: Connection, part: str) -> Sequence[int]:
    """The entries whose name has this (of letters and digits alone) as a word."""
    return _words(connection).numbers_named(connection, part)


def numbers_inside(connection: Connection, word: str) -> Sequence[int]:
    """The folders that have a word (folded, not empty) in the names that are in them."""
    return _inner(connection).numbers_with(connection, word)


def own_texts(connection: Connection, numbers: Sequence[int]) -> dict[int, str]:
    """What some entries say of themselves, folded."""
    return _words(connection).texts(connection, numbers)


def named_in(text: str) -> str:
    """The spaced words of an entry's name, out of what it says of itself: the name comes first."""
    return spaced(text.partition("\n")[0])


def texts_inside(connection: Connection, numbers: Sequence[int]) -> dict[int, str]:
    """The folded names in a few folders, one a line."""
    return _inner(connection).texts(connection, numbers)


def all_texts(connection: Connection) -> Generator[Row]:
    """Numbers of entries and what each says of itself, folded: to be read or closed first."""
    return _words(connection).all_texts(connection)


def all_texts_inside(connection: Connection) -> Generator[Row]:
    """Numbers of folders and the folded names in each: to be read or closed first."""
    return _inner(connection).all_texts(connection)


def texts_of(connection: Connection, numbers: Sequence[int]) -> dict[int, Text]:
    """What some entries are found by; of those that are shown."""
    found: dict[int, Text] = {}
    for some in portions(numbers):
        texts = own_texts(connection, some)
        inside = texts_inside(connection, some)
        named = select(keys.c.number, keys.c.named).where(keys.c.number.in_(some))
        for number, name in connection.execute(named):
            found[number] = Text(texts.get(number, ""), name, inside.get(number, ""))
    return found


def those_with(connection: Connection, word: str, numbers: Sequence[int]) -> Sequence[int]:
    """Those of some entries that have a word somewhere in what they say of themselves."""
    return _words(connection).those_with(connection, word, numbers)


def those_named(
    connection: Connection, groups: Sequence[Group], numbers: Sequence[int]
) -> list[int]:
    """Those of some entries in whose names the parts of a word of each group are side by side."""
    index = _words(connection)
    beside = [
        or_(*(index.contains(keys.c.named, spaced(word)) for word in group)) for group in groups
    ]
    found: list[int] = []
    for some in portions(numbers):
        rows = select(keys.c.number).where(keys.c.number.in_(some), *beside)
        found += connection.execute(rows).scalars()
    return found


def vocabulary(connection: Connection) -> Vocabulary:
    """The words that others are corrected to."""
    return _VOCABULARIES[connection.dialect.name]


def _words(connection: Connection) -> WordIndex:
    return _INDEXES[connection.dialect.name]


def _inner(connection: Connection) -> WordIndex:
    return _INNER[connection.dialect.name]


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
