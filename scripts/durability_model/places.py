"""Who should hold each partition, kept up to date as machines come and go.

Every answer is `Ring.holders` of the real ring, made once with all machines of the month and asked
without those that are not there: the same as a ring of the others. Only the partitions that the
machine in question can be in are asked about; `tests/test_durability.py` compares with all.
"""

from array import array
from dataclasses import replace
from typing import NamedTuple

from protocol.ids import PeerId
from protocol.ring import PARTITIONS, Ring, RingMember


class Change(NamedTuple):
    """A partition whose holders have changed; machines by index, in ring order."""

    partition: int
    before: tuple[int, ...]
    after: tuple[int, ...]


class Ranks:
    """The ring of all machines there ever are, and each one's rank in each partition."""

    def __init__(self, members: list[RingMember]) -> None:
        self.ring = Ring(members)
        self.members = members
        self.index = {member.peer: index for index, member in enumerate(members)}
        plain = self.ring
        if any(member.zone for member in members):
            plain = Ring([replace(member, zone="") for member in members])
        self.ranks = [array("H", bytes(2 * PARTITIONS)) for _ in members]
        """By machine and partition; zones are not looked at."""
        for partition in range(PARTITIONS):
            for rank, peer in enumerate(plain.order(partition)):
                self.ranks[self.index[peer]][partition] = rank


class Places:
    """The holders of each partition among the machines that are in the ring now."""

    def __init__(self, ranks: Ranks, copies: int, present: list[int]) -> None:
        self._ranks = ranks
        self._copies = copies
        out = set(range(len(ranks.members))) - set(present)
        self._out: set[PeerId] = {ranks.members[index].peer for index in out}
        self.holders: list[tuple[int, ...]] = [()] * PARTITIONS
        """By partition, in ring order."""
        self._held: list[set[int]] = [set() for _ in ranks.members]
        self._last = [0] * PARTITIONS
        """The rank of the last holder: who ranks below it does not become one."""
        self._ask(range(PARTITIONS))

    def is_in(self, machine: int) -> bool:
        """Whether a machine is in the ring."""
        return self._ranks.members[machine].peer not in self._out

    def without(self) -> frozenset[PeerId]:
        """All that are not."""
        return frozenset(self._out)

    def come(self, machine: int) -> list[Change]:
        """A machine joins the ring, or comes back into it."""
        self._out.discard(self._ranks.members[machine].peer)
        rank = self._ranks.ranks[machine]
        last = self._last
        return self._ask([p for p in range(PARTITIONS) if rank[p] < last[p]])

    def go(self, machine: int) -> list[Change]:
        """A machine is gone, for now or for good."""
        self._out.add(self._ranks.members[machine].peer)
        return self._ask(sorted(self._held[machine]))

    def _ask(self, partitions: range | list[int]) -> list[Change]:
        """Ask the ring about some partitions; those that have changed."""
        without = frozenset(self._out)
        found = []
        for partition in partitions:
            before = self.holders[partition]
            peers = self._ranks.ring.holders(partition, self._copies, without)
            after = tuple(self._ranks.index[peer] for peer in peers)
            if after == before:
                continue
            found.append(Change(partition, before, after))
            self.holders[partition] = after
            self._last[partition] = self._last_rank(partition, after)
            for machine in before:
                self._held[machine].discard(partition)
            for machine in after:
                self._held[machine].add(partition)
        return found

    def _last_rank(self, partition: int, holders: tuple[int, ...]) -> int:
        members = self._ranks.members
        zones = {members[index].zone or index for index in holders}
        if len(holders) < self._copies or len(zones) < len(holders):
            # Too few, or two of one zone: whoever comes may take a place, whatever its rank.
            return 2**16
        return max(self._ranks.ranks[index][partition] for index in holders)
