"""Which member should hold which pieces: spans of a manifest, mapped to the ring. Pure."""

from dataclasses import dataclass

from protocol.geometry import MIN_PIECE_LENGTH, Geometry
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


def spans_by_size(manifest: ManifestId, pieces: int, length: int) -> list[Span]:
    """The same without the geometry: the number of pieces tells how long each is."""
    if length <= SPAN_LENGTH:
        return [Span(range(pieces), partition_of(hash_span(manifest, 0)))]
    piece_length = MIN_PIECE_LENGTH
    while piece_length * pieces < length:
        piece_length *= 2
    return spans_of(manifest, Geometry(piece_length=piece_length, length=length, short={}))


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
