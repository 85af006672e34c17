"""The swarm's one row: name, settings, the counter of changes, and the newest signed roster.

Every roster is made here, in the transaction that changes what it lists, with the next number.
"""

import os
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Row, insert, select, update

from protocol.fields import MAX_NAME
from protocol.ids import PeerId, StaticKey, SwarmKey
from protocol.roster import Member, Roster, encode_signed, open_roster_untrusted, sign_roster
from tracker import tables
from tracker.errors import DataDirectoryError
from tracker.news import note_news

DEFAULT_GRACE = 1800
DEFAULT_COPIES = 2
NAMELESS = "swarm"
"""What a swarm is called while nobody has handed its roster over."""
_EPOCH_LENGTH = 16
MAX_TRACKERS = 16


@dataclass(frozen=True)
class StoredRoster:
    """A roster and the signed bytes of it that members are sent."""

    roster: Roster
    encoded: bytes

    @property
    def number(self) -> int:
        """The roster's number."""
        return self.roster.number


def found_swarm(
    connection: Connection,
    signing: Ed25519PrivateKey,
    name: str,
    public: tuple[str, ...],
    rebuilt: int = 0,
) -> StoredRoster:
    """Make the swarm, with nobody in it; DataDirectoryError when there is one already.

    `rebuilt` is when the database of a swarm that there was had been lost, 0 for a new swarm.
    """
    if connection.execute(select(tables.swarm.c.id)).first() is not None:
        raise DataDirectoryError("there is a tracker in this directory or database already")
    if not 1 <= len(name) <= MAX_NAME:
        raise DataDirectoryError(f"a swarm's name has 1 to {MAX_NAME} characters")
    connection.execute(
        insert(tables.swarm).values(
            id=1,
            name=name,
            key=signing.public_key().public_bytes_raw(),
            public=join_lines(public),
            trackers=join_lines(public),
            grace=DEFAULT_GRACE,
            copies=DEFAULT_COPIES,
            change=0,
            roster_number=0,
            roster=b"",
            epoch=os.urandom(_EPOCH_LENGTH),
            floor=1,
            base=0,
            rebuilt=rebuilt,
        )
    )
    return make_roster(connection, signing)


def has_swarm(connection: Connection) -> bool:
    """Whether there is a swarm in the database; in a new one there is none."""
    return connection.execute(select(tables.swarm.c.id)).first() is not None


def load_epoch(connection: Connection) -> bytes:
    """What tells this database from any other of the swarm."""
    epoch: bytes = connection.execute(select(tables.swarm.c.epoch)).scalar_one()
    return epoch


def renew_epoch(connection: Connection, now: int) -> None:
    """The database is an older copy: members are to give it what it lacks."""
    fresh = {"epoch": os.urandom(_EPOCH_LENGTH), "rebuilt": now}
    connection.execute(update(tables.swarm).values(**fresh))


def check_swarm(connection: Connection, key: SwarmKey) -> None:
    """DataDirectoryError unless the database holds the swarm of this key."""
    found = connection.execute(select(tables.swarm.c.key)).scalar()
    if found is None:
        raise DataDirectoryError("the database has no swarm in it: run `twofold-tracker init`")
    if found != key:
        raise DataDirectoryError("swarm.key and the database belong to different swarms")


def load_roster(connection: Connection, key: SwarmKey) -> StoredRoster:
    """The newest roster."""
    encoded: bytes = connection.execute(select(tables.swarm.c.roster)).scalar_one()
    return StoredRoster(open_roster_untrusted(encoded, key), encoded)


def make_roster(connection: Connection, signing: Ed25519PrivateKey) -> StoredRoster:
    """Sign and keep a new roster of what the database says now."""
    row = connection.execute(select(tables.swarm)).one()
    roster = Roster(
        swarm=SwarmKey(row.key),
        number=row.roster_number + 1,
        name=row.name,
        trackers=split_lines(row.trackers)[:MAX_TRACKERS],
        grace=row.grace,
        copies=row.copies,
        members=_members(connection),
    )
    encoded = encode_signed(sign_roster(signing, roster))
    kept = update(tables.swarm).values(roster_number=roster.number, roster=encoded)
    connection.execute(kept)
    note_news(connection)
    return StoredRoster(roster, encoded)


def set_trackers(
    connection: Connection, signing: Ed25519PrivateKey, trackers: tuple[str, ...]
) -> StoredRoster | None:
    """Say where the tracker listens now; a new roster when that changes it."""
    row = connection.execute(select(tables.swarm.c.trackers)).one()
    if split_lines(row.trackers) == trackers:
        return None
    connection.execute(update(tables.swarm).values(trackers=join_lines(trackers)))
    return make_roster(connection, signing)


def set_grace(connection: Connection, signing: Ed25519PrivateKey, seconds: int) -> StoredRoster:
    """Change how long a silent peer keeps its place in the ring."""
    connection.execute(update(tables.swarm).values(grace=seconds))
    return make_roster(connection, signing)


def public_addresses(connection: Connection) -> tuple[str, ...]:
    """The addresses given at `init`, if any."""
    return split_lines(connection.execute(select(tables.swarm.c.public)).scalar_one())


def newest_change(connection: Connection) -> int:
    """The number of the last change to the catalogue."""
    number: int = connection.execute(select(tables.swarm.c.change)).scalar_one()
    return number


def next_change(connection: Connection, several: int = 1) -> int:
    """A number for this transaction's change, higher than all before; of several, the last."""
    drawn = update(tables.swarm).values(change=tables.swarm.c.change + several)
    number: int = connection.execute(drawn.returning(tables.swarm.c.change)).scalar_one()
    note_news(connection)
    return number


def member_of_row(row: Row[tuple[object, ...]]) -> Member:
    """A row of the members table as rosters list it."""
    return Member(
        peer=PeerId(row.peer),
        static=StaticKey(row.static),
        name=row.name,
        zone=row.zone,
        capacity=row.capacity,
        joined=row.joined,
        state=row.state,
        admin=row.admin,
    )


def join_lines(addresses: tuple[str, ...]) -> str:
    """Addresses as one text column."""
    return "\n".join(addresses)


def split_lines(column: str) -> tuple[str, ...]:
    """Undo `join_lines`."""
    return tuple(column.split("\n")) if column else ()


def _members(connection: Connection) -> tuple[Member, ...]:
    table = tables.members
    rows = connection.execute(select(table).order_by(table.c.joined, table.c.peer))
    return tuple(member_of_row(row) for row in rows)
