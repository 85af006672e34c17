"""How well other machines hold what this one does: what must still move before it may go. Pure."""

from typing import NamedTuple

from peer.store.contents import Content
from protocol.ids import PeerId
from protocol.placement import Span, spans_by_size
from protocol.ring import Ring


class Elsewhere(NamedTuple):
    """The worst of a content's spans: `copies` on other machines, `wanted` for each span.

    `missing` are the machines that should get one and have not said that they hold it. `partial`:
    some pieces lie here without the rest of their span, which nobody can be offered.
    """

    copies: int
    wanted: int
    missing: frozenset[PeerId]
    partial: bool


def elsewhere(
    content: Content, ring: Ring, copies: int, out: frozenset[PeerId], there: frozenset[PeerId]
) -> Elsewhere:
    """Look at all spans of which pieces are here; `there` have said that they hold all they should.

    `out` cannot take this content now; the machine that asks is among them.
    """
    if not copies:
        return Elsewhere(0, 0, frozenset(), partial=False)
    spans = spans_by_size(content.id, content.pieces, content.size)
    here = [s for s in spans if content.complete or any(p in content.bits for p in s.pieces)]
    storing = there & {member.peer for member in ring.members}
    least, missing, partial = copies, set[PeerId](), False
    for span in here:
        if not content.complete and not all(p in content.bits for p in span.pieces):
            partial = True
            continue
        have, lacking = _of_span(span, ring, copies, out, storing, only=len(spans) == 1)
        least = min(least, have)
        missing |= lacking
    return Elsewhere(least, copies, frozenset(missing), partial)


def _of_span(
    span: Span,
    ring: Ring,
    copies: int,
    out: frozenset[PeerId],
    storing: frozenset[PeerId],
    *,
    only: bool,
) -> tuple[int, frozenset[PeerId]]:
    """How many hold a span, and who of the ring should and does not."""
    holders = ring.holders(span.partition, copies, out)
    # Who says it holds all it should holds this span if it is the only one, or placed there.
    have = storing if only else storing & set(holders)
    if len(have) >= copies:
        return copies, frozenset()
    return len(have), frozenset(holders) - have
