"""The index of words, of either engine: it finds what is there, whatever it is made of."""

import random

import pytest
from sqlalchemy import Connection

from protocol.words import fold, searchable, spaced
from tracker import search_index
from tracker.data_dir import SwarmKeys
from tracker.database import Database
from tracker.word_index import Worded

SIGNS = "aabbccde12 日本語のéßжњعربไทย+-%_\\'\"/.,(){}[]*^$#@!~`|<>&?=:;\U0001f4a9\u0301ﬃ"
"""Words of letters, of other scripts, of signs alone, and of all together."""


def texts(chance: random.Random) -> list[str]:
    lengths = [chance.randrange(1, 40) for _ in range(150)]
    return ["".join(chance.choices(SIGNS, k=length)) for length in lengths] + [
        "x" * 3_000,
        "é" * 900,
    ]


@pytest.mark.parametrize("seed", range(3))
def test_what_is_found_is_there(made: tuple[Database, SwarmKeys], seed: int) -> None:
    chance = random.Random(seed)
    given = texts(chance)
    kept = [
        Worded(number, searchable((text, "")), tuple(dict.fromkeys(spaced(fold(text)).split())))
        for number, text in enumerate(given)
    ]
    gone = set(chance.sample(range(len(kept)), 20))

    def fill(connection: Connection) -> None:
        index = search_index._words(connection)
        index.put(connection, kept)
        for number in gone:
            index.remove(connection, number)

    made[0].write_now(fill)
    there = [each for each in kept if each.number not in gone]
    words = {word for each in chance.sample(there, 40) for word in some_of(each.text, chance)}

    def check(connection: Connection) -> None:
        index = search_index._words(connection)
        few = chance.sample(range(len(kept)), 60)
        texts = {each.number: each.text for each in there if each.number in few}
        assert index.texts(connection, few) == texts
        for word in sorted(words):
            expected = {each.number for each in there if word in each.text}
            assert set(index.numbers_with(connection, word)) == expected, word
        for part in {part for each in chance.sample(there, 40) for part in each.named}:
            expected = {each.number for each in there if part in each.named}
            assert set(index.numbers_named(connection, part)) == expected, part

    made[0].read_now(check)


def some_of(text: str, chance: random.Random) -> list[str]:
    """Parts of the words of a text, of one character and more, and one that is hardly there."""
    found = ["".join(chance.choices(SIGNS.replace(" ", ""), k=3))]
    for word in text.split():
        start = chance.randrange(len(word))
        found.append(word[start : start + chance.randrange(1, 30)])
    return [fold(each) for each in found if fold(each) and len(fold(each).split()) == 1]
