"""Words of a search that no entry seen here has: which others like them there are."""

from peer.catalogue import Catalogue
from peer.operator.local_search import AT_ONCE
from peer.roster_book import RosterBook
from protocol.correcting import Corrected, correct, is_corrected
from protocol.entry import Entry
from protocol.ids import EntryId
from protocol.similar import (
    LIKENESS,
    by_distance,
    key_of,
    learned,
    likeness,
    most_apart,
    neighbours,
    parts_of,
    trigrams,
)
from protocol.words import Words, searchable


class LocalCorrecting:
    """One search's words, held against every entry."""

    def __init__(self, words: Words, rosters: RosterBook) -> None:
        self._words = words
        self._rosters = rosters
        self._lacking = {part for word in words.each for part in (word, *parts_of(word))}
        self._there: set[str] = set()
        self._lengths: set[int] = set()
        for part in filter(is_corrected, self._lacking):
            most = most_apart(part)
            self._lengths |= set(range(len(part) - most, len(part) + most + 1))
        self._learned: set[str] = set()

    async def corrected(self, catalogue: Catalogue) -> Corrected | None:
        """Words with which there may be something to find; None if there are none."""
        last = EntryId(b"")
        while portion := await catalogue.live_after(last, AT_ONCE):
            last = portion[-1].id
            for entry in portion:
                self._look_at(entry)
        return correct(self._words, self._is_there, self._candidates)

    def _look_at(self, entry: Entry) -> None:
        author = self._rosters.name_of(entry.author)
        text = searchable((entry.name, entry.caption, *entry.tags, author))
        found = {part for part in self._lacking if part in text}
        self._lacking -= found
        self._there |= found
        self._learned.update(word for word in learned(text) if len(word) in self._lengths)

    def _is_there(self, word: str) -> bool:
        return word in self._there or word in self._learned

    def _candidates(self, word: str) -> list[list[str]]:
        key = key_of(word)
        close, runs = set(neighbours(key)), trigrams(key)
        keys = ((key_of(other), other) for other in self._learned)
        alike = [
            other
            for found, other in keys
            if found in close or likeness(runs, trigrams(found)) >= LIKENESS
        ]
        return by_distance(word, alike)
