"""What relies on one machine, of what is held here: by the ring and by who is there. Pure.

Of what this machine does not hold it knows nothing; others that hold it count it.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from peer.store.contents import Content
from peer.words import bytes_text, duration_text, entries_text
from protocol.ids import ManifestId, PeerId
from protocol.placement import spans_by_size
from protocol.ring import Ring

MOST_GROUPS = 3


class Members(NamedTuple):
    """Who there is: this machine, the ring, who is live, and who was out of the ring before."""

    me: PeerId
    ring: Ring
    live: frozenset[PeerId]
    out: frozenset[PeerId]


@dataclass
class Reliance:
    """What is short without `peer`: `copies` counts contents by copies left and wanted."""

    peer: PeerId
    copies: Counter[tuple[int, int]] = field(default_factory=Counter)
    missing: int = 0
    """Bytes to copy until all is as wanted again."""
    manifests: set[ManifestId] = field(default_factory=set)

    def look_at(self, content: Content, wanted: int, members: Members) -> None:
        """Count a content if it is short, and the ring places it on the machine."""
        worst, out = wanted, members.out - {self.peer}
        for span in spans_by_size(content.id, content.pieces, content.size):
            placed = members.ring.holders(span.partition, wanted, out)
            if self.peer not in placed:
                continue
            there = members.live & set(placed) - {self.peer}
            if content.complete or all(piece in content.bits for piece in span.pieces):
                there |= {members.me}
            worst = min(worst, len(there))
            part = len(span.pieces) / content.pieces if content.pieces else 0
            self.missing += int(max(0, wanted - len(there)) * content.size * part)
        if worst < wanted:
            self.copies[(worst, wanted)] += 1
            self.manifests.add(content.id)

    @property
    def short(self) -> int:
        """How many contents are short."""
        return len(self.manifests)

    def left_text(self, name: str, seconds: float) -> str:
        """What people are told when the machine falls silent; it is out in so many seconds."""
        if not self.short:
            return f"{name} left: nothing held here is short without it"
        groups = [
            f"{entries_text(number)} at {have} of {wanted}"
            for (have, wanted), number in self.copies.most_common(MOST_GROUPS)
        ]
        return f"{name} left: {', '.join(groups)}, repair starts in {duration_text(seconds)}"

    def out_text(self, name: str, *, waits: bool) -> str:
        """What people are told when its grace is over; `waits`: there is nobody to take it."""
        if not self.short:
            return f"{name} is out: nothing held here is short without it"
        what = f"{entries_text(self.short)} ({bytes_text(self.missing)})"
        if waits:
            return f"{name} is out: {what} short, waiting for another machine"
        return f"{name} is out: repairing {what}"
