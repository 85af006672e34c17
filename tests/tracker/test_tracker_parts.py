"""Words that are looked for among what is known to have parts of them: found as from the index."""

import random

import pytest
from changing_catalogue import Changing, begin_changing

from protocol.messages.tracking import Search
from tracker import finding, remembered, search_index
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
    changing.chance = random.Random(seed)
    chances = random.Random(seed)
    fresh_asks = 0
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
            fresh_asks += len(asked)
            asked.clear()
            assert changing.ask(request, changing.shelf) == expected, word
            fresh_asks -= len(asked)
            asked.clear()
        changing.change()
    if few < 0:
        assert fresh_asks > 0, "some words were found without the index"
