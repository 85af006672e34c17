"""Words of a search that no entry has, replaced by the words like them that entries have: pure.

Goes by what there is alone, never by filters or pages: each page of a search has the same words.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from protocol.messages.finding import Replaced
from protocol.similar import LEAST, LONGEST, MOST_CORRECTED, MOST_INSTEAD, parts_of, plain
from protocol.words import Words, replaced

_LOOKED_UP = 20
"""At most so many words are looked at, whether an entry has them still."""

IsThere = Callable[[str], bool]
"""Whether an entry has a word anywhere in it."""
Candidates = Callable[[str], Iterable[list[str]]]
"""Words like a word, those equally far together, the nearest first; looked up when asked for."""


class Corrected(NamedTuple):
    """What to search instead, and what a person should be told of that."""

    words: Words
    replaced: tuple[Replaced, ...]


def correct(words: Words, is_there: IsThere, candidates: Candidates) -> Corrected | None:
    """Words with which there may be something to find; None if there are none."""
    groups: list[tuple[str, ...]] = []
    told: list[Replaced] = []
    for word in words.each:
        if is_there(word):
            groups.append((word,))
            continue
        before = len(told)
        for part in parts_of(word):
            if is_there(part):
                groups.append((part,))
                continue
            instead = _instead_of(part, is_there, candidates)
            if not instead or len(told) == MOST_CORRECTED:
                return None
            groups.append(instead)
            told.append(Replaced(word=part, instead=instead))
        if len(told) == before:
            return None
    return Corrected(replaced(groups), tuple(told)) if told else None


def is_corrected(word: str) -> bool:
    """Whether a run of letters or digits is of a kind that is replaced by others."""
    return len(plain(word)) >= LEAST and len(word) <= LONGEST and not word[0].isnumeric()


def _instead_of(word: str, is_there: IsThere, candidates: Candidates) -> tuple[str, ...]:
    """The words that are least far from a word, of those that an entry has."""
    if not is_corrected(word):
        return ()
    looked_up = 0
    for equally_far in candidates(word):
        found: list[str] = []
        for other in equally_far:
            if len(found) == MOST_INSTEAD or looked_up == _LOOKED_UP:
                break
            looked_up += 1
            if is_there(other):
                found.append(other)
        if found:
            return tuple(found)
    return ()
