"""What many entries have that people type: looked up before somebody waits for it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from protocol.words import LONG_WORD, spaced
from tracker.shelf import Shelf
from tracker.snapshot import Snapshot
from tracker.word_index import terms
from tracker.word_sets import own_texts, with_any, with_any_inside, with_parts

LETTERS = tuple("abcdefghijklmnopqrstuvwxyz0123456789")
"""Words that are looked up before they are asked for, and then `common_terms`."""
_COMMON = 200
"""What is typed is common if more than one of so many entries have it."""
_SAMPLE = 6_000
_MOST_COMMON = 1_500
_LONGEST = 12
"""Characters of a beginning that is looked for among what is common."""
_INNER = 6
"""Characters of one that is found within words too: what is longer seldom is."""
_FIRST = 300
"""Characters of a text that are looked at for that: captions may be long, and no two alike."""


def look_up(snapshot: Snapshot, shelf: Shelf, now: int, word: str) -> None:
    """Look up what many entries have, before somebody waits for it."""
    with shelf.held(snapshot, now):
        if word.startswith(" "):
            with_parts(snapshot, shelf, [[word[1:]]])
            return
        with_any(snapshot, shelf, (word,))
        with_any_inside(snapshot, shelf, (word,))


def common_terms(snapshot: Snapshot, shelf: Shelf, now: int) -> list[str]:
    """What many entries have that is typed, going by some of them; without LETTERS.

    Words of one or two characters, beginnings of words, and whole words of names behind a space;
    of each kind the most common first.
    """
    with shelf.held(snapshot, now):
        numbers = shelf.orders["created"].numbers
        some = numbers[:: len(numbers) // _SAMPLE + 1]
        names = [shelf.columns.name(number) for number in some]
        texts = own_texts(snapshot, shelf, some)
    least = len(some) // _COMMON
    short = _common(map(terms, texts.values()), least)
    long = _common(_typed([text[:_FIRST] for text in texts.values()]), least)
    whole = _common((set(spaced(name).split()) for name in names), least)
    return [*(term for term in short if term not in LETTERS), *long, *(f" {w}" for w in whole)]


def _common(each: Iterable[Iterable[str]], least: int) -> list[str]:
    counted = Counter(chain.from_iterable(each))
    return [term for term, times in counted.most_common(_MOST_COMMON) if times > least]


def _typed(texts: Sequence[str]) -> Iterator[list[str]]:
    """Of each text what it has of what somebody types who types a word of any of them."""
    beginnings = list(map(_beginnings, texts))
    every = set().union(*beginnings)
    for text, own in zip(texts, beginnings, strict=True):
        inner = {
            text[at : at + length]
            for length in range(LONG_WORD, _INNER + 1)
            for at in range(len(text) - length + 1)
        }
        yield [part for part in own | inner if part in every]


def _beginnings(text: str) -> set[str]:
    """What somebody has typed who types a word of this text, with or without the signs in it."""
    return {
        part[:length]
        for part in {*spaced(text).split(), *text.split()}
        for length in range(LONG_WORD, min(len(part), _LONGEST) + 1)
    }
