"""Which entries have fewer copies than wanted, for searches: counted now and then, not for each.

The smaller side is kept: the short ones, or if most are short the safe ones.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import trio
from sqlalchemy import Connection, Subquery, case, func, or_, select

from protocol.ids import ManifestId, PeerId
from protocol.messages.shared import PeerState
from tracker import listing, manifests, tables
from tracker.database import Database
from tracker.holdings import load_holders

REST = 20
"""Times as long as counting took a count is used, though something was written meanwhile."""
_AT_ONCE = 500
_entries = tables.entries
_holdings = tables.holdings

States = Mapping[PeerId, PeerState]


@dataclass(frozen=True)
class Shortness:
    """The numbers of all short entries, or (not `lists_short`) of all that are safe."""

    numbers: tuple[int, ...] = ()
    lists_short: bool = True


class ShortEntries:
    """The newest count, made again when somebody asks and something has changed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = trio.Lock()
        self._counted: Shortness | None = None
        self._of: tuple[States, int] = ({}, 0)
        self._fresh_until = 0.0

    async def now(self, states: States, wall: int) -> Shortness:
        """With members in these states; `wall` is milliseconds since 1970."""
        async with self._lock:
            began, of = trio.current_time(), (states, self._database.writes)
            rested = began > self._fresh_until and of != self._of
            if self._counted is None or states != self._of[0] or rested:
                self._counted = await self._database.read(
                    lambda connection: count_short(connection, states, wall)
                )
                ended = trio.current_time()
                self._of = of
                self._fresh_until = ended + REST * (ended - began)
            return self._counted


def count_short(connection: Connection, states: States, now: int) -> Shortness:
    """Look at all entries."""
    held = _held(states, now)
    live, parts = func.coalesce(held.c.live, 0), func.coalesce(held.c.parts, 0)
    both = _entries.outerjoin(held, held.c.manifest == _entries.c.manifest)
    lacking = select(
        _entries.c.number, _entries.c.manifest, _entries.c.copies, parts.label("parts")
    )
    lacking = lacking.select_from(both).where(_entries.c.shown, live < _entries.c.copies)
    rows = connection.execute(lacking).all()
    made_up = set(_made_up(connection, [row for row in rows if row.parts], states, now))
    short = [row.number for row in rows if row.number not in made_up]
    shown = connection.execute(select(func.count()).where(_entries.c.shown)).scalar_one()
    if 2 * len(short) <= shown:
        return Shortness(tuple(short))
    enough = select(_entries.c.number).select_from(both)
    enough = enough.where(_entries.c.shown, live >= _entries.c.copies)
    safe = connection.execute(enough).scalars()
    return Shortness((*safe, *made_up), lists_short=False)


def _held(states: States, now: int) -> Subquery:
    """By manifest: how many live members hold all of it, and how many a part."""
    live = [peer for peer, state in states.items() if state == "live"]
    whole = _holdings.c.bits.is_(None)
    return (
        select(
            _holdings.c.manifest,
            func.sum(case((whole, 1), else_=0)).label("live"),
            func.sum(case((whole, 0), else_=1)).label("parts"),
        )
        .where(
            _holdings.c.peer.in_(live),
            or_(_holdings.c.doubted.is_(None), _holdings.c.doubted <= now),
        )
        .group_by(_holdings.c.manifest)
        .subquery()
    )


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
