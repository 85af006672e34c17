"""What words were found in, kept while entries change: corrected when it is next asked for.

Of entries that change the new text is kept, and of each word how many changes it has seen.
"""

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tracker.masks import mask_of

_BYTES = 96 << 20
_CHANGES = 5_000
_INSIDE = 8 << 20
"""Characters of names in folders that are kept: one folder has 65,000 at most."""
_SHARE = 256
"""What fewer than one of so many entries have is kept by their numbers."""
_MOST_FEW = 4_000_000
"""Numbers of all such words together."""
_OF_A_WORD = 100
"""A word takes what so many numbers do, and one more for each character."""
_SOON = 200
"""After more changes such a word is looked up again: that is done as soon."""


@dataclass
class Word:
    """The entries that have a word, after so many changes."""

    found: int
    seen: int


@dataclass(frozen=True)
class _Few:
    """The same of a word that few entries have."""

    numbers: "array[int]"
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
        self._few: dict[str, _Few] = {}
        self._few_size = 0
        self._changed: list[int] = []
        self._texts: dict[int, Text | None] = {}
        self._size = 0

    def find(self, word: str, look: Callable[[], Sequence[int]], length: int) -> int:
        """The entries that `look` finds by a word; looked up once while it is remembered."""
        known = self.words.pop(word, None)
        if known is None:
            numbers = self._few_with(word)
            if numbers is None:
                numbers = look()
            if len(numbers) * _SHARE <= length:
                self._keep_few(word, numbers)
                return _mask(numbers, length)
            known = Word(_mask(numbers, length), len(self._changed))
        elif known.seen < len(self._changed):
            self._correct(word, known)
        # The last that is asked for is the last to go.
        self.words[word] = known
        while len(self.words) * (length // 8 + 1) > _BYTES:
            del self.words[next(iter(self.words))]
        return known.found

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

    def settle(self) -> None:
        """Correct all, and keep no text any more."""
        for word, known in self.words.items():
            self._correct(word, known)
            known.seen = 0
        self._few, self._few_size = {}, 0
        self._changed, self._texts, self._size = [], {}, 0

    def _few_with(self, word: str) -> Sequence[int] | None:
        """The few that are remembered to have a word; None if it is to be looked up."""
        few = self._few.get(word)
        if few is None:
            return None
        self._drop_few(word)
        if len(self._changed) - few.seen > _SOON:
            return None
        changed = set(self._changed[few.seen :])
        left = [number for number in few.numbers if number not in changed]
        return left + [number for number in changed if _has(self._texts[number], word)]

    def _keep_few(self, word: str, numbers: Sequence[int]) -> None:
        self._few[word] = _Few(array("I", numbers), len(self._changed))
        self._few_size += len(numbers) + _OF_A_WORD + len(word)
        while self._few_size > _MOST_FEW:
            self._drop_few(next(iter(self._few)))

    def _drop_few(self, word: str) -> None:
        self._few_size -= len(self._few.pop(word).numbers) + _OF_A_WORD + len(word)

    def _correct(self, word: str, known: Word) -> None:
        changed = set(self._changed[known.seen :])
        known.seen = len(self._changed)
        if not changed:
            return
        length = max(changed) + 1
        having = [number for number in changed if _has(self._texts[number], word)]
        known.found = known.found & ~mask_of(changed, length) | mask_of(having, length)


def _mask(numbers: Sequence[int], length: int) -> int:
    try:
        return mask_of(numbers, length)
    except IndexError:
        # Some are newer than what is kept of entries.
        return mask_of(numbers, max(numbers) + 1)


def _has(text: Text | None, word: str) -> bool:
    if text is None:
        return False
    if word.startswith(" "):
        return f"{word} " in text.named
    return word[1:] in text.inside if word.startswith("\n") else word in text.text
