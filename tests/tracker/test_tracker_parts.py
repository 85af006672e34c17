"""Words that are looked for among what is known to have parts of them: found as from the index."""

import random

import pytest
from changing_catalogue import Changing, begin_changing
from sqlalchemy import event

from protocol.messages.tracking import Search
from tracker import finding, remembered, search_index
from tracker import shelf as shelf_module
from tracker.data_dir import SwarmKeys
from tracker.database import Database
from tracker.shelf import Shelf
from tracker.touched import Notes

WORDS = (
    "fil", "film", "ilm", "pho", "photo", "hot", "not", "note", "notes", "nothing", "thing",
    "mp4", "m.mp4", "film.mp4", "to a", "photo.jpg",
)  # fmt: skip


@pytest.fixture
def changing(made: tuple[Database, SwarmKeys]) -> Changing:
    return begin_changing(*made, seed=11)


@pytest.mark.parametrize("room", [0, 150, 1 << 20])
@pytest.mark.parametrize("few", [-1, 400])
@pytest.mark.parametrize("seed", range(2))
def test_finds_the_same(
    changing: Changing, seed: int, few: int, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where not all texts, or none, have room in memory."""
    chances, by_parts = random.Random(seed), 0
    share = chances.choice((0, 1 << 30))
    monkeypatch.setattr(remembered, "_SHARE", share)
    monkeypatch.setattr(finding, "_FEW", few)
    for name in ("_TEXTS", "_INSIDE"):
        monkeypatch.setattr(shelf_module, name, room)
    changing.shelf = Shelf(changing.database.notes)
    changing.chance = random.Random(seed)
    asked: list[str] = []
    look = search_index.numbers_with

    def note(connection: object, word: str) -> object:
        asked.append(word)
        return look(connection, word)  # type: ignore[arg-type]

    monkeypatch.setattr(search_index, "numbers_with", note)
    for _ in range(15):
        for word in chances.sample(WORDS, 6):
            request = Search(call=0, words=word)
            expected = changing.ask(request, Shelf(Notes()))
            new = all(each not in changing.shelf.remembered for each in word.split())
            asked.clear()
            assert changing.ask(request, changing.shelf) == expected, word
            by_parts += new and not asked
        changing.change()
    # Of few the texts are looked at before that.
    assert by_parts or few > 0


READS = ("entry_words", "entry_text", "entry_short", "entry_terms")


def test_few_are_looked_through_without_the_database(changing: Changing) -> None:
    changing.check()
    asked: list[str] = []

    def note(connection, cursor, statement, parameters, context, many):  # type: ignore[no-untyped-def]
        asked.append(statement)

    engines = changing.database.engines
    for engine in {engines.reader, engines.looker or engines.reader}:
        event.listen(engine, "before_cursor_execute", note)
    changing.change()
    request = Search(call=0, words="ilm")
    expected = changing.ask(request, Shelf(Notes()))
    changing.ask(Search(call=0, words=""), changing.shelf)
    asked.clear()
    assert changing.ask(request, changing.shelf) == expected
    assert expected.total
    assert [each for each in asked if any(table in each for table in READS)] == []
