"""Answers about entries: by their ids, and where the content is, each fitting one control message.

Takes the state of every peer as it was when the question was asked, and the time of that, in
milliseconds since 1970; knows nothing of connections.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, select

from protocol import codec
from protocol.ids import PeerId
from protocol.messages.finding import Replaced
from protocol.messages.shared import PeerState
from protocol.messages.tracking import PAGE, HolderSummary, Listing
from tracker import tables
from tracker.copies import count_pieces, worst_copies
from tracker.holdings import Held, fits
from tracker.shown_rows import ShownRow, in_turn, load_shown

REPLY_SPACE = 60_000
"""Bytes of a reply that lists may fill: the rest of the message is far below what is left."""
MAX_HOLDERS = 50
_OF_A_LETTER = 4
_OF_A_PART = 90
"""Bytes at most of a holder, a rendition, or half of a listing without its record's body."""
_RANK = {"live": 0, "suspect": 1, "gone": 2}
_table = tables.entries

States = Mapping[PeerId, PeerState]
_Summary = tuple[int, bool, tuple[HolderSummary, ...]]


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
    first = found.with_only_columns(_table.c.number).order_by(_table.c.id).limit(PAGE)
    numbers = connection.execute(first).scalars().all()
    rows = load_shown(connection, numbers, now)
    return Page(fitting(listings_of(in_turn(rows, numbers), states)), total, b"")


def listings_of(rows: Iterable[ShownRow], states: States) -> Iterator[Listing]:
    """Entries as they are told, with the state that each peer is in."""
    # Most are held by the same few machines, and of as many pieces.
    summarised: dict[tuple[int, tuple[Held, ...]], _Summary] = {}
    for row in rows:
        alike = row.pieces, row.held
        if alike not in summarised:
            summarised[alike] = _summary(row.pieces, row.held, states)
        have, lost, holders = summarised[alike]
        yield Listing(
            record=row.record,
            have=have,
            holders=holders,
            held=row.waiting,
            lost=lost,
            renditions=row.renditions,
        )


def summarise(
    pieces: int, held: list[Held], states: States
) -> tuple[int, tuple[HolderSummary, ...]]:
    """The copies there are of a manifest, and who has how many pieces of it."""
    have, _, holders = _summary(pieces, held, states)
    return have, holders


def _summary(pieces: int, held: Sequence[Held], states: States) -> _Summary:
    """The same, and whether some piece has no holder among the members, live or not."""
    counted = _countable(held, pieces, states)
    live = [one.bits for one in counted if states[one.peer] == "live"]
    have = _copies(pieces, live)
    lost = not have and _copies(pieces, [one.bits for one in counted]) == 0
    holders = tuple(
        HolderSummary(peer=one.peer, pieces=count_pieces(one.bits, pieces), state=states[one.peer])
        for one in by_usefulness(counted, pieces, states)[:MAX_HOLDERS]
    )
    return have, lost, holders


def _copies(pieces: int, held: list[bytes | None]) -> int:
    partial = [bits for bits in held if bits is not None]
    full = len(held) - len(partial)
    return worst_copies(pieces, full, partial) if partial else full


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
    found = tuple(listings)
    # Nearly always all do, which needs no encoding to be seen.
    if sum(map(_at_most, found)) <= REPLY_SPACE:
        return found
    fitting: list[Listing] = []
    space = REPLY_SPACE
    for listing in found:
        space -= len(codec.encode(listing))
        if space < 0 and fitting:
            break
        fitting.append(listing)
    return tuple(fitting)


def _at_most(listing: Listing) -> int:
    """Bytes that it surely does not exceed when it is encoded."""
    parts = 2 + len(listing.holders) + len(listing.renditions)
    letters = len(listing.inside or "") * _OF_A_LETTER
    return len(listing.record.body) + letters + parts * _OF_A_PART


def _next_prefix(prefix: bytes) -> bytes:
    """The first id after all that begin with `prefix`; b"" when there is none."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else b""


def _count(found: Select[Any]) -> Select[Any]:
    return select(func.count()).select_from(found.subquery())
