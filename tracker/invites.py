"""Invites: made, checked, used up and revoked. Only the hash of a token is ever stored.

Invariant: a token admits one machine, because checking and marking it are one write transaction.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, Row, insert, select, update

from protocol.hashing import hash_invite_token
from protocol.ids import PeerId
from protocol.messages.tracking import InviteSummary
from tracker import tables
from tracker.errors import RequestFailedError

ID_LENGTH = 10
SHORTEST_PREFIX = 6


@dataclass(frozen=True)
class InviteTerms:
    """What an invite that may be used gives its joiner."""

    hash: bytes
    zone: str


def record_invite(
    connection: Connection, token: bytes, *, zone: str, expires: int, now: int
) -> InviteSummary:
    """Keep a new invite, good until `expires`; both times are milliseconds since 1970."""
    hashed = hash_invite_token(token)
    invite = hashed.hex()[:ID_LENGTH]
    row = {"hash": hashed, "id": invite, "zone": zone, "created": now, "expires": expires}
    connection.execute(insert(tables.invites).values(**row, revoked=False))
    return InviteSummary(id=invite, zone=zone, expires=expires, state="open")


def check_token(connection: Connection, token: bytes, now: int) -> InviteTerms:
    """The terms of the invite with this token; RequestFailedError unless it is open."""
    found = select(tables.invites).where(tables.invites.c.hash == hash_invite_token(token))
    row = connection.execute(found).first()
    if row is None:
        raise RequestFailedError("refused", "this invite is not known to the tracker")
    state = _state(row, now)
    if state != "open":
        texts = {
            "used": "this invite has been used already: ask for a new one",
            "revoked": "this invite has been revoked: ask for a new one",
            "expired": "this invite has expired: ask for a new one",
        }
        raise RequestFailedError("refused", texts[state])
    return InviteTerms(row.hash, row.zone)


def mark_used(connection: Connection, terms: InviteTerms, peer: PeerId) -> None:
    """The invite has admitted this peer, which is in the members table."""
    used = update(tables.invites).where(tables.invites.c.hash == terms.hash).values(used_by=peer)
    connection.execute(used)


def list_invites(connection: Connection, now: int) -> tuple[InviteSummary, ...]:
    """Every invite ever made, newest first."""
    rows = connection.execute(select(tables.invites).order_by(tables.invites.c.created.desc()))
    return tuple(
        InviteSummary(id=row.id, zone=row.zone, expires=row.expires, state=_state(row, now))
        for row in rows
    )


def find_invites(connection: Connection, target: str) -> list[str]:
    """Ids of the invites that begin with `target`, if that is long enough to mean one."""
    if len(target) < SHORTEST_PREFIX or not set(target.lower()) <= set("0123456789abcdef"):
        return []
    column = tables.invites.c.id
    found = select(column).where(column.startswith(target.lower(), autoescape=True))
    return list(connection.execute(found).scalars())


def revoke_invite(connection: Connection, invite: str, now: int) -> None:
    """No machine joins by this invite any more; RequestFailedError when that is settled anyway."""
    found = select(tables.invites).where(tables.invites.c.id == invite)
    state = _state(connection.execute(found).one(), now)
    if state == "used":
        raise RequestFailedError(
            "failed", f"invite {invite} has been used: revoke the machine that joined by it"
        )
    if state == "revoked":
        raise RequestFailedError("failed", f"invite {invite} is revoked already")
    revoked = update(tables.invites).where(tables.invites.c.id == invite).values(revoked=True)
    connection.execute(revoked)


def _state(row: Row[tuple[object, ...]], now: int) -> str:
    if row.used_by is not None:
        return "used"
    if row.revoked:
        return "revoked"
    return "expired" if row.expires <= now else "open"
