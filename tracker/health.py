"""How well all entries are kept, counted by the database: nothing is read of one entry by itself,
but of those that somebody holds in part, whose bits must be laid over one another.

A copy is what a live member holds in full, or what several hold between them. What is doubted after
an audit does not count. Wanted is wanted: with fewer machines than copies, entries are short.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import trio
from sqlalchemy import Connection, Subquery, and_, case, exists, func, or_, select

from protocol.ids import ManifestId, PeerId
from protocol.messages.health import MOST_RETURNS, EntryCounts, Return, Safety
from protocol.messages.shared import PeerState
from tracker import manifests, tables
from tracker.copies import missing_pieces, worst_copies
from tracker.database import Database
from tracker.holdings import Held, fits, load_holders

FRESH_FOR = 5.0
"""Seconds at least that one count serves everybody who asks, as long as nobody comes or goes."""
REST = 20
"""Times as long as counting took it is left alone: a large catalogue costs 5% of a core at most."""
JUST_SHARED = 60_000
"""Milliseconds in which what nobody holds yet is not lost: its author announces it in a moment.
Counted from when we learnt of it: the author's clock may be wrong."""
_AT_ONCE = 500
_MOST_BYTES = 1 << 62
_entries = tables.entries
_holdings = tables.holdings

States = Mapping[PeerId, PeerState]


@dataclass
class SwarmCount:
    """Entries by class, bytes still to copy, and for machines that are away what they would do."""

    classes: Counter[Safety] = field(default_factory=Counter)
    missing: int = 0
    safe_with: Counter[PeerId] = field(default_factory=Counter)
    found_with: Counter[PeerId] = field(default_factory=Counter)

    def counts(self) -> EntryCounts:
        """The classes as they are told: what is being repaired is short as well."""
        by = self.classes
        return EntryCounts(
            safe=by["safe"],
            short=by["short"] + by["repairing"],
            repairing=by["repairing"],
            away=by["away"],
            lost=by["lost"],
        )

    def returns(self) -> tuple[Return, ...]:
        """The machines that matter most; whoever alone has something comes first."""
        peers = self.safe_with.keys() | self.found_with.keys()
        found = [
            Return(peer=peer, safe=self.safe_with[peer], found=self.found_with[peer])
            for peer in peers
            if self.safe_with[peer] or self.found_with[peer]
        ]
        found.sort(key=lambda each: (-each.found, -each.safe, each.peer))
        return tuple(found[:MOST_RETURNS])

    def bytes_missing(self) -> int:
        """The bytes, as far as a message can tell them."""
        return min(self.missing, _MOST_BYTES)


class HealthCounter:
    """The newest count, made again only when it is old and somebody asks."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = trio.Lock()
        self._counted: SwarmCount | None = None
        self._states: States = {}
        self._fresh_until = 0.0

    async def count(self, states: States, now: int) -> SwarmCount:
        """How all entries are, with members in these states; `now` in milliseconds since 1970."""
        async with self._lock:
            began = trio.current_time()
            if self._counted is None or states != self._states or began > self._fresh_until:
                self._counted = await self._database.read(
                    lambda connection: count_health(connection, states, now)
                )
                ended = trio.current_time()
                self._states = states
                self._fresh_until = ended + max(FRESH_FOR, REST * (ended - began))
            return self._counted


def count_health(connection: Connection, states: States, now: int) -> SwarmCount:
    """Count all shown entries but renditions, which nobody shared as such."""
    count = SwarmCount()
    _count_whole(connection, states, now, count)
    _count_returns(connection, states, now, count)
    for entry, held, pieces in _held_in_part(connection, states, now):
        _count_partial(entry, held, pieces, states, count)
    return count


def _count_whole(connection: Connection, states: States, now: int, count: SwarmCount) -> None:
    """All entries but those of which a part that some machine holds may matter."""
    held = _held(states, now)
    live, known = func.coalesce(held.c.live, 0), func.coalesce(held.c.known, 0)
    in_part = and_(func.coalesce(held.c.parts, 0) > 0, live < _entries.c.copies)
    columns = (
        _entries.c.copies.label("wanted"),
        live.label("live"),
        case((known > 0, 1), else_=0).label("known"),
        case((_entries.c.learnt.between(now - JUST_SHARED + 1, now), 1), else_=0).label("new"),
    )
    # Of several entries with the same content its bytes are copied for the one that wants most.
    to_copy = and_(live > 0, live < _entries.c.copies)
    # As floats, whose sum cannot overflow; nobody can copy what is nowhere now.
    bytes_each = case((~to_copy, 0.0), (_outdone(), 0.0), else_=_entries.c.size * 1.0)
    found = (
        select(*columns, func.count().label("entries"), func.sum(bytes_each).label("size"))
        .select_from(_entries.outerjoin(held, held.c.manifest == _entries.c.manifest))
        .where(_is_counted(_entries), ~in_part)
        .group_by("wanted", "live", "known", "new")
    )
    for row in connection.execute(found):
        count.classes[_class_of_whole(row)] += row.entries
        count.missing += int(row.size) * max(0, row.wanted - row.live)


def _class_of_whole(row: Any) -> Safety:
    if row.live >= row.wanted:
        return "safe"
    if row.live or (row.new and not row.known):
        return "short"
    return "away" if row.known else "lost"


def _count_returns(connection: Connection, states: States, now: int, count: SwarmCount) -> None:
    """Who that is away has in full what is short: what if it came back."""
    away = [peer for peer, state in states.items() if state != "live"]
    if not away:
        return
    held, theirs = _held(states, now), _holdings.alias("theirs")
    found = (
        select(
            theirs.c.peer,
            func.sum(case((held.c.live + 1 >= _entries.c.copies, 1), else_=0)).label("safe"),
            func.sum(case((held.c.live == 0, 1), else_=0)).label("found"),
        )
        .select_from(
            _entries.join(held, held.c.manifest == _entries.c.manifest).join(
                theirs, theirs.c.manifest == _entries.c.manifest
            )
        )
        .where(_is_counted(_entries), held.c.live < _entries.c.copies, held.c.parts == 0)
        .where(theirs.c.peer.in_(away), theirs.c.bits.is_(None), _counts(theirs, now))
        .group_by(theirs.c.peer)
    )
    for row in connection.execute(found):
        count.safe_with[PeerId(row.peer)] += row.safe
        count.found_with[PeerId(row.peer)] += row.found


def _held(states: States, now: int) -> Subquery:
    """By manifest: how many live members hold all of it, how many members, how many a part."""
    live = _holdings.c.peer.in_([peer for peer, state in states.items() if state == "live"])
    whole = _holdings.c.bits.is_(None)
    return (
        select(
            _holdings.c.manifest,
            func.sum(case((and_(whole, live), 1), else_=0)).label("live"),
            func.sum(case((whole, 1), else_=0)).label("known"),
            func.sum(case((whole, 0), else_=1)).label("parts"),
        )
        .where(_holdings.c.peer.in_(list(states)), _counts(_holdings, now))
        .group_by(_holdings.c.manifest)
        .subquery()
    )


def _counts(holdings: Any, now: int) -> Any:
    """Whether nobody doubts a holding."""
    return or_(holdings.c.doubted.is_(None), holdings.c.doubted <= now)


def _is_counted(entries: Any) -> Any:
    return and_(entries.c.shown, entries.c.rendition.is_(False))


def _outdone() -> Any:
    other = _entries.alias("other")
    more = or_(
        other.c.copies > _entries.c.copies,
        and_(other.c.copies == _entries.c.copies, other.c.number > _entries.c.number),
    )
    return exists().where(other.c.manifest == _entries.c.manifest, _is_counted(other), more)


def _held_in_part(
    connection: Connection, states: States, now: int
) -> Iterator[tuple[Any, list[Held], int]]:
    """The entries that `_count_whole` leaves out: each, who holds what of it, and its pieces."""
    parts = select(_holdings.c.manifest).where(_holdings.c.bits.is_not(None))
    columns = (_entries.c.manifest, _entries.c.copies, _entries.c.size, _outdone().label("outdone"))
    found = select(*columns).where(_is_counted(_entries), _entries.c.manifest.in_(parts))
    everything = connection.execute(found).all()
    for start in range(0, len(everything), _AT_ONCE):
        rows = everything[start : start + _AT_ONCE]
        wanted = [ManifestId(row.manifest) for row in rows]
        pieces = manifests.load_pieces(connection, wanted)
        held = load_holders(connection, wanted, now)
        for row in rows:
            members = [one for one in held[row.manifest] if one.peer in states]
            live = sum(one.bits is None and states[one.peer] == "live" for one in members)
            if live < row.copies and any(one.bits is not None for one in members):
                yield row, members, pieces[row.manifest]


def _count_partial(
    entry: Any, held: list[Held], pieces: int, states: States, count: SwarmCount
) -> None:
    fitting = [one for one in held if one.bits is None or fits(one.bits, pieces)]
    live = [one.bits for one in fitting if states[one.peer] == "live"]
    copies = _worst(live, pieces)
    if copies >= entry.copies:
        count.classes["safe"] += 1
        return
    if copies and not entry.outdone:
        missing = _missing(live, pieces, entry.copies)
        count.missing += entry.size * missing // max(1, pieces)
    if copies:
        coming = any(bits is not None and any(bits) for bits in live)
        count.classes["repairing" if coming else "short"] += 1
    else:
        known = _worst([one.bits for one in fitting], pieces)
        count.classes["away" if known else "lost"] += 1
    back: dict[PeerId, list[bytes | None]] = defaultdict(lambda: list(live))
    for one in fitting:
        if states[one.peer] != "live":
            back[one.peer].append(one.bits)
    for peer, bits in back.items():
        with_it = _worst(bits, pieces)
        count.safe_with[peer] += with_it >= entry.copies
        count.found_with[peer] += with_it > 0 and not copies


def _worst(held: list[bytes | None], pieces: int) -> int:
    parts = [bits for bits in held if bits is not None]
    return worst_copies(pieces, len(held) - len(parts), parts)


def _missing(held: list[bytes | None], pieces: int, wanted: int) -> int:
    parts = [bits for bits in held if bits is not None]
    return missing_pieces(pieces, wanted, len(held) - len(parts), parts)
