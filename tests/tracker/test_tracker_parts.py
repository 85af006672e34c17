"""Words that are looked for among what is known to have parts of them: found as from the index."""

import random

import pytest
from changing_catalogue import Changing, begin_changing

from protocol.messages.tracking import Search
from tracker import finding, remembered, search_index, word_sets
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


@pytest.mark.parametrize("share", [0, 1 << 30])
@pytest.mark.parametrize("few", [-1, 400])
@pytest.mark.parametrize("seed", range(3))
def test_finds_the_same(
    changing: Changing, seed: int, few: int, share: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "_SHARE", share)
    monkeypatch.setattr(finding, "_FEW", few)
    monkeypatch.setattr(word_sets, "_FEW", few)
    changing.chance = random.Random(seed)
    chances, by_parts = random.Random(seed), 0
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
