"""Words like a mistyped one: what is meant is found, and what is not is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.correcting import correct
from protocol.inner_names import MOST_BYTES, MOST_PATHS, inner_text, line_with
from protocol.similar import (
    LIKENESS,
    by_distance,
    distance,
    key_of,
    learned,
    likeness,
    most_apart,
    nearest_first,
    neighbours,
    parts_of,
    trigrams,
)
from protocol.words import EXACT, PART, WORD, fold, nearness, replaced, spaced, split_query

LETTERS = st.text("abcdeé", min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("typed", "meant", "apart"),
    [
        ("holliday", "holiday", 1),
        ("holidya", "holiday", 1),
        ("hoilday", "holiday", 1),
        ("holday", "holiday", 1),
        ("hollidya", "holiday", 2),
        ("flim", "film", 1),
        ("etretat", "étretat", 0),
        ("фильи", "фильм", 1),
        ("филмь", "фильм", 1),
        ("accomodtion", "accommodation", 2),
        ("한국아", "한국어", 1),
    ],
)
def test_what_is_meant_is_like_what_is_typed(typed: str, meant: str, apart: int) -> None:
    assert nearest_first(typed, [meant, "zebra"]) == [(apart, meant)]


@pytest.mark.parametrize(
    "pair", [("film", "fall"), ("holiday", "monday"), ("beach", "bench press")]
)
def test_others_are_not(pair: tuple[str, str]) -> None:
    assert nearest_first(pair[0], [pair[1]]) == []


def plain_distance(one: str, other: str) -> int:
    """The same by the book: optimal string alignment."""
    table = {(-1, -1): 0}
    for row in range(-1, len(one)):
        for at in range(-1, len(other)):
            if (row, at) == (-1, -1):
                continue
            ways = []
            if row >= 0:
                ways.append(table[row - 1, at] + 1)
            if at >= 0:
                ways.append(table[row, at - 1] + 1)
            if row >= 0 and at >= 0:
                ways.append(table[row - 1, at - 1] + (one[row] != other[at]))
            if row > 0 < at and one[row] == other[at - 1] and one[row - 1] == other[at]:
                ways.append(table[row - 2, at - 2] + 1)
            table[row, at] = min(ways)
    return table[len(one) - 1, len(other) - 1]


@given(LETTERS, LETTERS, st.integers(0, 4))
def test_the_distance_is_that_of_the_book_as_far_as_it_counts(a: str, b: str, most: int) -> None:
    assert distance(a, b, most) == min(plain_distance(a, b), most + 1)


@given(LETTERS, LETTERS)
def test_keys_of_words_one_letter_apart_are_neighbours(one: str, other: str) -> None:
    near = key_of(other) in neighbours(key_of(one))
    assert near == (plain_distance(key_of(one), key_of(other)) <= 1)


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_has_a_key_of_letters(one: str, other: str) -> None:
    for word in (*learned(fold(one)), *learned(fold(other))):
        key = key_of(word)
        assert key.isascii()
        assert not key or key.isalpha()
        assert nearest_first(word, [word]) == [(0, word)]


def test_likeness_is_that_of_pg_trgm() -> None:
    # SELECT similarity('word', 'two words') with one word each.
    assert likeness(trigrams("word"), trigrams("words")) == pytest.approx(4 / 7)
    assert likeness(trigrams("holiday"), trigrams("hollidya")) >= LIKENESS
    assert likeness(trigrams("holiday"), trigrams("bolidag")) < LIKENESS


def test_what_is_learned_are_words_of_letters() -> None:
    text = fold("Holiday_Film (2026).mp4 IMG_2041.jpg фильмы étretat हिन्दी a-b " + "x" * 41)
    assert learned(text) == {"holiday", "film", "фильмы", "étretat", "हिन्दी"}
    assert parts_of("holliday2026.mp4") == ["holliday", "2026", "mp", "4"]
    assert parts_of("фильм2!") == ["фильм", "2"]


def test_longer_words_may_be_further_off() -> None:
    assert [most_apart("x" * length) for length in (4, 5, 6, 11, 12)] == [1, 1, 2, 2, 3]


def corrected(query: str, there: set[str]) -> tuple[object, ...] | None:
    def candidates(word: str) -> list[list[str]]:
        return by_distance(word, there)

    found = correct(split_query(query), there.__contains__, candidates)
    if found is None:
        return None
    told = {each.word: each.instead for each in found.replaced}
    return found.words.groups, told


def test_only_words_that_nothing_has_are_replaced() -> None:
    there = {"holiday", "beach", "leech", "film", "mp4", "2026"}
    assert corrected("holliday film", there) == (
        (("holiday",), ("film",)),
        {"holliday": ("holiday",)},
    )
    assert corrected("beech", there) == ((("beach", "leech"),), {"beech": ("beach", "leech")})
    assert corrected("holliday2026", there) == (
        (("holiday",), ("2026",)),
        {"holliday": ("holiday",)},
    )
    assert corrected("holiday", there) is None
    assert corrected("holliday zzzzzz", there) is None
    assert corrected("fim", there) is None
    assert corrected("2027", there) is None
    assert corrected("film+mp4", there) is None
    assert corrected("holliday beech filn holidey", there) is None


def test_a_word_that_was_put_in_place_is_as_near_as_if_it_had_been_typed() -> None:
    words = replaced([("beach", "leech"), ("film",)])
    assert words.together == "beach film"

    def near(name: str) -> int:
        return nearness(words, fold(name), spaced(fold(name)))

    assert [near(n) for n in ("Beach film", "Film of a leech", "beaches.film")] == [
        EXACT,
        WORD,
        PART,
    ]


def test_names_in_a_folder_are_kept_once_and_not_without_end() -> None:
    text = inner_text(["DCIM/Étretat/IMG_1.JPG", "DCIM/Étretat/IMG_2.JPG", "read me.TXT"])
    assert text.split("\n") == ["dcim", "read me.txt", "étretat", "img_1.jpg", "img_2.jpg"]
    many = inner_text(f"deep/{'x' * 40}{number}" for number in range(100_000))
    assert len(many.encode()) <= MOST_BYTES
    assert many.startswith("deep\n")
    first = iter(range(10 * MOST_PATHS))
    inner_text(str(number) for number in first)
    assert next(first) == MOST_PATHS
    assert inner_text([""]) == inner_text([]) == ""


def test_the_line_that_has_most_of_the_words_is_told() -> None:
    text = "dcim\nbeach.jpg\nbeach at sea.jpg"
    assert line_with(text, [("beach",)]) == "beach.jpg"
    assert line_with(text, [("lake", "sea"), ("beach",)]) == "beach at sea.jpg"
    assert line_with(text, [("mountain",)]) == ""
