"""What words were found in, kept while entries change: corrected when it is next asked for.

Of entries that change the new text is kept, and of each word how many changes it has seen.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from sys import getsizeof

from pyroaring import FrozenBitMap

from protocol.words import LONG_WORD

_BYTES = 144 << 20
"""Of the words that many have."""
_END = "\0"
"""Between texts."""
_OF_ANY = 300
"""What any of them takes beside its set."""
_MOST_MANY = 4_000
_CHANGES = 5_000
_INSIDE = 2 << 20
"""Characters of names in folders that are kept: one folder has 65,000 at most."""
_SHARE = 256
"""What fewer than one of so many entries have is looked up again after many changes."""
_MOST_FEW = 4_000_000
"""Numbers of all such words together: 2 bytes each, but 20 where they are far apart."""
_LONGEST_PART = 12
_PARTS = 8
"""So many parts of a word, those that the fewest have, are laid over one another."""
_OF_A_WORD = 100
"""A word takes what so many numbers do, and one more for each character."""
_SOON = 200
"""After more changes such a word is looked up again: that is done as soon."""


@dataclass
class Word:
    """The entries that have a word, after so many changes."""

    found: FrozenBitMap
    seen: int


@dataclass(frozen=True)
class Text:
    """What an entry is found by: its text, the spaced words of its name, the names in it."""

    text: str
    named: str
    inside: str


class Remembered:
    """Words by how `finding` asks for them: behind a space those that are whole in names, behind an
    end of line those of names in folders."""

    def __init__(self) -> None:
        self.words: dict[str, Word] = {}
        self._bytes = 0
        self._few: dict[str, Word] = {}
        self._few_size = 0
        self._changed: list[int] = []
        self._texts: dict[int, Text | None] = {}
        self._size = 0

    def find(self, word: str, look: Callable[[], Sequence[int]], length: int) -> FrozenBitMap:
        """The entries that `look` finds by a word; looked up once while it is remembered."""
        known = self.words.pop(word, None)
        if known is None:
            known = self._few_with(word) or Word(_set_of(look()), len(self._changed))
            if len(known.found) * _SHARE <= length:
                self._keep_few(word, known)
                return known.found
            self._bytes += _bytes_of(word, known)
        else:
            self._correct_many(word, known)
        # The last that is asked for is the last to go.
        self.words[word] = known
        while self._bytes > _BYTES or len(self.words) > _MOST_MANY:
            self._drop(next(iter(self.words)))
        return known.found

    def __contains__(self, word: str) -> bool:
        return self._known(word) is not None

    def narrowed(self, word: str, kind: str = "") -> FrozenBitMap | None:
        """A set that has all entries with a word, by known parts of it; None if none is known.

        `kind` is what is in front of it: nothing, or the end of line of names in folders.
        """
        parts = {
            kind + word[at : at + length]
            for at in range(len(word) - LONG_WORD + 1)
            for length in range(LONG_WORD, min(_LONGEST_PART, len(word) - at) + 1)
        }
        known = [(part, each) for part in parts if (each := self._known(part)) is not None]
        known.sort(key=lambda one: (len(one[1].found), one[0]))
        narrowed: FrozenBitMap | None = None
        for part, each in known[:_PARTS]:
            self._bring_up(part, each)
            narrowed = each.found if narrowed is None else narrowed & each.found
        return narrowed

    def put(self, word: str, found: FrozenBitMap) -> None:
        """Remember a word that many have, as it was before anything changes."""
        self._drop(word)
        known = self.words[word] = Word(found, 0)
        self._bytes += _bytes_of(word, known)

    @property
    def empty(self) -> bool:
        """Whether no word is remembered, and no text needed."""
        return not (self.words or self._few)

    def change(self, numbers: Sequence[int], texts: Mapping[int, Text]) -> None:
        """These entries have changed: to these texts, the others are gone."""
        if self.empty:
            return
        self._changed += numbers
        for number in numbers:
            text = self._texts[number] = texts.get(number)
            self._size += 0 if text is None else len(text.inside)
        if len(self._changed) > _CHANGES or self._size > _INSIDE:
            self.settle()

    @property
    def nearly_full(self) -> bool:
        """Whether there is little room left for what others ask for."""
        return self._bytes > _BYTES * 3 // 4 or len(self.words) > _MOST_MANY * 3 // 4

    def settle(self) -> None:
        """Correct all, and keep no text any more."""
        changed, texts = _set_of(self._changed), Texts(self._texts)
        for word, known in self.words.items():
            self._bytes -= _bytes_of(word, known)
            known.found = known.found - changed | _set_of(texts.having(word))
            known.seen = 0
            self._bytes += _bytes_of(word, known)
        self._few, self._few_size = {}, 0
        self._changed, self._texts, self._size = [], {}, 0

    def _known(self, word: str) -> Word | None:
        known = self.words.get(word)
        if known is None:
            known = self._few.get(word)
            if known is not None and len(self._changed) - known.seen > _SOON:
                return None
        return known

    def _bring_up(self, word: str, known: Word) -> None:
        if word in self.words:
            self._correct_many(word, known)
        else:
            self._few_size -= _size(word, known)
            self._correct(word, known)
            self._few_size += _size(word, known)

    def _few_with(self, word: str) -> Word | None:
        """The few that are remembered to have a word; None if it is to be looked up."""
        if word not in self._few:
            return None
        few = self._drop_few(word)
        if len(self._changed) - few.seen > _SOON:
            return None
        self._correct(word, few)
        return few

    def _keep_few(self, word: str, few: Word) -> None:
        self._few[word] = few
        self._few_size += _size(word, few)
        while self._few_size > _MOST_FEW:
            self._drop_few(next(iter(self._few)))

    def _drop_few(self, word: str) -> Word:
        few = self._few.pop(word)
        self._few_size -= _size(word, few)
        return few

    def _drop(self, word: str) -> None:
        known = self.words.pop(word, None)
        if known is not None:
            self._bytes -= _bytes_of(word, known)

    def _correct_many(self, word: str, known: Word) -> None:
        self._bytes -= _bytes_of(word, known)
        self._correct(word, known)
        self._bytes += _bytes_of(word, known)

    def _correct(self, word: str, known: Word) -> None:
        if known.seen == len(self._changed):
            return
        changed = _set_of(self._changed[known.seen :])
        having = [number for number in changed if _has(self._texts[number], word)]
        known.found = known.found - changed | _set_of(having)
        known.seen = len(self._changed)


def _size(word: str, few: Word) -> int:
    return len(few.found) + _OF_A_WORD + len(word)


class Texts:
    """What some entries are found by, laid end to end: looked through for many words quickly."""

    def __init__(self, texts: Mapping[int, Text | None]) -> None:
        there = [(number, text) for number, text in texts.items() if text is not None]
        self._numbers = [number for number, _ in there]
        self._texts = _EndToEnd(text.text for _, text in there)
        self._named = _EndToEnd(text.named for _, text in there)
        self._inside = _EndToEnd(text.inside for _, text in there)

    def having(self, word: str) -> list[int]:
        """The entries that have a word, as `Remembered` calls it."""
        if word.startswith(" "):
            found = self._named.having(f"{word} ")
        elif word.startswith("\n"):
            found = self._inside.having(word[1:])
        else:
            found = self._texts.having(word)
        return [self._numbers[at] for at in found]


class _EndToEnd:
    def __init__(self, texts: Iterable[str]) -> None:
        each = list(texts)
        self._whole = _END.join(each)
        self._ends = list(accumulate(len(text) + 1 for text in each))

    def having(self, part: str) -> Iterator[int]:
        """Which of them have this in them."""
        at = self._whole.find(part)
        while at >= 0:
            number = bisect_right(self._ends, at)
            if at + len(part) < self._ends[number]:
                yield number
                at = self._whole.find(part, self._ends[number])
            else:
                at = self._whole.find(part, at + 1)


def _bytes_of(word: str, known: Word) -> int:
    return getsizeof(known.found) + getsizeof(word) + _OF_ANY


def _set_of(numbers: Sequence[int]) -> FrozenBitMap:
    return FrozenBitMap(numbers, optimize=False)


def _has(text: Text | None, word: str) -> bool:
    if text is None:
        return False
    if word.startswith(" "):
        return f"{word} " in text.named
    return word[1:] in text.inside if word.startswith("\n") else word in text.text
