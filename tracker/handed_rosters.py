"""Rosters that members hand over, and what this database takes from them.

Only the swarm key makes a roster, so each was true once; which is the newest nobody here may know
any more. A higher number has the last word. Who was revoked in any of them is so for good. What is
made here is numbered far ahead, so that it is never taken for one that was made before.
"""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from protocol.ids import SwarmKey
from protocol.roster import Member, Roster, open_roster_untrusted
from tracker import catalogue, tables
from tracker.swarm import StoredRoster, join_lines, make_roster, split_lines
from tracker.touched import note_peer

AHEAD = 1_000_000
"""How far the first roster made here is ahead of the one it follows."""
_MAX_TRACKERS = 16
_swarm = tables.swarm
_members = tables.members


def take_roster(
    connection: Connection, signing: Ed25519PrivateKey, encoded: bytes
) -> StoredRoster | None:
    """Go by a roster that a member hands over: a new one, or None when it says nothing new.

    RemoteProtocolError when the swarm key did not sign it.
    """
    key = SwarmKey(signing.public_key().public_bytes_raw())
    roster = open_roster_untrusted(encoded, key)
    row = connection.execute(select(_swarm)).one()
    own = row.roster_number
    if roster.number >= own and encoded != row.roster:
        # None that we made: the database was lost, or is an older copy.
        first = roster.number + AHEAD
        numbers = {"roster_number": first - 1, "floor": first, "base": roster.number}
        connection.execute(update(_swarm).values(**numbers))
    elif row.base < roster.number < row.floor:
        connection.execute(update(_swarm).values(base=roster.number))
    elif roster.number < row.floor and _revoke_too(connection, roster):
        return make_roster(connection, signing)
    else:
        return None
    _take_settings(connection, row, roster)
    for member in roster.members:
        _take_member(connection, member)
    return make_roster(connection, signing)


def _take_settings(connection: Connection, row: Row[tuple[object, ...]], roster: Roster) -> None:
    values: dict[str, object] = {
        "name": roster.name,
        "grace": roster.grace,
        "copies": roster.copies,
    }
    own = split_lines(str(row.trackers))
    if row.rebuilt and not row.public and roster.trackers and set(roster.trackers) != set(own):
        # Members found us there, so it is no address of this machine's own, but leads here.
        both = dict.fromkeys(roster.trackers + own)
        values |= {
            "public": join_lines(roster.trackers),
            "trackers": join_lines(tuple(both)[:_MAX_TRACKERS]),
        }
    connection.execute(update(_swarm).values(**values))


def _take_member(connection: Connection, member: Member) -> None:
    same = or_(_members.c.peer == member.peer, _members.c.static == member.static)
    known = connection.execute(select(_members).where(same)).all()
    if any(row.peer != member.peer or row.state == "revoked" for row in known):
        return
    values = {
        "static": member.static,
        "name": member.name,
        "zone": member.zone,
        "capacity": member.capacity,
        "joined": member.joined,
        "state": member.state,
        "admin": member.admin,
    }
    if not known:
        unseen = {"addresses": join_lines(()), "stored": 0, "seen": 0}
        connection.execute(insert(_members).values(peer=member.peer, **values, **unseen))
        note_peer(connection, member.peer)
        return
    connection.execute(update(_members).where(_members.c.peer == member.peer).values(**values))
    if member.state == "revoked":
        _forget_holdings(connection, member)
    if known[0].name != member.name:
        note_peer(connection, member.peer)
        catalogue.index_author(connection, member.peer)


def _revoke_too(connection: Connection, roster: Roster) -> bool:
    """Revoke whom an older roster says was; whether somebody had not been."""
    revoked = [member for member in roster.members if member.state == "revoked"]
    wanted = _members.c.peer.in_([member.peer for member in revoked])
    rows = connection.execute(select(_members.c.peer, _members.c.state).where(wanted))
    known = {row.peer: row.state for row in rows}
    missed = [member for member in revoked if known.get(member.peer) != "revoked"]
    for member in missed:
        if member.peer in known:
            this = _members.c.peer == member.peer
            connection.execute(update(_members).where(this).values(state="revoked"))
            _forget_holdings(connection, member)
        else:
            _take_member(connection, member)
    return bool(missed)


def _forget_holdings(connection: Connection, member: Member) -> None:
    note_peer(connection, member.peer)
    holdings = tables.holdings
    connection.execute(delete(holdings).where(holdings.c.peer == member.peer))
