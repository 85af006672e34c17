"""Folded texts of entries by their numbers, end to end in memory: looked through at once. Pure.

Up to so many bytes. Of what does not fit, what was read lately is remembered; the rest is named to
whoever asks.
"""

from array import array
from collections.abc import Collection, Iterable, Mapping
from sys import getsizeof

from tracker.recent import Recent

_OF_A_NUMBER = 8
_READ = 12 << 20
"""Bytes of what did not fit and was read."""
_OF_A_TEXT = 130
_WORTH_COMPACTING = 4
"""One part in so many."""
_A_LOOK, _A_BYTE = 700, 1
"""Nanoseconds, about."""


class TextStore:
    """At most `most` bytes, below 4 GiB, and what was read."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.begins = array("I")
        self.lengths = array("I")
        """Where in `texts` each is, in bytes; of no length is one that is not here."""
        self.texts = bytearray()
        self._here = 0
        self._gone = 0
        """Bytes that changed texts have left behind."""
        self._read = Recent[str](_READ, lambda text: getsizeof(text) + _OF_A_TEXT)

    def put(self, number: int, text: str) -> bool:
        """Keep the text of an entry, if there is room."""
        raw = text.encode()
        if self._raw(number) == raw:
            return True
        self.forget((number,))
        short = max(number + 1 - len(self.begins), 0)
        more = len(raw) + short * _OF_A_NUMBER
        if self._bytes() + more > self._most and self._gone * _WORTH_COMPACTING > self._most:
            self.compact()
        if self._bytes() + more > self._most:
            return False
        if short:
            for each in (self.begins, self.lengths):
                each.frombytes(bytes(short * each.itemsize))
        self.begins[number], self.lengths[number] = len(self.texts), len(raw)
        self.texts += raw
        self._here += 1
        return True

    def forget(self, numbers: Collection[int]) -> None:
        """These have no text any more, or another."""
        self._read.forget(numbers)
        for number in numbers:
            if number < len(self.lengths) and (length := self.lengths[number]):
                self.lengths[number] = 0
                self._here -= 1
                self._gone += length

    def put_read(self, texts: Mapping[int, str]) -> None:
        """Remember some that did not fit."""
        self._read.put(texts)

    def get(self, numbers: Iterable[int]) -> tuple[dict[int, str], list[int]]:
        """The texts of some entries, and of which there is none."""
        begins, lengths, texts, end = self.begins, self.lengths, self.texts, len(self.lengths)
        found, lacking = {}, []
        for number in numbers:
            if number < end and (length := lengths[number]):
                begin = begins[number]
                found[number] = texts[begin : begin + length].decode()
            else:
                lacking.append(number)
        if lacking:
            read, lacking = self._read.get(lacking)
            found |= read
        return found, lacking

    def having(self, word: str, numbers: Iterable[int]) -> tuple[list[int], list[int]]:
        """Those of some entries that have a word in their text, and of which there is none."""
        begins, lengths, end = self.begins, self.lengths, len(self.lengths)
        raw, find = word.encode(), self.texts.find
        found, lacking = [], []
        for number in numbers:
            if number < end and (length := lengths[number]):
                begin = begins[number]
                if find(raw, begin, begin + length) >= 0:
                    found.append(number)
            else:
                lacking.append(number)
        if lacking:
            read, lacking = self._read.get(lacking)
            found += [number for number, text in read.items() if word in text]
        return found, lacking

    def milliseconds(self, several: int) -> float:
        """What looking through so many takes, about, as long as texts here are."""
        length = (len(self.texts) - self._gone) // max(self._here, 1)
        return several * (_A_LOOK + length * _A_BYTE) / 1_000_000

    def compact(self) -> None:
        """Leave nothing behind any more."""
        whole = bytearray()
        for number, length in enumerate(self.lengths):
            begin = self.begins[number]
            self.begins[number] = len(whole)
            whole += self.texts[begin : begin + length]
        self.texts = whole
        self.count()

    def count(self) -> None:
        """See what is here, after `begins`, `lengths` and `texts` were filled by somebody else."""
        self._here = len(self.lengths) - self.lengths.count(0)
        self._gone = len(self.texts) - sum(self.lengths)

    def _bytes(self) -> int:
        return len(self.texts) + len(self.begins) * _OF_A_NUMBER

    def _raw(self, number: int) -> bytes | None:
        if number >= len(self.lengths) or not (length := self.lengths[number]):
            return None
        begin = self.begins[number]
        return bytes(self.texts[begin : begin + length])
