"""What each peer should be offered, what it answered, and when to ask it again. Pure.

Nothing here is gone through while all is well: what is short is queued by whoever finds it so, and
an answer takes it out again.
"""

import math
from collections import defaultdict
from collections.abc import Iterable

from protocol.ids import ManifestId, PeerId

ASK_AGAIN = 2.0
FULL_FOR = 60.0
UNREACHABLE_FOR = 5.0
AT_ONCE = 32
ASKED_AT_ONCE = 16
BUSY = 8
"""So many times "still fetching" in a row, and the rest are not asked about this time."""


class OfferBook:
    """Queues by peer. Peers fetch in the order of offers, so the oldest are asked about first."""

    def __init__(self) -> None:
        self._confirmed: defaultdict[PeerId, set[ManifestId]] = defaultdict(set)
        self._new: defaultdict[PeerId, dict[ManifestId, None]] = defaultdict(dict)
        self._fetching: defaultdict[PeerId, dict[ManifestId, float]] = defaultdict(dict)
        """When they may be asked about again; the least comes first."""
        self._wanted_by: dict[ManifestId, tuple[PeerId, ...]] = {}
        self._still: defaultdict[PeerId, int] = defaultdict(int)
        self._patient_until: dict[PeerId, float] = {}
        self._full: dict[PeerId, tuple[int, float]] = {}
        self._refused: defaultdict[PeerId, set[ManifestId]] = defaultdict(set)
        """What a full peer does not have; that of which nothing is known it may well have."""
        self._unreachable_until: dict[PeerId, float] = {}

    # Who has what

    def has(self, peer: PeerId, manifest: ManifestId) -> None:
        """A peer says that it holds all it should."""
        self._confirmed[peer].add(manifest)
        self._refused[peer].discard(manifest)
        self._new[peer].pop(manifest, None)
        self._fetching[peer].pop(manifest, None)

    def is_confirmed(self, peer: PeerId, manifest: ManifestId) -> bool:
        """Whether a peer said so."""
        return manifest in self._confirmed.get(peer, ())

    def confirmed(self, manifest: ManifestId) -> frozenset[PeerId]:
        """All that said so."""
        return frozenset(peer for peer, held in self._confirmed.items() if manifest in held)

    def confirmed_by(self, peer: PeerId) -> frozenset[ManifestId]:
        """All of which a peer said so."""
        return frozenset(self._confirmed.get(peer, ()))

    def unsay(self, peer: PeerId, manifest: ManifestId) -> None:
        """It does not hold it any more."""
        self._confirmed[peer].discard(manifest)

    def lost(self, peer: PeerId) -> None:
        """What a peer said holds only while it is there."""
        self._confirmed.pop(peer, None)

    # What to offer

    def want(self, manifest: ManifestId, targets: Iterable[PeerId]) -> None:
        """These peers, and no others, should be offered a manifest."""
        chosen = tuple(dict.fromkeys(targets))
        for peer in self._wanted_by.pop(manifest, ()):
            if peer not in chosen:
                self._new[peer].pop(manifest, None)
                self._fetching[peer].pop(manifest, None)
        for peer in chosen:
            if manifest not in self._fetching[peer]:
                self._new[peer][manifest] = None
        if chosen:
            self._wanted_by[manifest] = chosen

    def is_wanted(self, manifest: ManifestId) -> bool:
        """Whether anybody should be offered a manifest."""
        return manifest in self._wanted_by

    def is_queued(self, manifest: ManifestId) -> bool:
        """Whether anybody has still to confirm a manifest."""
        return any(
            manifest in self._new.get(peer, ()) or manifest in self._fetching.get(peer, ())
            for peer in self._wanted_by.get(manifest, ())
        )

    def targets(self) -> list[PeerId]:
        """Peers for which something is queued."""
        return [p for p in self._new.keys() | self._fetching.keys() if self.queued(p)]

    def queued(self, peer: PeerId) -> list[ManifestId]:
        """All that a peer has still to confirm."""
        return [*self._new.get(peer, ()), *self._fetching.get(peer, ())]

    def due(self, peer: PeerId, now: float) -> list[ManifestId]:
        """What to offer a peer now, a few at a time; nothing when it should be left alone."""
        if now < self._unreachable_until.get(peer, 0.0):
            return []
        new = list(self._new[peer])[:AT_ONCE]
        if new or now < self._patient_until.get(peer, 0.0):
            return new
        due: list[ManifestId] = []
        for manifest, at in self._fetching[peer].items():
            if at > now or len(due) == ASKED_AT_ONCE:
                break
            due.append(manifest)
        return due

    def next_time(self, peer: PeerId) -> float:
        """When there will be something due; never, if nothing is queued."""
        if self._new[peer]:
            at = 0.0
        elif self._fetching[peer]:
            at = max(next(iter(self._fetching[peer].values())), self._patient_until.get(peer, 0.0))
        else:
            return math.inf
        return max(at, self._unreachable_until.get(peer, 0.0))

    def fetching(self, peer: PeerId, manifest: ManifestId, now: float) -> None:
        """A peer answered that it fetches."""
        self._refused[peer].discard(manifest)
        if self._new[peer].pop(manifest, 0) == 0:
            self._fetching[peer].pop(manifest, None)
            self._still[peer] += 1
        if peer in self._wanted_by.get(manifest, ()):
            self._fetching[peer][manifest] = now + ASK_AGAIN

    def declined(self, peer: PeerId, manifest: ManifestId) -> None:
        """A peer will not talk of it now: it is offered again with the next look at it."""
        self._new[peer].pop(manifest, None)
        self._fetching[peer].pop(manifest, None)

    def unsay_all(self, manifest: ManifestId) -> None:
        """What anybody said of a manifest may be of other spans than it should hold now."""
        for held in self._confirmed.values():
            held.discard(manifest)

    def round_ended(self, peer: PeerId, now: float) -> None:
        """All that was due has been answered."""
        if self._still.pop(peer, 0) >= BUSY:
            self._patient_until[peer] = now + ASK_AGAIN

    # Who cannot take anything now

    def failed(self, peer: PeerId, now: float) -> None:
        """A peer cannot be reached, or does not answer."""
        self._unreachable_until[peer] = now + UNREACHABLE_FOR

    def try_again(self, peer: PeerId) -> None:
        """It may be there now."""
        self._unreachable_until.pop(peer, None)

    def full(self, peer: PeerId, manifest: ManifestId, size: int, now: float) -> None:
        """A peer has no room for content of this size, and so for none that is larger."""
        self._refused[peer].add(manifest)
        least, until = self._full.get(peer, (size, now))
        self._full[peer] = (min(size, least) if until > now else size, now + FULL_FOR)

    def full_for(self, manifest: ManifestId, size: int, now: float) -> frozenset[PeerId]:
        """Peers that do not have this content, which is of this size, and have no room for it."""
        return frozenset(
            peer
            for peer, (least, until) in self._full.items()
            if least <= size and until > now and manifest in self._refused[peer]
        )

    def full_until(self) -> float:
        """When the next of them may have room again."""
        return min((until for _, until in self._full.values()), default=math.inf)

    def forget_full(self, now: float) -> bool:
        """Forget answers that are too old; whether there were any."""
        old = [peer for peer, (_, until) in self._full.items() if until <= now]
        for peer in old:
            del self._full[peer]
        return bool(old)
