"""Which entries have fewer copies than wanted, for searches: counted now and then, not for each.

The smaller side is kept: the short ones, or if most are short the safe ones.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import trio
from sqlalchemy import Connection, func, select

from protocol.ids import ManifestId, PeerId
from protocol.messages.shared import PeerState
from tracker import listing, manifests, tables
from tracker.database import Database
from tracker.holdings import load_holders

REST = 20
"""Times as long as counting took a count is used, though something has changed meanwhile."""
QUICK = 0.02
"""Seconds: who asks waits for a count that takes no longer; longer ones are made meanwhile."""
_AT_ONCE = 500
_keys = tables.search_keys
_holdings = tables.holdings

States = Mapping[PeerId, PeerState]


@dataclass(frozen=True)
class Shortness:
    """The numbers of all short entries, or (not `lists_short`) of all that are safe, as JSON."""

    listed: str = "[]"
    lists_short: bool = True


class ShortEntries:
    """The newest count, made again when somebody asks and something has changed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = trio.Lock()
        self._asked = trio.Event()
        self._counted: Shortness | None = None
        self._of: tuple[States, int] = ({}, 0)
        self._took = 0.0
        self._rested = 0.0

    async def now(self, states: States, wall: int) -> Shortness:
        """With members in these states; `wall` is milliseconds since 1970."""
        if self._counted is None or self._took < QUICK:
            await self._count(states, wall)
        self._asked.set()
        assert self._counted is not None
        return self._counted

    async def keep_counting(self, states: Callable[[], States], wall: Callable[[], int]) -> None:
        """Count again what takes long, as long as somebody asks: without end."""
        while True:
            await self._asked.wait()
            self._asked = trio.Event()
            await trio.sleep_until(self._rested)
            await self._count(states(), wall())

    async def _count(self, states: States, wall: int) -> None:
        async with self._lock:
            of = (dict(states), self._database.writes)
            if self._counted is not None and of == self._of:
                return
            began = trio.current_time()
            self._counted = await self._database.read(
                lambda connection: count_short(connection, states, wall)
            )
            self._of = of
            self._took = trio.current_time() - began
            self._rested = trio.current_time() + REST * self._took


def count_short(connection: Connection, states: States, now: int) -> Shortness:
    """Look at all entries."""
    live = [peer for peer, state in states.items() if state == "live"]
    short = _lacking(connection, live, now)
    parts = select(_holdings.c.manifest).where(
        _holdings.c.bits.is_not(None), _holdings.c.peer.in_(live)
    )
    in_part = select(_keys.c.number, _keys.c.manifest, _keys.c.copies).where(
        _keys.c.manifest.in_(parts)
    )
    rows = [row for row in connection.execute(in_part) if row.number in short]
    short -= set(_made_up(connection, rows, states, now))
    shown = connection.execute(select(func.count()).select_from(_keys)).scalar_one()
    if 2 * len(short) <= shown:
        return Shortness(json.dumps(sorted(short)))
    safe = set(connection.execute(select(_keys.c.number)).scalars()) - short
    return Shortness(json.dumps(sorted(safe)), lists_short=False)


def _lacking(connection: Connection, live: list[PeerId], now: int) -> set[int]:
    """The entries of which fewer live members hold all than are wanted."""
    whole = (
        select(func.count())
        .where(
            _holdings.c.manifest == _keys.c.manifest,
            _holdings.c.bits.is_(None),
            _holdings.c.peer.in_(live),
            func.coalesce(_holdings.c.doubted, 0) <= now,
        )
        .correlate(_keys)
        .scalar_subquery()
    )
    return set(connection.execute(select(_keys.c.number).where(whole < _keys.c.copies)).scalars())


def _made_up(connection: Connection, rows: list[Any], states: States, now: int) -> Iterator[int]:
    """Those of some entries that have enough copies after all: what is held in part makes them."""
    for start in range(0, len(rows), _AT_ONCE):
        portion = rows[start : start + _AT_ONCE]
        wanted = [ManifestId(row.manifest) for row in portion]
        pieces = manifests.load_pieces(connection, wanted)
        held = load_holders(connection, wanted, now)
        for row in portion:
            have, _ = listing.summarise(pieces[row.manifest], held[row.manifest], states)
            if have >= row.copies:
                yield row.number
