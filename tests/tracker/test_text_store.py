"""Texts end to end in memory: each as it was put last, and no word found across two of them."""

import random

import pytest

from tracker.text_store import TextStore

WORDS = ("film", "ilm", "м", "фильм", "字", "m.mp4", "a b")


def test_a_word_is_not_found_across_two_texts() -> None:
    store = TextStore(1 << 10)
    store.put(1, "fil")
    store.put(2, "m\nфи")
    store.put(3, "льм")
    assert store.having("film", (1, 2)) == ([], [])
    assert store.having("фильм", (2, 3)) == ([], [])
    assert store.having("ф", (1, 2, 3)) == ([2], [])


def test_what_does_not_fit_is_lacking_and_not_what_it_was() -> None:
    store = TextStore(40)
    store.put(1, "film")
    store.put(2, "a film that is longer than there is room")
    store.put(1 << 20, "film")
    assert store.get((1, 2, 3, 1 << 20)) == ({1: "film"}, [2, 3, 1 << 20])
    assert store.having("film", (2, 1, 3)) == ([1], [2, 3])
    store.put(1, "another that has no room beside the first")
    assert store.get((1,)) == ({}, [1])


def test_the_same_text_again_takes_no_room() -> None:
    store = TextStore(60)
    assert store.put(1, "film")
    for _ in range(100):
        assert store.put(1, "film")
    assert store.texts == b"film"


def test_what_changes_leave_behind_makes_room() -> None:
    store = TextStore(100)
    for text in (letter * 30 for letter in "abcdefgh"):
        assert store.put(1, text)
        assert store.put(0, text[:10])
    assert store.get((0, 1)) == ({0: "h" * 10, 1: "h" * 30}, [])


def test_what_did_not_fit_is_read_once_while_it_stays_as_it_is() -> None:
    store = TextStore(30)
    store.put(1, "film")
    assert not store.put(2, "a film that does not fit")
    store.put_read({2: "a film that does not fit"})
    assert store.get((2, 3)) == ({2: "a film that does not fit"}, [3])
    assert store.having("film", (1, 2, 3)) == ([1, 2], [3])
    assert not store.put(2, "another that does not fit")
    assert store.get((2,)) == ({}, [2])
    store.put_read({2: "another that does not fit"})
    store.forget([2])
    assert store.get((2,)) == ({}, [2])


def test_long_texts_take_longer() -> None:
    short, long, empty = (TextStore(1 << 20) for _ in range(3))
    short.put(7, "film")
    for number in range(8):
        long.put(number, "film" * 16_000)
    long.forget(range(4))
    assert empty.milliseconds(1000) <= short.milliseconds(1000) < 1
    assert 50 < long.milliseconds(1000) < 100


@pytest.mark.parametrize("seed", range(4))
def test_is_what_was_put_last(seed: int) -> None:
    chance, store, kept = random.Random(seed), TextStore(1 << 20), dict[int, str]()
    for step in range(300):
        some = {chance.randrange(60): " ".join(chance.choices(WORDS, k=3)) for _ in range(3)}
        gone = [chance.randrange(60)]
        for number, text in some.items():
            store.put(number, text)
        store.forget(gone)
        kept |= some
        kept = {number: text for number, text in kept.items() if number not in gone}
        if step % 50 == 0:
            before = store.milliseconds(1000)
            store.compact()
            assert store.milliseconds(1000) == before
            assert len(store.texts) == sum(len(text.encode()) for text in kept.values())
        asked = chance.sample(range(70), 20)
        lacking = [number for number in asked if number not in kept]
        there = {number: kept[number] for number in asked if number in kept}
        assert store.get(asked) == (there, lacking)
        for word in WORDS:
            having = [number for number, text in there.items() if word in text]
            assert store.having(word, asked) == (having, lacking)
