"""Which copies this machine holds beyond what the ring wants here. Pure."""

from typing import NamedTuple

from peer.store.contents import Content
from peer.swarm.promises import SpanKey
from protocol.ids import ManifestId, PeerId
from protocol.placement import Span, spans_by_size
from protocol.ring import Ring

SETTLED = 60.0
"""Seconds for which a copy must have been surplus before it is dropped: rosters come in a row."""
MOST_DOUBLED = 10
"""Times that SETTLED is doubled, for what was brought back after each drop: 17 hours."""
MOST_REMEMBERED = 10_000
RETRY = 60.0
"""Seconds after which others are asked again whether they hold what is surplus here."""
RETRY_HANDED_ON = 13.0
"""The same for what is handed on. Who took it finds it surplus and asks us, every RETRY: if we did
so at the same times, each would find the other about to drop, for ever."""


class Surplus(NamedTuple):
    """A span of which pieces are here, and the members that should hold it instead."""

    number: int
    span: Span
    holders: tuple[PeerId, ...]


def surplus_of(
    content: Content,
    ring: Ring,
    me: PeerId,
    copies: int,
    gone: frozenset[PeerId],
    *,
    users: bool = False,
) -> list[Surplus]:
    """The spans of our own copy that the ring places on `copies` others.

    Nothing of what no entry wants (`copies` 0), of a user's own files without the user's word
    (`users`), or of what is only passing: others decide about those.
    """
    if content.path is not None and not users:
        return []
    if not copies or content.passing or not content.bits.count:
        return []
    found = []
    for number, span in enumerate(spans_by_size(content.id, content.pieces, content.size)):
        if not content.complete and not any(piece in content.bits for piece in span.pieces):
            continue
        holders = ring.holders(span.partition, copies, gone)
        if me not in holders and len(holders) == copies:
            found.append(Surplus(number, span, holders))
    return found


class SurplusBook:
    """Since when each surplus copy is one, and when to try to drop it. Takes `now` in seconds."""

    def __init__(self) -> None:
        self._again: dict[ManifestId, int] = {}
        """How often each was dropped: one that comes back each time is left alone for longer."""
        self._due: dict[ManifestId, dict[int, float]] = {}

    def note(self, content: Content, numbers: list[int], now: float) -> None:
        """These spans of a content are surplus now, and no others."""
        known = self._due.pop(content.id, {})
        if numbers:
            settled = SETTLED * 2 ** min(self._again.get(content.id, 0), MOST_DOUBLED)
            self._due[content.id] = {n: known.get(n, now + settled) for n in numbers}

    def due(self, now: float) -> list[SpanKey]:
        """(Manifest, span number) of what should be tried now."""
        return [
            (manifest, number)
            for manifest, spans in self._due.items()
            for number, at in spans.items()
            if at <= now
        ]

    def next_time(self) -> float | None:
        """When the next one is due; None when nothing is surplus."""
        return min((at for spans in self._due.values() for at in spans.values()), default=None)

    def hasten(self, manifest: ManifestId, now: float) -> None:
        """Try what is surplus of a manifest now."""
        if manifest in self._due:
            self._due[manifest] = dict.fromkeys(self._due[manifest], now)

    def later(self, manifest: ManifestId, number: int, now: float, after: float = RETRY) -> None:
        """It could not be dropped: others do not hold it yet."""
        if number in self._due.get(manifest, {}):
            self._due[manifest][number] = now + after

    def dropped(self, manifest: ManifestId, number: int) -> None:
        """It was dropped; others who see the swarm differently may bring it back."""
        self.done(manifest, number)
        self._again[manifest] = self._again.pop(manifest, 0) + 1
        if len(self._again) > MOST_REMEMBERED:
            del self._again[next(iter(self._again))]

    def done(self, manifest: ManifestId, number: int) -> None:
        """It is no surplus any more."""
        spans = self._due.get(manifest, {})
        spans.pop(number, None)
        if not spans:
            self._due.pop(manifest, None)
