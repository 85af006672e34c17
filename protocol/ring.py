"""The ring: which members hold a partition, in order, computed alike by everyone from one roster.

Weighted rendezvous hashing, then a pass that puts members of different zones first. Invariant: when
a member comes or goes, a slot moves only to or from that member, never between two that stay.
Refuses duplicate members and capacities that are not positive.
"""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import log

from blake3 import blake3

from protocol.errors import LocalProtocolError
from protocol.ids import PeerId, SpanId

PARTITIONS = 4096
"""How many partitions a ring has; a partition is the first 12 bits of a span's id."""

SPAN_LENGTH = 32 * 1024**3
"""Bytes of content in a full span."""

_RING = "twofold 2026 ring"
_DRAW_LENGTH = 8
_LARGEST_CAPACITY = 2**64
_NOBODY: frozenset[PeerId] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class RingMember:
    """A storing member: `capacity` in bytes is its weight; zone "" is a zone of its own.

    Raises LocalProtocolError when the capacity is not in 1..2**64-1.
    """

    peer: PeerId
    capacity: int
    zone: str

    def __post_init__(self) -> None:
        if not 0 < self.capacity < _LARGEST_CAPACITY:
            raise LocalProtocolError(f"a ring member's capacity cannot be {self.capacity} bytes")


class Ring:
    """The order of all members for each of the 4,096 partitions.

    The same members in any order give the same ring. A partition's order is computed when first
    asked for and kept as two bytes a member. Raises LocalProtocolError if a peer is in it twice.
    """

    __slots__ = ("_draws", "_ranked", "_zones", "members")

    def __init__(self, members: Iterable[RingMember]) -> None:
        self.members: tuple[RingMember, ...] = tuple(sorted(members, key=lambda one: one.peer))
        """The members, by peer id."""
        if len({member.peer for member in self.members}) != len(self.members):
            raise LocalProtocolError("a peer is in the ring twice")
        if len(self.members) > 2**16:
            raise LocalProtocolError("a ring has at most 65,536 members")
        self._zones = _number_zones(self.members)
        self._draws = [blake3(member.peer, derive_key_context=_RING) for member in self.members]
        self._ranked: dict[int, array[int]] = {}

    def order(self, partition: int) -> tuple[PeerId, ...]:
        """All members in the order in which they should hold `partition` (0..4095)."""
        return self.holders(partition, len(self.members))

    def holders(
        self, partition: int, copies: int, without: frozenset[PeerId] = _NOBODY
    ) -> tuple[PeerId, ...]:
        """The first `copies` of the order, fewer when there are not so many members.

        The same as asking a ring built without the members in `without` (which may name others).
        Raises LocalProtocolError for a partition outside 0..4095 or a negative `copies`.
        """
        if copies < 0:
            raise LocalProtocolError(f"{copies} copies cannot be asked for")
        chosen: list[int] = []
        skipped: list[int] = []
        zones: set[int] = set()
        for index in self._present(partition, without):
            if len(chosen) == copies:
                break
            if self._zones[index] in zones:
                skipped.append(index)
            else:
                zones.add(self._zones[index])
                chosen.append(index)
        return tuple(self.members[index].peer for index in (chosen + skipped)[:copies])

    def _present(self, partition: int, without: frozenset[PeerId]) -> Iterator[int]:
        """Indices of the members not in `without`, best score first."""
        for index in self._rank(partition):
            if self.members[index].peer not in without:
                yield index

    def _rank(self, partition: int) -> "array[int]":
        """Indices of all members, best score first, zones not looked at."""
        ranked = self._ranked.get(partition)
        if ranked is None:
            if not 0 <= partition < PARTITIONS:
                raise LocalProtocolError(f"there is no partition {partition}")
            # The least -ln(u) / capacity is the greatest score -capacity / ln(u). The sort is
            # stable and the members are sorted, so equal scores fall in order of peer id.
            waits = [self._wait(index, partition) for index in range(len(self.members))]
            ranked = array("H", sorted(range(len(waits)), key=waits.__getitem__))
            self._ranked[partition] = ranked
        return ranked

    def _wait(self, index: int, partition: int) -> float:
        """-ln(u) / capacity, with u from the member's hash stream at this partition."""
        draw = self._draws[index].digest(_DRAW_LENGTH, seek=partition * _DRAW_LENGTH)
        # 52 bits and a half are exact in a float, so u can be neither 0 nor 1.
        u = ((int.from_bytes(draw, "big") >> 12) + 0.5) / 2**52
        return -log(u) / self.members[index].capacity


def _number_zones(members: tuple[RingMember, ...]) -> list[int]:
    """A number for each member's zone; an unlabelled member gets one that no other has."""
    numbers: dict[str, int] = {}
    return [
        numbers.setdefault(member.zone, index) if member.zone else index
        for index, member in enumerate(members)
    ]


def partition_of(span: SpanId) -> int:
    """The partition a span belongs to: the first 12 bits of its id."""
    return int.from_bytes(span[:2], "big") >> 4


def span_count(length: int) -> int:
    """How many spans `length` bytes of content have; at least 1, also for empty content."""
    if length < 0:
        raise LocalProtocolError(f"content cannot be {length} bytes long")
    return max(1, -(-length // SPAN_LENGTH))
