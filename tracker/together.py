"""The rows of the trackers on one database: where each listens, that it lives, who is with it.

No clocks are compared: a tracker's `beat` rises while it lives, and others see for how long, by
their own clocks, it has not. Each writes its own rows alone, but for those of one long dead.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, and_, delete, insert, select, update

from protocol.ids import PeerId
from tracker import tables
from tracker.notes import notify
from tracker.rows import portions
from tracker.swarm import MAX_TRACKERS, StoredRoster, join_lines, next_change, split_lines
from tracker.swarm import set_trackers as set_trackers_alone

_trackers = tables.trackers
_present = tables.present

Addresses = tuple[str, ...]


@dataclass(frozen=True)
class Running:
    """A tracker's row."""

    id: bytes
    number: int
    """Another when it is listed again."""
    beat: int
    moves: int

    @property
    def key(self) -> tuple[bytes, int]:
        """What tells it from what it was when it was listed before."""
        return self.id, self.number


@dataclass(frozen=True)
class Whereabouts:
    """Whether a peer is connected to a tracker and live, and where it is."""

    peer: PeerId
    live: bool
    addresses: Addresses


def enlist(
    connection: Connection,
    signing: Ed25519PrivateKey,
    me: bytes,
    before: bytes,
    addresses: Addresses,
) -> StoredRoster | None:
    """A tracker runs now and listens there; `before` is its last run. A new roster if it says so.

    Also when it runs and others took it for dead.
    """
    forget(connection, [before, me])
    number = next_change(connection)
    row = {"id": me, "number": number, "addresses": join_lines(addresses), "beat": 0, "moves": 0}
    connection.execute(insert(_trackers).values(**row))
    return list_addresses(connection, signing)


def dismiss(
    connection: Connection, signing: Ed25519PrivateKey, dead: Mapping[bytes, int]
) -> StoredRoster | None:
    """Forget trackers, unless their beat has risen since; a new roster if it listed them."""
    found = select(_trackers.c.id, _trackers.c.beat).where(_trackers.c.id.in_(list(dead)))
    rows = connection.execute(found).all()
    forget(connection, [row.id for row in rows if row.beat == dead[row.id]])
    return list_addresses(connection, signing)


def forget(connection: Connection, trackers: Iterable[bytes]) -> None:
    """Drop the rows of some trackers."""
    gone = list(trackers)
    connection.execute(delete(_present).where(_present.c.tracker.in_(gone)))
    connection.execute(delete(_trackers).where(_trackers.c.id.in_(gone)))


def list_addresses(connection: Connection, signing: Ed25519PrivateKey) -> StoredRoster | None:
    """Have the roster list where all trackers listen: a new one, or None if it does."""
    found = select(_trackers.c.addresses).order_by(_trackers.c.number, _trackers.c.id)
    addresses = spread(split_lines(row.addresses) for row in connection.execute(found))
    listed = connection.execute(select(tables.swarm.c.trackers)).scalar_one()
    if set(split_lines(listed)) == set(addresses):
        return None
    return set_trackers_alone(connection, signing, addresses)


def spread(each: Iterable[Addresses]) -> Addresses:
    """The first address of each, then the second, and so on: as many as a roster lists."""
    rounds = zip_longest(*each)
    inside = dict.fromkeys(address for one in rounds for address in one if address)
    return tuple(inside)[:MAX_TRACKERS]


def load_running(connection: Connection) -> list[Running]:
    """All trackers."""
    found = select(_trackers.c.id, _trackers.c.number, _trackers.c.beat, _trackers.c.moves)
    return [Running(*row) for row in connection.execute(found)]


def load_moved(connection: Connection, tracker: bytes, after: int) -> list[Whereabouts]:
    """Whose being with a tracker has changed since its `moves` were `after`."""
    columns = (_present.c.peer, _present.c.live, _present.c.addresses)
    since = and_(_present.c.tracker == tracker, _present.c.moved > after)
    rows = connection.execute(select(*columns).where(since))
    return [Whereabouts(PeerId(row[0]), row[1], split_lines(row[2])) for row in rows]


def beat(connection: Connection, me: bytes, moved: Sequence[Whereabouts]) -> bool:
    """Say that a tracker lives, and who of its peers came, went or moved; whether it is listed."""
    rises = {"beat": _trackers.c.beat + 1, "moves": _trackers.c.moves + int(bool(moved))}
    this = update(_trackers).where(_trackers.c.id == me).values(**rises)
    moves = connection.execute(this.returning(_trackers.c.moves)).scalar()
    if moves is None:
        return False
    for some in portions(sorted(each.peer for each in moved)):
        mine = and_(_present.c.tracker == me, _present.c.peer.in_(some))
        connection.execute(delete(_present).where(mine))
    if moved:
        rows = [
            {
                "tracker": me,
                "peer": each.peer,
                "live": each.live,
                "addresses": join_lines(each.addresses),
                "moved": moves,
            }
            for each in moved
        ]
        connection.execute(insert(_present), rows)
        notify(connection)
    return True
