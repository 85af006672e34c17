"""Folded texts of entries by their numbers, end to end in memory: looked through at once. Pure.

Up to so many bytes. What does not fit, as what is not there, is named to whoever asks.
"""

from array import array
from collections.abc import Iterable

_OF_A_NUMBER = 8


class TextStore:
    """At most `most` bytes, below 4 GiB. A text that changes leaves its old one behind."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.begins = array("I")
        self.lengths = array("I")
        """Where in `texts` each is, in bytes; of no length is one that is not here."""
        self.texts = bytearray()

    def put(self, number: int, text: str) -> None:
        """Keep the text of an entry, if there is room."""
        raw = text.encode()
        short = max(number + 1 - len(self.begins), 0)
        if len(self.texts) + len(raw) + (len(self.begins) + short) * _OF_A_NUMBER > self._most:
            self.forget((number,))
            return
        if short:
            for each in (self.begins, self.lengths):
                each.frombytes(bytes(short * each.itemsize))
        self.begins[number], self.lengths[number] = len(self.texts), len(raw)
        self.texts += raw

    def forget(self, numbers: Iterable[int]) -> None:
        """These are not as they were."""
        for number in numbers:
            if number < len(self.lengths):
                self.lengths[number] = 0

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
        return found, lacking

    def compact(self) -> None:
        """Leave nothing behind any more."""
        if sum(self.lengths) == len(self.texts):
            return
        whole = bytearray()
        for number, length in enumerate(self.lengths):
            begin = self.begins[number]
            self.begins[number] = len(whole)
            whole += self.texts[begin : begin + length]
        self.texts = whole
