"""Spans: every piece in exactly one, and the short way for the usual case says the same."""

from hypothesis import given
from hypothesis import strategies as st

from protocol.geometry import Geometry, choose_piece_length
from protocol.ids import ManifestId, PeerId
from protocol.placement import pieces_to_keep, spans_by_size, spans_of
from protocol.ring import SPAN_LENGTH, Ring, RingMember

MANIFEST = ManifestId(bytes(range(32)))


def geometry(length: int) -> Geometry:
    return Geometry(piece_length=choose_piece_length(length), length=length, short={})


@given(st.integers(0, 5 * SPAN_LENGTH))
def test_spans_cover_every_piece_once(length: int) -> None:
    described = geometry(length)
    spans = spans_of(MANIFEST, described)
    assert [piece for span in spans for piece in span.pieces] == list(range(described.pieces))
    assert len(spans) == max(1, -(-length // SPAN_LENGTH))


@given(st.integers(0, 5 * SPAN_LENGTH), st.integers(18, 24))
def test_size_and_number_of_pieces_tell_the_spans(length: int, power: int) -> None:
    described = Geometry(piece_length=1 << power, length=length, short={})
    assert spans_of(MANIFEST, described) == spans_by_size(MANIFEST, described.pieces, length)


def test_every_piece_is_kept_by_as_many_as_wanted() -> None:
    peers = [PeerId(bytes([number]) * 32) for number in range(5)]
    ring = Ring([RingMember(peer=peer, capacity=1 << 40, zone="") for peer in peers])
    spans = spans_of(MANIFEST, geometry(3 * SPAN_LENGTH + 1))
    kept = [piece for peer in peers for piece in pieces_to_keep(spans, ring, peer, 2, frozenset())]
    assert sorted(kept) == sorted(2 * [piece for span in spans for piece in span.pieces])
