"""One look at what the trackers of a database have written: what is new, and whom it concerns."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from protocol.ids import PeerId, SwarmKey
from protocol.signing import Signed
from tracker import approvals, notes, tables, together
from tracker.rows import portions
from tracker.swarm import StoredRoster, load_roster, newest_change
from tracker.together import Running, Whereabouts
from tracker.touched import Touched

_entries = tables.entries
_named = tables.entry_manifests
_holdings = tables.holdings


@dataclass(frozen=True)
class Known:
    """What a tracker knows, and has to say."""

    roster: int
    change: int
    """The last change of which it knows all approvals."""
    note: int
    moves: Mapping[tuple[bytes, int], int]
    """Of each tracker."""
    alone: bool
    """Whether it has nobody to tell of entries."""
    beats: bool
    """Whether it is to say that it lives."""
    moved: Sequence[Whereabouts]


@dataclass(frozen=True)
class EntryNews:
    """The newest record of an entry, for its holders or, if it is there again, for everybody."""

    change: int
    record: Signed
    restored: bool
    holders: frozenset[PeerId]


@dataclass(frozen=True)
class Seen:
    """What one look has found. `behind` if it does not know which entries have changed."""

    change: int
    told: int
    """The last change of which it has surely read the note."""
    note: int
    running: Sequence[Running]
    roster: StoredRoster | None = None
    approvals: Sequence[Signed] = ()
    entries: Sequence[EntryNews] = ()
    behind: bool = False
    touched: Touched = field(default_factory=Touched)
    moved: Mapping[tuple[bytes, int], Sequence[Whereabouts]] = field(default_factory=dict)
    listed: bool = True
    """Whether others know of this tracker."""


def look(connection: Connection, key: SwarmKey, me: bytes, known: Known) -> Seen:
    """See what is new since `known`, and say that `me` lives."""
    # The notes of all changes up to here are there; whatever they tell of, the others see.
    told = newest_change(connection)
    noted = notes.notes_from(connection, known.note)
    row = connection.execute(select(tables.swarm.c.roster_number, tables.swarm.c.change)).one()
    newer = load_roster(connection, key) if row.roster_number > known.roster else None
    decided = (
        approvals.approvals_after(connection, known.change) if row.change > known.change else ()
    )
    changes: dict[bytes, int] = {}
    touched = Touched(everything=noted is None)
    for _, content in noted or ():
        changes |= notes.changes_in(content)
        touched.add(notes.touched_in(content))
    last = noted[-1][0] if noted else known.note
    others = [each for each in together.load_running(connection) if each.id != me]
    moved = {
        each.key: together.load_moved(connection, each.id, known.moves.get(each.key, -1))
        for each in others
        if each.moves != known.moves.get(each.key, -1)
    }
    listed = not (known.beats or known.moved) or together.beat(connection, me, known.moved)
    return Seen(
        change=row.change,
        told=told,
        note=last if noted is not None else notes.newest_note(connection),
        running=others,
        roster=newer,
        approvals=decided,
        entries=[] if known.alone else load_news(connection, changes),
        behind=noted is None,
        touched=touched,
        moved=moved,
        listed=listed,
    )


def load_news(connection: Connection, changes: Mapping[bytes, int]) -> list[EntryNews]:
    """The news of entries that have changed, in the order of changes."""
    news = []
    for some in portions(sorted(changes)):
        holders: dict[bytes, set[PeerId]] = defaultdict(set)
        held = _named.join(_holdings, _holdings.c.manifest == _named.c.manifest)
        who = select(_named.c.entry, _holdings.c.peer).select_from(held).distinct()
        for entry, peer in connection.execute(who.where(_named.c.entry.in_(some))):
            holders[entry].add(PeerId(peer))
        columns = (_entries.c.id, _entries.c.body, _entries.c.signature, _entries.c.restored)
        for row in connection.execute(select(*columns).where(_entries.c.id.in_(some))):
            record, told = Signed(row.body, row.signature), frozenset(holders[row.id])
            news.append(EntryNews(changes[row.id], record, row.restored, told))
    return sorted(news, key=lambda each: each.change)
