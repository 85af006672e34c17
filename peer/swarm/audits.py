"""Whom to audit, of what, and who has failed. Pure: takes `now` in seconds and a source of chance.

A first failure may be rot that the holder did not know of: it is told, and what it then says it
holds is asked for again. Who fails twice is not believed for an hour, and others hold in its place.
Who says that it lacks a piece may have lost it since it spoke of it, and fails only when it claims
it anew and lacks it still. Who cannot answer is excused a few times.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from protocol.ids import ManifestId, PeerId
from protocol.messages.keeping import MAX_AUDIT

AUDIT_EVERY = 60.0
"""Seconds between two audits of one peer."""
FAILURES = 2
DISTRUSTED_FOR = 3600.0
REMEMBERED_FOR = 86_400.0
"""Seconds after which a failure is forgotten."""
SILENCES = 2
"""So many audits in a row may go unanswered but for the last: a link may be slow for once."""
EXCUSES = 5
"""So many audits of one piece may go undone but for the last: a machine may be short of files."""
NONCE_LENGTH = 16


@dataclass(frozen=True)
class Question:
    """Some bytes of one piece, with a nonce for one time."""

    manifest: ManifestId
    piece: int
    start: int
    length: int
    nonce: bytes


@dataclass
class _Suspicion:
    piece: int
    failures: int
    failed_at: float


@dataclass
class _Excuse:
    piece: int
    times: int


class AuditBook:
    """One machine's audits of the others. `chance` must not be foreseeable by them."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._next: dict[PeerId, float] = {}
        self._suspicions: dict[tuple[PeerId, ManifestId], _Suspicion] = {}
        self._silent: dict[PeerId, int] = {}
        self._excused: dict[tuple[PeerId, ManifestId], _Excuse] = {}
        self._lacked: dict[tuple[PeerId, ManifestId], float] = {}
        """When a peer said last that it lacks some of what it had claimed."""

    def is_due(self, peer: PeerId, now: float) -> bool:
        """Whether it is time to audit a linked peer; the next time is a while later."""
        if peer not in self._next:
            # Not all at the same time.
            self._next[peer] = now + self._chance.uniform(0, AUDIT_EVERY)
        if now < self._next[peer]:
            return False
        self._next[peer] = now + AUDIT_EVERY * self._chance.uniform(0.75, 1.25)
        return True

    def choose(
        self, peer: PeerId, claimed: Sequence[tuple[ManifestId, int]], now: float
    ) -> ManifestId | None:
        """One of the manifests that a peer claims to hold and we do, each with its pieces.

        Any piece is as likely as any other; but what it failed for before, or could not answer,
        comes first.
        """
        self._forget(now)
        for manifest, _ in claimed:
            if (peer, manifest) in self._suspicions or (peer, manifest) in self._excused:
                return manifest
        if not claimed:
            return None
        pieces = [number for _, number in claimed]
        return self._chance.choices([manifest for manifest, _ in claimed], pieces)[0]

    def question(
        self,
        peer: PeerId,
        manifest: ManifestId,
        pieces: Sequence[int],
        size_of: Callable[[int], int],
    ) -> Question | None:
        """What to ask a peer of a manifest, of which it and we have these pieces."""
        if not pieces:
            return None
        open_one = self._suspicions.get((peer, manifest)) or self._excused.get((peer, manifest))
        if open_one is not None and open_one.piece in pieces:
            piece = open_one.piece
        else:
            piece = self._chance.choice(pieces)
        size = size_of(piece)
        length = min(size, MAX_AUDIT)
        start = self._chance.randint(0, size - length)
        return Question(manifest, piece, start, length, self._chance.randbytes(NONCE_LENGTH))

    def passed(self, peer: PeerId, question: Question) -> None:
        """A peer has proven to have what it was asked for."""
        self._silent.pop(peer, None)
        excuse = self._excused.get((peer, question.manifest))
        if excuse is not None and excuse.piece == question.piece:
            del self._excused[(peer, question.manifest)]
        suspicion = self._suspicions.get((peer, question.manifest))
        if suspicion is not None and suspicion.piece == question.piece:
            del self._suspicions[(peer, question.manifest)]

    def said_nothing(self, peer: PeerId) -> bool:
        """No answer came in time, while the link lives; whether that is a failure."""
        self._silent[peer] = self._silent.get(peer, 0) + 1
        return self._silent[peer] >= SILENCES

    def could_not(self, peer: PeerId, question: Question) -> bool:
        """It said that it cannot answer now; whether that is a failure."""
        key = (peer, question.manifest)
        before = self._excused.get(key)
        times = 1 + (before.times if before is not None else 0)
        self._excused[key] = _Excuse(question.piece, times)
        return times >= EXCUSES

    def lacked(self, peer: PeerId, manifest: ManifestId, now: float) -> bool:
        """It said that it has not what it claimed; whether that is a failure, and not the first."""
        again = (peer, manifest) in self._lacked
        self._lacked[(peer, manifest)] = now
        return again

    def failed(self, peer: PeerId, question: Question, now: float) -> bool:
        """A peer has failed; whether it is not believed any more."""
        self._silent.pop(peer, None)
        key = (peer, question.manifest)
        self._excused.pop(key, None)
        before = self._suspicions.get(key)
        failures = 1 + (before.failures if before is not None else 0)
        self._suspicions[key] = _Suspicion(question.piece, failures, now)
        return failures >= FAILURES

    def distrusted(self, manifest: ManifestId, now: float) -> frozenset[PeerId]:
        """Peers that are not believed to hold a manifest, whatever they say."""
        return frozenset(
            peer
            for (peer, about), suspicion in self._suspicions.items()
            if about == manifest
            and suspicion.failures >= FAILURES
            and now < suspicion.failed_at + DISTRUSTED_FOR
        )

    def _forget(self, now: float) -> None:
        old = [k for k, s in self._suspicions.items() if s.failed_at + REMEMBERED_FOR < now]
        for key in old:
            del self._suspicions[key]
        for key in [k for k, at in self._lacked.items() if at + REMEMBERED_FOR < now]:
            del self._lacked[key]


class Budget:
    """How often each peer may make us do something: `burst` at once, one in `every` seconds."""

    def __init__(self, burst: int, every: float) -> None:
        self._burst, self._every = burst, every
        self._left: dict[PeerId, tuple[float, float]] = {}
        """What was left, and when."""

    def allows(self, peer: PeerId, now: float) -> bool:
        """Whether a peer may; that counts."""
        left, then = self._left.get(peer, (float(self._burst), now))
        left = min(self._burst, left + (now - then) / self._every)
        allowed = left >= 1
        self._left[peer] = (left - allowed, now)
        return allowed
