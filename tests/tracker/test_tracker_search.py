"""Search: words, parts of words, short words, hostile words, pages; always by an index."""

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from tracker_support import NOW, admit, entry_of, manifest_of, signed, store_manifest

from protocol.entry import Entry, read_record
from protocol.messages.tracking import Search
from protocol.words import MAX_WORDS, fold, split_query
from tracker import catalogue, finding, searching
from tracker.data_dir import SwarmKeys
from tracker.database import Database
from tracker.errors import RequestFailedError
from tracker.listing import Page
from tracker.shelf import Shelf
from tracker.snapshot import Snapshot
from tracker.text_store import TextStore
from tracker.word_index import terms

Find = Callable[..., list[str]]

ENTRIES = [
    ("Holiday Film.mp4", "the beach at Étretat", ("video", "summer")),
    ("budget 2026.ods", "accounts of the club", ("money",)),
    ("日本語の本.epub", "", ("book",)),
    ("STRASSE map.pdf", '100% "quoted" AND NOT (odd)', ("c++", "a-b")),
    ("x.tar.gz", "", ()),
]


def page_of(words: str, limit: int, cursor: bytes, shelf: Shelf, snapshot: Snapshot) -> Page:
    request = Search(call=0, words=words, sort="newest", limit=limit, cursor=cursor)
    return searching.search(snapshot, request, {}, 0, shelf)


@pytest.fixture
def find(made: tuple[Database, SwarmKeys]) -> Find:
    database, keys = made
    author, _ = admit(database, keys, "Grandma's PC")
    manifest = manifest_of(1)
    for number, (name, caption, tags) in enumerate(ENTRIES):
        entry = entry_of(
            manifest,
            author,
            salt=bytes([number]) * 16,
            name=name,
            caption=caption,
            tags=tags,
            created=NOW + number,
        )
        record = signed(entry, author)
        database.write_now(lambda c, r=record, e=entry: catalogue.store_record(c, r, e, NOW))  # type: ignore[misc]
    database.write_now(lambda c: store_manifest(c, manifest))
    shelf = Shelf(database.notes)

    def search(words: str, limit: int = 50) -> list[str]:
        found, cursor = [], b""
        while True:
            page = database.look_now(partial(page_of, words, limit, cursor, shelf))
            for each in page.listings:
                record = read_record(each.record.body)
                assert isinstance(record, Entry)
                found.append(record.name)
            cursor = page.cursor
            if not cursor:
                assert page.total == len(found)
                return found

    return search


@pytest.mark.parametrize(
    ("words", "index"),
    [
        ("holiday", 0),
        ("HOLIDAY film", 0),
        ("oliday", 0),
        ("beach", 0),
        ("étretat", 0),
        ("ÉTRETAT", 0),
        ("summer video", 0),
        ("holiday money", None),
        ("hh", None),
        ("mp", 0),
        ("bu 20", 1),
        ("2026 od", 1),
        ("日本", 2),
        ("語", 2),
        ("本語の", 2),
        ("straße", 3),
        ("c+", 3),
        ("c++", 3),
        ("a-b", 3),
        ("-b", 3),
        ('"quoted"', 3),
        ('"q', 3),
        ("100%", 3),
        ("0%", 3),
        ("(odd)", 3),
        ("AND NOT", 3),
        ("tar.gz", 4),
        ("zzz", None),
        ("%", 3),
        ("_", None),
        ("holiday\0film", 0),
    ],
)
def test_words(find: Find, words: str, index: int | None) -> None:
    assert find(words) == ([] if index is None else [ENTRIES[index][0]])


def test_everything_newest_first_and_by_author(find: Find) -> None:
    newest = [name for name, _, _ in reversed(ENTRIES)]
    assert find("") == find(" \t") == newest
    assert find("grandma's") == find("pc") == find("GRANDMA's p") == newest


@pytest.mark.parametrize("words", ["", "grandma's", "pc"])
def test_pages(find: Find, words: str) -> None:
    assert find(words, 2) == find(words, 1) == find(words)


@pytest.mark.parametrize(
    "words",
    [
        '"', '""', "'", "*", "^", "a*", "NEAR(", "text:", "OR", "AND", "NOT", "(", ")", "{x}",
        "+", "-film", "film*", ";--", "\\", "\x00", "film OR budget", "name : film", "\U0001f4a9",
    ],
)  # fmt: skip
def test_hostile_words_are_only_words(find: Find, words: str) -> None:
    expected = [
        name
        for name, caption, tags in reversed(ENTRIES)
        if all(
            any(word in part for text in (name, caption, *tags, "Grandma's PC")
                for part in fold(text).split())
            for word in fold(words).split()
        )
    ]  # fmt: skip
    assert find(words) == expected


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(words=st.text(max_size=512))
def test_any_text_is_answered(find: Find, words: str) -> None:
    find(words)


def test_many_words_are_bounded(find: Find) -> None:
    assert find(" ".join(f"{word:03}" for word in range(128))) == []
    assert len(split_query(" ".join(map(str, range(300)))).long) <= MAX_WORDS


def test_a_foreign_cursor_is_refused(made: tuple[Database, SwarmKeys]) -> None:
    for cursor in (b"x", b"\xff" * 24):
        with pytest.raises(RequestFailedError, match="cursor"):
            made[0].look_now(partial(page_of, "", 5, cursor, Shelf(made[0].notes)))


@pytest.mark.parametrize("few", [0, 400])
@pytest.mark.parametrize("words", ["holiday", "mp", "holiday mp"])
def test_words_are_answered_from_an_index(
    find: Find,
    made: tuple[Database, SwarmKeys],
    engine: str,
    words: str,
    few: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finding, "_FEW", few)
    # As where no text has room in memory.
    monkeypatch.setattr(TextStore, "get", lambda _, numbers: ({}, list(numbers)))
    find("")
    plans: list[str] = []
    sqlite = engine == "sqlite"

    def explain(connection, cursor, statement, parameters, context, many):  # type: ignore[no-untyped-def]
        if statement.startswith(("EXPLAIN", "BEGIN", "SET")):
            return
        cursor.execute(("EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN ") + statement, parameters)
        plans.extend(row[3 if sqlite else 0] for row in cursor.fetchall())

    looker = made[0].engines.looker or made[0].engines.reader
    event.listen(looker, "before_cursor_execute", explain)
    find(words)
    event.remove(looker, "before_cursor_execute", explain)
    assert any("entry_" in plan for plan in plans)
    if sqlite:
        scanned = [plan for plan in plans if plan.startswith("SCAN")]
        # What is not an index of words are the numbers of a few entries, as one value.
        virtual = ("SCAN entry_", "SCAN inner_", "SCAN anon_", "SCAN json_each ")
        assert all(plan.startswith(virtual) and "INDEX" in plan for plan in scanned), plans
    else:
        scanned = [plan for plan in plans if "Seq Scan on" in plan]
        assert not [plan for plan in scanned if "on entry_" in plan or "on inner_" in plan], plans


def test_terms_are_the_short_runs_of_each_word() -> None:
    assert terms("ab b") == ["a", "ab", "b"]
    assert terms("") == []
