"""What the group shares: entries of mixed sizes, and the spans (or pieces) that are placed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import exp, log
from random import Random

from durability_model.churn import DAY

from protocol.geometry import Geometry, choose_piece_length
from protocol.hashing import hash_span
from protocol.ids import ManifestId
from protocol.placement import Span, spans_of
from protocol.ring import partition_of

MEDIAN, SPREAD = 8e6, 2.3
"""Bytes, and the deviation of their logarithm: documents, photos, albums, films, disk images."""
LEAST, MOST = 64e3, 200e9
NEW_SHARE = 0.1
"""Part of the entries that is published in the course of the month."""


@dataclass(eq=False, slots=True)
class Placed:
    """What is placed as one: nearly always a whole entry. `at` is when it is published, seconds."""

    entry: int
    size: int
    pieces: int
    partition: int
    at: float
    copies: set[int] = field(default_factory=set)
    """Machines that have all of it on disk and are not dead."""
    live: int = 0
    """How many of them are on."""
    author: int | None = None
    """Who published it, until it has its copies."""
    settled: bool = False
    """Whether it ever had all its copies."""
    short_since: float | None = None
    """Since when a death has left it with too few."""
    lost: bool = False


def draw_shared(seed: int, pieces: int, days: float, *, scattered: bool = False) -> list[Placed]:
    """Entries of `pieces` pieces in all; `scattered` places each piece by itself instead."""
    rng = Random(f"shared {seed}")
    found: list[Placed] = []
    entry = 0
    while pieces > 0:
        size = int(min(MOST, max(LEAST, exp(rng.gauss(log(MEDIAN), SPREAD)))))
        geometry = Geometry(piece_length=choose_piece_length(size), length=size, short={})
        if geometry.pieces > pieces:
            # The last one is cut, so that all come to the number asked for.
            size = pieces * geometry.piece_length
            geometry = Geometry(piece_length=geometry.piece_length, length=size, short={})
        pieces -= geometry.pieces
        manifest = ManifestId(rng.randbytes(32))
        at = rng.uniform(0, days * DAY) if rng.random() < NEW_SHARE else 0.0
        spans = _each_piece(manifest, geometry) if scattered else spans_of(manifest, geometry)
        for span in spans:
            length = sum(geometry.piece_size(p) for p in (span.pieces[0], span.pieces[-1]))
            length += max(0, len(span.pieces) - 2) * geometry.piece_length
            if len(span.pieces) == 1:
                length = geometry.piece_size(span.pieces[0])
            found.append(Placed(entry, length, len(span.pieces), span.partition, at))
        entry += 1
    return found


def _each_piece(manifest: ManifestId, geometry: Geometry) -> Iterator[Span]:
    for piece in range(geometry.pieces):
        yield Span(range(piece, piece + 1), partition_of(hash_span(manifest, piece)))
