"""Who belongs: machines that join, change what they offer, leave, and are revoked.

Refuses keys that were revoked, for good. Every change of what the roster lists makes a new roster
in the same transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Row, delete, insert, select, update

from protocol.fields import MAX_NAME
from protocol.ids import PeerId, StaticKey
from protocol.messages.tracking import Join, Revoked
from protocol.paths import clean_name
from protocol.roster import OUTSIDE, Member, MemberState, sign_membership
from protocol.signing import Signed
from tracker import catalogue, tables
from tracker.errors import RequestFailedError
from tracker.invites import (
    SHORTEST_PREFIX,
    InviteTerms,
    check_token,
    find_invites,
    mark_used,
    revoke_invite,
)
from tracker.swarm import StoredRoster, join_lines, make_roster, member_of_row
from tracker.touched import note_peer

_table = tables.members


@dataclass(frozen=True)
class Admitted:
    """A machine that has just joined, and the roster that lists it."""

    member: Member
    membership: Signed
    roster: StoredRoster


def admit_machine(
    connection: Connection,
    signing: Ed25519PrivateKey,
    join: Join,
    static: StaticKey,
    now: int,
) -> Admitted:
    """Trade a token for a membership; the proof of `join.peer` has been checked by the caller."""
    terms = check_token(connection, join.token, now)
    known = _known(connection, join.peer, static)
    member = Member(
        peer=join.peer,
        static=static,
        name=_unique_name(connection, clean_name(join.name), join.peer),
        zone=clean_zone(join.zone if join.zone is not None else terms.zone),
        capacity=join.capacity,
        joined=known.joined if known else now,
    )
    _keep(connection, member, terms, known)
    roster = make_roster(connection, signing)
    return Admitted(member, sign_membership(signing, member), roster)


def require_active(connection: Connection, peer: PeerId) -> None:
    """RequestFailedError unless `peer` is a member now, in this very transaction."""
    state = connection.execute(select(_table.c.state).where(_table.c.peer == peer)).scalar()
    if state is None:
        raise RequestFailedError("refused", "not a member of this swarm")
    if state == "revoked":
        raise RequestFailedError("refused", "this machine has been revoked")
    if state == "left":
        raise RequestFailedError("refused", "this machine has left the swarm")


def capacities(connection: Connection, peers: Sequence[PeerId]) -> dict[PeerId, int]:
    """What each of some machines offers; those left out are no members now."""
    found = select(_table.c.peer, _table.c.capacity).where(_table.c.peer.in_(peers), tables.inside)
    return {PeerId(row.peer): row.capacity for row in connection.execute(found)}


def set_capacity(
    connection: Connection, signing: Ed25519PrivateKey, peer: PeerId, capacity: int
) -> StoredRoster | None:
    """A member offers another amount of room: a new roster, or None when it is the same."""
    require_active(connection, peer)
    this = _table.c.peer == peer
    if connection.execute(select(_table.c.capacity).where(this)).scalar_one() == capacity:
        return None
    connection.execute(update(_table).where(this).values(capacity=capacity))
    return make_roster(connection, signing)


def set_state(
    connection: Connection,
    signing: Ed25519PrivateKey,
    peer: PeerId,
    state: MemberState,
    roster: int,
) -> StoredRoster | None:
    """A member drains, leaves, or is as it was: a new roster, or None when it is that already.

    It has left only if it went by the newest `roster`, and had been leaving; RequestFailedError
    otherwise.
    """
    require_active(connection, peer)
    this = _table.c.peer == peer
    before = connection.execute(select(_table.c.state).where(this)).scalar_one()
    if before == state:
        return None
    if state == "left":
        if before != "leaving":
            raise RequestFailedError("failed", "a machine must be leaving before it has left")
        if roster != load_number(connection):
            raise RequestFailedError("failed", "the roster has changed meanwhile: look again")
        note_peer(connection, peer)
        connection.execute(delete(tables.holdings).where(tables.holdings.c.peer == peer))
    connection.execute(update(_table).where(this).values(state=state))
    return make_roster(connection, signing)


def set_admin(
    connection: Connection, signing: Ed25519PrivateKey, target: str, *, admin: bool
) -> StoredRoster | None:
    """Make a member, by name or id, an admin or none: a new roster, or None when it is so."""
    row = _find_member(connection, target)
    if row.admin == admin:
        return None
    connection.execute(update(_table).where(_table.c.peer == row.peer).values(admin=admin))
    return make_roster(connection, signing)


def set_zone(
    connection: Connection, signing: Ed25519PrivateKey, target: str, zone: str
) -> StoredRoster | None:
    """Label a member, by name or id: a new roster, or None when it had that label."""
    row = _find_member(connection, target)
    cleaned = clean_zone(zone)
    if row.zone == cleaned:
        return None
    connection.execute(update(_table).where(_table.c.peer == row.peer).values(zone=cleaned))
    return make_roster(connection, signing)


@dataclass(frozen=True)
class Revocation:
    """What was revoked; with `peer` and `roster` when it was a member."""

    reply: Revoked
    peer: PeerId | None = None
    roster: StoredRoster | None = None


def revoke(
    connection: Connection, signing: Ed25519PrivateKey, target: str, call: int, now: int
) -> Revocation:
    """Revoke the one member or invite that `target` names."""
    named = _find_members(connection, target)
    active = [row for row in named if row.state not in OUTSIDE]
    open_invites = find_invites(connection, target)
    if len(active) + len(open_invites) > 1:
        raise RequestFailedError("failed", _ambiguous(target, active, open_invites))
    if active:
        return _revoke_member(connection, signing, active[0], call)
    if open_invites:
        revoke_invite(connection, open_invites[0], now)
        number = load_number(connection)
        reply = Revoked(call=call, what="invite", name="", id=open_invites[0], roster=number)
        return Revocation(reply)
    if named:
        done = "is revoked already" if named[0].state == "revoked" else "has left the swarm already"
        raise RequestFailedError("failed", f"{named[0].name} {done}")
    raise RequestFailedError("not_found", f"no member or invite is called {target!r}")


def load_number(connection: Connection) -> int:
    """The number of the newest roster."""
    number: int = connection.execute(select(tables.swarm.c.roster_number)).scalar_one()
    return number


def clean_zone(zone: str) -> str:
    """A zone fit to show; "" stays "", for none."""
    return clean_name(zone)[:64] if zone.strip() else ""


def _revoke_member(
    connection: Connection,
    signing: Ed25519PrivateKey,
    row: Row[tuple[object, ...]],
    call: int,
) -> Revocation:
    peer = PeerId(row.peer)
    connection.execute(update(_table).where(_table.c.peer == peer).values(state="revoked"))
    note_peer(connection, peer)
    connection.execute(delete(tables.holdings).where(tables.holdings.c.peer == peer))
    roster = make_roster(connection, signing)
    reply = Revoked(call=call, what="member", name=row.name, id=peer.hex(), roster=roster.number)
    return Revocation(reply, peer, roster)


def _known(
    connection: Connection, peer: PeerId, static: StaticKey
) -> Row[tuple[object, ...]] | None:
    """This machine's row, if it was here before; RequestFailedError when it must stay out."""
    same_keys = (_table.c.peer == peer) | (_table.c.static == static)
    rows = connection.execute(select(_table).where(same_keys)).all()
    if any(row.state == "revoked" for row in rows):
        raise RequestFailedError("refused", "this machine has been revoked")
    if any(row.peer != peer for row in rows):
        raise RequestFailedError("refused", "another member has this machine's transport key")
    return rows[0] if rows else None


def _keep(
    connection: Connection,
    member: Member,
    terms: InviteTerms,
    known: Row[tuple[object, ...]] | None,
) -> None:
    offered = {
        "static": member.static,
        "name": member.name,
        "zone": member.zone,
        "capacity": member.capacity,
        "state": member.state,
    }
    if known is not None:
        connection.execute(update(_table).where(_table.c.peer == member.peer).values(**offered))
        if known.name != member.name:
            catalogue.index_author(connection, member.peer)
    else:
        fresh = {"peer": member.peer, "joined": member.joined, "admin": member.admin}
        unseen = {"addresses": join_lines(()), "stored": 0, "seen": 0}
        connection.execute(insert(_table).values(**offered, **fresh, **unseen))
    note_peer(connection, member.peer)
    mark_used(connection, terms, member.peer)


def _unique_name(connection: Connection, wanted: str, peer: PeerId) -> str:
    others = select(_table.c.name).where(_table.c.peer != peer, tables.inside)
    taken = {name.casefold() for name in connection.execute(others).scalars()}
    name, number = wanted, 1
    while name.casefold() in taken:
        number += 1
        suffix = f"-{number}"
        stem = wanted.encode()[: MAX_NAME - len(suffix)].decode(errors="ignore")
        name = stem + suffix
    return name


def _find_member(connection: Connection, target: str) -> Row[tuple[object, ...]]:
    """The one member that `target` names; RequestFailedError when there is none, or several."""
    named = [row for row in _find_members(connection, target) if row.state not in OUTSIDE]
    if not named:
        raise RequestFailedError("not_found", f"no member is called {target!r}")
    if len(named) > 1:
        raise RequestFailedError("failed", _ambiguous(target, named, ()))
    return named[0]


def _find_members(connection: Connection, target: str) -> Sequence[Row[tuple[object, ...]]]:
    """Members of exactly this name, else those whose id begins so."""
    rows = connection.execute(select(_table).order_by(_table.c.name, _table.c.peer)).all()
    named = [row for row in rows if row.name == target]
    if any(row.state not in OUTSIDE for row in named):
        return [row for row in named if row.state not in OUTSIDE]
    if len(target) >= SHORTEST_PREFIX:
        named += [row for row in rows if row.peer.hex().startswith(target.lower())]
    return named


def _ambiguous(target: str, rows: Sequence[Row[tuple[object, ...]]], invites: Sequence[str]) -> str:
    found = [f"member {row.name} ({row.peer.hex()[:12]})" for row in rows]
    found += [f"invite {invite}" for invite in invites]
    return f"{target!r} could be any of: {', '.join(found)}"


def list_members(connection: Connection) -> tuple[Member, ...]:
    """Every machine that ever joined, by name."""
    rows = connection.execute(select(_table).order_by(_table.c.name, _table.c.peer))
    return tuple(member_of_row(row) for row in rows)
