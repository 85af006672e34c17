"""Which words are like a word that nobody has, for one that was mistyped: pure.

Words are looked up by their `key`: ASCII letters, one for each letter, without accents. So one
index serves every script; what it finds is then judged by the words themselves.
"""

import re
import unicodedata
from collections.abc import Iterable
from itertools import groupby

LEAST, LONGEST = 4, 40
"""Letters of words that are corrected: of fewer, nearly every word is like every other."""
MOST_INSTEAD = 5
"""At most so many words are searched instead of one."""
MOST_CORRECTED = 3
"""Of a search at most so many words are corrected."""
LIKENESS = 0.3
"""Least part of their trigrams that words have in common which differ by more than one letter."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_RUNS = re.compile(rf"[a-z]{{{LEAST},}}")
_PARTS = re.compile(r"[a-z]+|[0-9]+")


def learned(folded: str) -> set[str]:
    """The words of a folded text that others may be corrected to: of letters, long enough."""
    runs = _RUNS.findall(folded) if folded.isascii() else _runs(folded)
    return {run for run in runs if LEAST <= len(run) <= LONGEST}


def parts_of(word: str) -> list[str]:
    """The runs of letters and of digits in a folded word."""
    return _PARTS.findall(word) if word.isascii() else _runs(word, digits=True)


def plain(word: str) -> str:
    """A folded word without accents and other marks."""
    if word.isascii():
        return word
    apart = unicodedata.normalize("NFKD", word)
    return "".join(char for char in apart if not unicodedata.category(char).startswith("M"))


def key_of(word: str) -> str:
    """The word in ASCII letters, letter for letter: others of a script mostly get one each."""
    if word.isascii() and word.isalpha():
        return word
    return "".join(
        char if "a" <= char <= "z" else _LETTERS[ord(char) % len(_LETTERS)] for char in plain(word)
    )


def neighbours(key: str) -> list[str]:
    """The key, and all keys that are one letter away, two that were swapped included."""
    halves = [(key[:at], key[at:]) for at in range(len(key) + 1)]
    found = {key}
    found.update(a + b[1:] for a, b in halves if b)
    found.update(a + b[1] + b[0] + b[2:] for a, b in halves if len(b) > 1)
    for letter in _LETTERS:
        found.update(a + letter + b[1:] for a, b in halves if b)
        found.update(a + letter + b for a, b in halves)
    return sorted(found)


def trigrams(key: str) -> set[str]:
    """The runs of three of a key, as pg_trgm has them: two spaces before it, and one behind."""
    padded = f"  {key} "
    return {padded[at : at + 3] for at in range(len(padded) - 2)}


def likeness(some: set[str], others: set[str]) -> float:
    """The part of all their trigrams that two have in common."""
    shared = len(some & others)
    return shared / (len(some) + len(others) - shared)


def most_apart(word: str) -> int:
    """By how many letters another may differ from a word, and still be what was meant."""
    length = len(plain(word))
    return 1 if length < 6 else 2 if length < 12 else 3


def distance(one: str, other: str, most: int) -> int:
    """How many letters are wrong, missing, too many, or swapped with the next; at most one more
    than `most`."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, char in enumerate(one, start=1):
        new = [row]
        for at, against in enumerate(other, start=1):
            cost = min(last[at] + 1, new[-1] + 1, last[at - 1] + (char != against))
            swapped = row > 1 < at and char == other[at - 2] and one[row - 2] == against
            new.append(min(cost, before[at - 2] + 1) if swapped else cost)
        if min(new) > most:
            return most + 1
        before, last = last, new
    return min(last[-1], most + 1)


def by_distance(word: str, others: Iterable[str]) -> list[list[str]]:
    """Those of some words that are like a word, those equally far together, the nearest first."""
    near = nearest_first(word, others)
    return [[other for _, other in each] for _, each in groupby(near, key=lambda each: each[0])]


def nearest_first(word: str, others: Iterable[str]) -> list[tuple[int, str]]:
    """Those of some words that are like a word, and how far each is; of equals the most alike."""
    wanted, most, runs = plain(word), most_apart(word), trigrams(key_of(word))
    found = []
    for other in others:
        apart = distance(wanted, plain(other), most)
        alike = likeness(runs, trigrams(key_of(other)))
        if apart <= 1 or (apart <= most and alike >= LIKENESS):
            found.append((apart, -alike, other))
    return [(apart, other) for apart, _, other in sorted(found)]


def _runs(text: str, *, digits: bool = False) -> list[str]:
    """Runs of letters with their marks, and of digits; signs, and else digits, are between them."""
    found: list[str] = []
    last = ""
    for char in text:
        kind = _kind(char)
        if kind == last and kind:
            found[-1] += char
        elif kind == "L" or (kind == "N" and digits):
            found.append(char)
        else:
            kind = ""
        last = kind
    return found


def _kind(char: str) -> str:
    """L for letters and what belongs to them, N for digits, "" for signs."""
    first = unicodedata.category(char)[0]
    return "L" if first == "M" else first if first in "LN" else ""
