"""Words that were looked up: once, also those of few entries, and right after any change."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import FrozenBitMap

from tracker import remembered
from tracker.remembered import Remembered, Text

LENGTH = 10_000


class Index:
    """What has which text; tells how often it was asked."""

    def __init__(self, texts: dict[int, str]) -> None:
        self.texts = texts
        self.asked = 0
        self.memory = Remembered()

    def find(self, word: str) -> FrozenBitMap:
        def look() -> Sequence[int]:
            self.asked += 1
            return [number for number, text in self.texts.items() if word in text]

        found = self.memory.find(word, look, LENGTH)
        assert set(found) == {number for number, text in self.texts.items() if word in text}
        return found

    def change(self, changed: dict[int, str | None]) -> None:
        """Some entries have another text, or are gone."""
        self.texts |= {number: text for number, text in changed.items() if text is not None}
        for number in [number for number, text in changed.items() if text is None]:
            self.texts.pop(number, None)
        there = {n: Text(text, "", "") for n, text in changed.items() if text is not None}
        self.memory.change(list(changed), there)


def test_a_word_of_few_is_looked_up_once() -> None:
    index = Index({1: "film", 7_000: "film", 5: "song"})
    for _ in range(3):
        assert len(index.find("film")) == 2
        assert not index.find("nothing")
    assert index.asked == 2


def test_it_goes_along_with_changes() -> None:
    index = Index({1: "film", 7_000: "film", 5: "song"})
    index.find("film")
    index.find("nothing")
    index.change({1: "song", 2: "a film", 5: None, 9: "nothing"})
    assert list(index.find("film")) == [2, 7_000]
    assert list(index.find("nothing")) == [9]
    index.change({2: None, 9: None})
    assert list(index.find("film")) == [7_000]
    assert not index.find("nothing")
    assert index.asked == 2


def test_it_becomes_one_of_many_and_is_not_looked_up_for_it() -> None:
    index = Index({1: "film"})
    index.find("film")
    index.change(dict.fromkeys(range(100, 160), "film"))
    assert len(index.find("film")) == 61
    assert "film" in index.memory.words
    index.change({100: None})
    assert len(index.find("film")) == 60
    assert index.asked == 1


def test_after_many_changes_it_is_looked_up_again() -> None:
    index = Index({1: "film"})
    index.find("film")
    for number in range(remembered._SOON + 1):
        index.change({5_000 + number: "song"})
    index.find("film")
    assert index.asked == 2
    index.find("film")
    assert index.asked == 2


def test_the_last_asked_for_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "_MOST_FEW", 2 * (remembered._OF_A_WORD + 5))
    index = Index({1: "film", 2: "song", 3: "book"})
    for word in ("film", "song", "film", "book", "film"):
        index.find(word)
    assert index.asked == 3
    index.find("song")
    assert index.asked == 4


def test_nothing_is_kept_for_nobody() -> None:
    index = Index({1: "film"})
    index.change({1: "film"})
    assert index.memory.empty
    assert not index.memory._texts
    index.find("film")
    index.change({2: "film"})
    assert index.memory._texts
    index.memory.settle()
    assert index.memory.empty
    assert not index.memory._texts


def test_words_that_many_have_take_no_more_than_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """What they take is reckoned from their sets as they are now."""
    monkeypatch.setattr(remembered, "_BYTES", 3_000)
    monkeypatch.setattr(remembered, "_SHARE", 1 << 30)
    index = Index({1: "a b c d", 2: "film"})

    def kept_of(*words: str) -> list[str]:
        for word in words:
            index.find(word)
        return list(index.memory.words)

    assert kept_of("film", "a", "b", "c") == ["film", "a", "b", "c"]
    # Of so many that lie apart the set takes 2 bytes for each.
    index.change(dict.fromkeys(range(10, LENGTH, 8), "film"))
    assert kept_of("film") == ["film"]
    index.change(dict.fromkeys(range(10, LENGTH, 8)))
    index.memory.settle()
    assert kept_of("a", "b", "c") == ["film", "a", "b", "c"]
    asked = index.asked
    index.memory.put("d", FrozenBitMap([1]))
    assert kept_of("d") == ["film", "a", "b", "c", "d"]
    assert index.asked == asked


_LETTERS = st.text("ab\0 ", max_size=6)
_PARTS = st.text("ab\0", min_size=1, max_size=3)


@given(
    st.dictionaries(st.integers(0, 50), _LETTERS | st.none(), max_size=20),
    st.lists(_PARTS, max_size=8),
)
def test_all_are_corrected_at_once_as_each_is(
    texts: dict[int, str | None], parts: list[str]
) -> None:
    """In what entries say, as whole words of names, and in the names inside."""
    there = {n: Text(text, f" {text} ", text) for n, text in texts.items() if text is not None}
    words = [f"{kind}{part}" for part in parts for kind in ("", " ", "\n")]
    one, other = Remembered(), Remembered()
    for each in (one, other):
        for word in words:
            each.put(word, FrozenBitMap([1, 99]))
        each.change(list(texts), there)
    one.settle()
    found = {word: one.words[word].found for word in words}
    assert found == {word: other.find(word, list, LENGTH) for word in words}
