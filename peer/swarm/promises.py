"""The lock under which a copy is dropped, as one machine keeps it. Pure: takes `now` in seconds.

Who drops marks its copy as going, asks others to keep theirs, and drops only while enough of them
are bound by a promise. A copy that is going is promised to nobody, and a promised one does not
begin to go: so of two that ask each other at the same time both stay. Promises end by time, as
who asked may be dead; who drops counts from before its first question and stops earlier, so that
only the rates of two clocks must agree, not what they show.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from protocol.ids import ManifestId, PeerId

PROMISED = 300.0
"""Seconds for which a promise binds when no Release comes."""
DROP_WITHIN = 100.0
"""Seconds from the first question within which a copy must be dropped."""

SpanKey = tuple[ManifestId, int]
"""A manifest and the number of one of its spans."""


class Promises:
    """Copies that are about to be dropped here, and copies promised to others."""

    def __init__(self) -> None:
        self._going: dict[SpanKey, float] = {}
        self._spans_going: Counter[ManifestId] = Counter()
        self._promised: defaultdict[SpanKey, dict[PeerId, float]] = defaultdict(dict)
        self._closed = 0

    # Who drops

    def begin(self, span: SpanKey, now: float) -> bool:
        """Mark our copy as going; False when it is already, or is promised to somebody."""
        if span in self._going or self.is_promised(span, now):
            return False
        self._going[span] = now
        self._spans_going[span[0]] += 1
        return True

    def in_time(self, span: SpanKey, now: float) -> bool:
        """Whether a copy that is going may still be dropped."""
        began = self._going.get(span)
        return began is not None and now - began <= DROP_WITHIN

    def is_going(self, manifest: ManifestId) -> bool:
        """Whether any of our copy of a manifest is about to be dropped."""
        return manifest in self._spans_going

    def end(self, span: SpanKey) -> None:
        """It was dropped, or stays."""
        if self._going.pop(span, None) is not None:
            self._spans_going[span[0]] -= 1
            if not self._spans_going[span[0]]:
                del self._spans_going[span[0]]

    # Who keeps

    def promise(self, asker: PeerId, span: SpanKey, now: float) -> bool:
        """Promise to keep our copy until `asker` releases it; False when it is going."""
        if self._closed or span in self._going:
            return False
        self._promised[span][asker] = now + PROMISED
        return True

    def release(self, asker: PeerId, span: SpanKey) -> None:
        """An asker needs our copy no more than before."""
        if span in self._promised:
            self._promised[span].pop(asker, None)
            if not self._promised[span]:
                del self._promised[span]

    def is_promised(self, span: SpanKey, now: float) -> bool:
        """Whether our copy must stay for now."""
        if span not in self._promised:
            return False
        for asker in [a for a, until in self._promised[span].items() if until <= now]:
            self.release(asker, span)
        return span in self._promised

    @contextmanager
    def all_going(self) -> Iterator[None]:
        """As long as this lasts, all that is here is going: nothing is promised any more."""
        self._closed += 1
        try:
            yield
        finally:
            self._closed -= 1

    def relied_on(self, now: float) -> int:
        """Of how many spans somebody may still be dropping its copy because of our promise."""
        latest = now + PROMISED - DROP_WITHIN
        return sum(any(t >= latest for t in u.values()) for u in self._promised.values())

    def tidy(self, now: float) -> None:
        """Forget promises that have ended by time."""
        for span in list(self._promised):
            self.is_promised(span, now)
