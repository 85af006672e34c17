"""Spans: every piece in exactly one, and the short way for the usual case says the same."""

from hypothesis import given
from hypothesis import strategies as st

from protocol.geometry import Geometry, choose_piece_length
from protocol.ids import ManifestId, PeerId
from protocol.placement import only_span, pieces_to_keep, spans_of
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


@given(st.integers(0, SPAN_LENGTH))
def test_content_of_one_span_needs_no_geometry(length: int) -> None:
    described = geometry(length)
    assert spans_of(MANIFEST, described) == [only_span(MANIFEST, described.pieces)]


def test_every_piece_is_kept_by_as_many_as_wanted() -> None:
    peers = [PeerId(bytes([number]) * 32) for number in range(5)]
    ring = Ring([RingMember(peer=peer, capacity=1 << 40, zone="") for peer in peers])
    spans = spans_of(MANIFEST, geometry(3 * SPAN_LENGTH + 1))
    kept = [piece for peer in peers for piece in pieces_to_keep(spans, ring, peer, 2, frozenset())]
    assert sorted(kept) == sorted(2 * [piece for span in spans for piece in span.pieces])
