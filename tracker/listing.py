"""Answers about entries: by their ids, and where the content is, each fitting one control message.

Takes the state of every peer as it was when the question was asked, and the time of that, in
milliseconds since 1970; knows nothing of connections.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, select

from protocol import codec
from protocol.entry import Entry, read_record
from protocol.ids import ManifestId, PeerId
from protocol.messages.finding import Replaced
from protocol.messages.shared import PeerState
from protocol.messages.tracking import PAGE, HolderSummary, Listing
from protocol.signing import Signed
from tracker import manifests, tables
from tracker.copies import count_pieces, worst_copies
from tracker.holdings import Held, fits, load_holders
from tracker.renditions import renditions_of

REPLY_SPACE = 60_000
"""Bytes of a reply that lists may fill: the rest of the message is far below what is left."""
MAX_HOLDERS = 50
_RANK = {"live": 0, "suspect": 1, "gone": 2}
_table = tables.entries

States = Mapping[PeerId, PeerState]


@dataclass(frozen=True)
class Page:
    """Some listings, how many there are in all (or `more`), where to go on (b"" at the end).

    `replaced`: what was searched instead of words that nothing has.
    """

    listings: tuple[Listing, ...]
    total: int
    cursor: bytes
    more: bool = False
    replaced: tuple[Replaced, ...] = ()


def entries_by_prefix(connection: Connection, prefix: bytes, states: States, now: int) -> Page:
    """The shown entries whose id begins with `prefix`, and how many there are."""
    found = select(_table).where(_table.c.shown, _table.c.id >= prefix)
    after = _next_prefix(prefix)
    if after:
        found = found.where(_table.c.id < after)
    total = connection.execute(_count(found)).scalar_one()
    rows = connection.execute(found.order_by(_table.c.id).limit(PAGE)).all()
    return Page(fitting(listings_of(connection, rows, states, now)), total, b"")


def listings_of(
    connection: Connection, rows: Sequence[Any], states: States, now: int
) -> Iterable[Listing]:
    """Rows of entries as they are told, in their order."""
    wanted = [ManifestId(row.manifest) for row in rows]
    pieces = manifests.load_pieces(connection, wanted)
    held = load_holders(connection, wanted, now)
    waiting = _deletion_held(connection, [row.id for row in rows])
    records = [read_record(row.body) for row in rows]
    pictures = renditions_of(connection, records)
    for row, record in zip(rows, records, strict=True):
        manifest = ManifestId(row.manifest)
        count = pieces.get(manifest, record.pieces if isinstance(record, Entry) else 0)
        have, holders = summarise(count, held[manifest], states)
        yield Listing(
            record=Signed(row.body, row.signature),
            have=have,
            holders=holders,
            held=row.id in waiting,
            lost=is_lost(count, held[manifest], states),
            renditions=pictures.get(record.id, ()),
        )


def _deletion_held(connection: Connection, entries: list[bytes]) -> set[bytes]:
    """Those of some entries whose deletion waits for approval."""
    table = tables.held_tombstones
    waiting = table.c.entry.in_(entries) & table.c.rejected.is_(False)
    return set(connection.execute(select(table.c.entry).where(waiting)).scalars())


def summarise(
    pieces: int, held: list[Held], states: States
) -> tuple[int, tuple[HolderSummary, ...]]:
    """The copies there are of a manifest, and who has how many pieces of it."""
    counted = _countable(held, pieces, states)
    live = [one.bits for one in counted if states[one.peer] == "live"]
    partial = [bits for bits in live if bits is not None]
    have = worst_copies(pieces, len(live) - len(partial), partial)
    summaries = tuple(
        HolderSummary(peer=one.peer, pieces=count_pieces(one.bits, pieces), state=states[one.peer])
        for one in by_usefulness(counted, pieces, states)[:MAX_HOLDERS]
    )
    return have, summaries


def is_lost(pieces: int, held: list[Held], states: States) -> bool:
    """Whether some piece has no holder among the members, live or not."""
    counted = [one.bits for one in _countable(held, pieces, states)]
    partial = [bits for bits in counted if bits is not None]
    return worst_copies(pieces, len(counted) - len(partial), partial) == 0


def _countable(held: Iterable[Held], pieces: int | None, states: States) -> list[Held]:
    """Holders that are members and have at least a piece (or the whole of nothing)."""
    return [
        one
        for one in held
        if one.peer in states
        and (one.bits is None or ((pieces is None or fits(one.bits, pieces)) and any(one.bits)))
    ]


def _usefulness(held: Held, pieces: int, states: States) -> tuple[int, int, bytes]:
    return _RANK[states[held.peer]], -count_pieces(held.bits, pieces), held.peer


def by_usefulness(held: Iterable[Held], pieces: int | None, states: States) -> list[Held]:
    """Holders that count, the most useful first."""
    counted = _countable(held, pieces, states)
    return sorted(counted, key=lambda one: _usefulness(one, pieces or 0, states))


def fitting(listings: Iterable[Listing]) -> tuple[Listing, ...]:
    """As many as one message takes; the first always, which fits by its fields' limits."""
    fitting: list[Listing] = []
    space = REPLY_SPACE
    for listing in listings:
        space -= len(codec.encode(listing))
        if space < 0 and fitting:
            break
        fitting.append(listing)
    return tuple(fitting)


def _next_prefix(prefix: bytes) -> bytes:
    """The first id after all that begin with `prefix`; b"" when there is none."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else b""


def _count(found: Select[Any]) -> Select[Any]:
    return select(func.count()).select_from(found.subquery())
