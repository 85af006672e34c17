"""What counts as held elsewhere: span by span, by members of the ring that said so."""

from peer.store.contents import Content
from peer.swarm.elsewhere import Elsewhere, elsewhere
from protocol.bitfield import Bitfield
from protocol.ids import ManifestId, PeerId
from protocol.placement import spans_by_size
from protocol.ring import SPAN_LENGTH, Ring, RingMember

MIB = 1 << 20
PIECE = 16 * MIB
A, B, C, D = (PeerId(bytes([number]) * 32) for number in range(4))
NOBODY: frozenset[PeerId] = frozenset()


def ring_of(*peers: PeerId) -> Ring:
    return Ring([RingMember(peer=peer, capacity=1, zone="") for peer in peers])


def content_of(size: int, held: list[int] | None = None, seed: int = 0) -> Content:
    pieces = -(-size // PIECE)
    bits = Bitfield(pieces, full=held is None)
    bits.update(held or [])
    return Content(ManifestId(seed.to_bytes(32)), pieces, size, None, bits)


def test_nothing_is_wanted_of_what_no_entry_names() -> None:
    found = elsewhere(content_of(MIB), ring_of(A, B), 0, NOBODY, NOBODY)
    assert found == Elsewhere(0, 0, NOBODY, partial=False)


def test_who_should_have_it_is_missing_until_it_says_so() -> None:
    content, ring = content_of(MIB), ring_of(A, B)
    assert elsewhere(content, ring, 2, NOBODY, NOBODY).missing == {A, B}
    found = elsewhere(content, ring, 2, NOBODY, frozenset({A}))
    assert found == Elsewhere(1, 2, frozenset({B}), partial=False)
    assert elsewhere(content, ring, 2, NOBODY, frozenset({A, B})).missing == NOBODY


def test_a_substitute_counts_and_whoever_leaves_too_does_not() -> None:
    content, ring = content_of(MIB), ring_of(A, B, C)
    (span,) = spans_by_size(content.id, content.pieces, content.size)
    first, second, third = ring.order(span.partition)
    # The second is full, and the third has it instead.
    there = frozenset({first, third})
    assert elsewhere(content, ring, 2, frozenset({second}), there).copies == 2
    # It is enough, also should the second be asked again.
    assert elsewhere(content, ring, 2, NOBODY, there) == Elsewhere(2, 2, NOBODY, partial=False)
    found = elsewhere(content, ring, 2, NOBODY, frozenset({first, D}))
    assert found == Elsewhere(1, 2, frozenset({second}), partial=False)


def test_with_too_few_machines_nobody_is_missing() -> None:
    content = content_of(MIB)
    found = elsewhere(content, ring_of(A), 2, NOBODY, frozenset({A}))
    assert found == Elsewhere(1, 2, NOBODY, partial=False)
    assert elsewhere(content, ring_of(), 2, NOBODY, NOBODY).copies == 0
    assert elsewhere(content, ring_of(A), 2, frozenset({A}), NOBODY).missing == NOBODY


def test_the_worst_span_decides() -> None:
    content, ring = content_of(3 * SPAN_LENGTH), ring_of(A, B, C, D)
    spans = spans_by_size(content.id, content.pieces, content.size)
    rings = [set(ring.holders(span.partition, 2)) for span in spans]
    everybody = frozenset({A, B, C, D})
    assert elsewhere(content, ring, 2, NOBODY, everybody).copies == 2
    # Of several spans a peer holds those that are placed on it, and no others.
    lacking = next(iter(rings[0]))
    found = elsewhere(content, ring, 2, NOBODY, everybody - {lacking})
    assert found == Elsewhere(1, 2, frozenset({lacking}), partial=False)


def test_what_is_here_in_part_is_not_waited_for() -> None:
    found = elsewhere(content_of(4 * PIECE, [0, 2]), ring_of(A, B), 2, NOBODY, NOBODY)
    assert found == Elsewhere(2, 2, NOBODY, partial=True)
    two = content_of(2 * SPAN_LENGTH, [*range(SPAN_LENGTH // PIECE), SPAN_LENGTH // PIECE + 3])
    found = elsewhere(two, ring_of(A, B), 2, NOBODY, NOBODY)
    assert found == Elsewhere(0, 2, frozenset({A, B}), partial=True)
