"""Who holds all of which entries, in memory: a set of entries for each machine.

With it the entries that are short of copies are counted in no time. What is doubted after an audit
counts from when that is over. Of what is held in part is known only of which entries that is: their
parts are laid together from the database's rows.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pyroaring import BitMap, FrozenBitMap
from sqlalchemy import Connection, Select, select

from protocol.ids import ManifestId, PeerId
from protocol.messages.shared import PeerState
from tracker import listing, manifests, tables
from tracker.holdings import load_holders
from tracker.page_rows import KnownHolders
from tracker.rows import portions, raw_rows
from tracker.sets import Sets
from tracker.snapshot import Snapshot

_keys = tables.search_keys
_holdings = tables.holdings
_HELD = _keys.join(_holdings, _holdings.c.manifest == _keys.c.manifest)
_IN_PART = select(_keys.c.number).select_from(_HELD).where(_holdings.c.bits.is_not(None))
_MOST_MACHINES = 64

States = Mapping[PeerId, PeerState]
Wanted = Mapping[int, FrozenBitMap]
"""Entries by the copies they want."""


class Possession:
    """What each machine holds all of; `refresh` and `load` keep it as the database has it."""

    def __init__(self) -> None:
        self.whole = Sets()
        self.in_part = FrozenBitMap()
        """The entries of which somebody holds a part."""
        self.doubts: dict[bytes, int] = {}
        self._short: tuple[frozenset[PeerId], FrozenBitMap] | None = None

    def of(self, peers: Iterable[bytes]) -> FrozenBitMap:
        """The entries of which one of these holds all."""
        return FrozenBitMap.union(FrozenBitMap(), *(self.whole.get(peer) for peer in peers))

    def holders(self, numbers: Sequence[int]) -> KnownHolders | None:
        """Who holds some entries; None where asking the database is quicker."""
        if len(self.whole) > _MOST_MACHINES:
            return None
        found: dict[int, list[bytes]] = {number: [] for number in numbers}
        for peer, whole in self.whole.all().items():
            for number in numbers:
                if number in whole:
                    found[number].append(peer)
        return KnownHolders(found, [number for number in numbers if number in self.in_part])

    def short(self, snapshot: Snapshot, wanted: Wanted, states: States, now: int) -> FrozenBitMap:
        """The entries with fewer copies than `wanted`, which has those that want as many."""
        live = frozenset(peer for peer, state in states.items() if state == "live")
        if self._short is None or self._short[0] != live:
            connection = snapshot.connection
            lacking = self._lacking(wanted, live)
            lacking -= _made_up(connection, list(lacking & self.in_part), states, now)
            self._short = live, lacking
        return self._short[1]

    def any_doubt_over(self, now: int) -> bool:
        """Whether a doubt is over that was not told yet."""
        return any(until <= now for until in self.doubts.values())

    def doubts_over(self, now: int) -> set[bytes]:
        """The manifests of which a doubt is over; it is told once."""
        over = {manifest for manifest, until in self.doubts.items() if until <= now}
        for manifest in over:
            del self.doubts[manifest]
        return over

    def load(self, connection: Connection, now: int, peer: bytes | None = None) -> None:
        """Read what all hold all of, or one."""
        self._short = None
        found = _holding()
        if peer is not None:
            self.whole.forget(peer)
            found = found.where(_holdings.c.peer == peer)
        for holder, numbers in self._counted(connection, found, now).items():
            self.whole.put(holder, numbers)

    def load_parts(self, connection: Connection) -> None:
        """Read of which entries somebody holds a part."""
        self._short = None
        self.in_part = FrozenBitMap(_numbers(connection, _IN_PART))

    def refresh(self, connection: Connection, numbers: Sequence[int], now: int) -> None:
        """Read who holds these entries."""
        if not numbers:
            return
        self._short = None
        held: dict[bytes, array[int]] = defaultdict(_no_numbers)
        in_part: list[int] = []
        for some in portions(numbers):
            in_part += _numbers(connection, _IN_PART.where(_keys.c.number.in_(some)))
            found = _holding().where(_keys.c.number.in_(some))
            for holder, those in self._counted(connection, found, now).items():
                held[holder] += those
        changed = FrozenBitMap(numbers)
        self.whole.change(changed, held)
        self.in_part = self.in_part - changed | FrozenBitMap(in_part)

    def _counted(
        self, connection: Connection, found: Select[Any], now: int
    ) -> "dict[bytes, array[int]]":
        """By holder, the entries it holds; doubts that are found are remembered."""
        held: dict[bytes, array[int]] = defaultdict(_no_numbers)
        for number, peer, doubted, manifest in raw_rows(connection, found):
            if doubted is not None and doubted > now:
                self.doubts[manifest] = min(doubted, self.doubts.get(manifest, doubted))
            else:
                held[peer].append(number)
        return held

    def _lacking(self, wanted: Wanted, live: frozenset[PeerId]) -> FrozenBitMap:
        """Those of which fewer live machines hold all than are wanted."""
        most = max(wanted, default=0)
        at_least = [BitMap.union(BitMap(), *wanted.values())]
        at_least += [BitMap() for _ in range(most)]
        for peer in live:
            whole = self.whole.get(peer)
            for copies in range(most, 0, -1):
                at_least[copies] |= at_least[copies - 1] & whole
        lacking = (those - at_least[copies] for copies, those in wanted.items())
        return FrozenBitMap.union(FrozenBitMap(), *lacking)


def _numbers(connection: Connection, found: Select[Any]) -> list[int]:
    return [row[0] for row in raw_rows(connection, found)]


def _no_numbers() -> "array[int]":
    return array("I")


def _holding() -> Select[Any]:
    columns = (_keys.c.number, _holdings.c.peer, _holdings.c.doubted, _holdings.c.manifest)
    return select(*columns).select_from(_HELD).where(_holdings.c.bits.is_(None))


def _made_up(
    connection: Connection, numbers: Sequence[int], states: States, now: int
) -> FrozenBitMap:
    """Those of some entries that have enough copies after all: what is held in part makes them."""
    made_up: list[int] = []
    for some in portions(numbers):
        columns = (_keys.c.number, _keys.c.manifest, _keys.c.copies)
        rows = connection.execute(select(*columns).where(_keys.c.number.in_(some))).all()
        wanted = [ManifestId(row.manifest) for row in rows]
        pieces = manifests.load_pieces(connection, wanted)
        held = load_holders(connection, wanted, now)
        for row in rows:
            have, _ = listing.summarise(pieces[row.manifest], held[row.manifest], states)
            if have >= row.copies:
                made_up.append(row.number)
    return FrozenBitMap(made_up)
