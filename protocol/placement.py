"""Which member should hold which pieces: spans of a manifest, mapped to the ring. Pure."""

from dataclasses import dataclass

from protocol.geometry import Geometry
from protocol.hashing import hash_span
from protocol.ids import ManifestId, PeerId
from protocol.ring import SPAN_LENGTH, Ring, partition_of, span_count


@dataclass(frozen=True)
class Span:
    """Consecutive pieces that are placed together, and the partition they belong to."""

    pieces: range
    partition: int


def spans_of(manifest: ManifestId, geometry: Geometry) -> list[Span]:
    """The spans of a manifest; content of up to 32 GiB has one."""
    per_span = SPAN_LENGTH // geometry.piece_length
    return [
        Span(
            range(number * per_span, min((number + 1) * per_span, geometry.pieces)),
            partition_of(hash_span(manifest, number)),
        )
        for number in range(span_count(geometry.length))
    ]


def only_span(manifest: ManifestId, pieces: int) -> Span:
    """The span of content of at most SPAN_LENGTH bytes, for which no geometry is needed."""
    return Span(range(pieces), partition_of(hash_span(manifest, 0)))


def pieces_to_keep(
    spans: list[Span], ring: Ring, peer: PeerId, copies: int, without: frozenset[PeerId]
) -> list[int]:
    """The pieces that `peer` should hold, with the members in `without` left out of the ring."""
    return [
        piece
        for span in spans
        if peer in ring.holders(span.partition, copies, without)
        for piece in span.pieces
    ]
