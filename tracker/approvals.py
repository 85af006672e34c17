"""Deciding about held deletions: who may, what it sets free, and what there is to decide."""

from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, delete, insert, select, update

from protocol.approval import (
    MOST_TOMBSTONES,
    Approval,
    may_decide,
    open_approval_untrusted,
    sign_approval,
)
from protocol.entry import Entry, read_record, supersedes
from protocol.errors import RemoteProtocolError
from protocol.hashing import hash_tombstone
from protocol.ids import AuthorKey, PeerId
from protocol.messages.deleting import HELD_IN_ANSWER, BurstDecided, BurstView, DecideBurst
from protocol.roster import Roster
from protocol.signing import Signed
from tracker import catalogue, tables
from tracker.catalogue import Stored
from tracker.errors import RequestFailedError
from tracker.invites import SHORTEST_PREFIX
from tracker.swarm import next_change

KEPT = 200
"""Approvals that are kept for members that were away."""
EXAMPLES = 3
EXAMPLE_LENGTH = 60
MOST_BURSTS = 30
"""Together they fit a message."""
_held = tables.held_tombstones
_approvals = tables.approvals
_verdicts = tables.verdicts


@dataclass(frozen=True)
class Decision:
    """An approval that is new, and the tombstones that came to effect by it."""

    approval: Signed
    released: tuple[tuple[Stored, Signed], ...] = ()


def decide(connection: Connection, signed: Signed, roster: Roster) -> Decision | None:
    """Go by an approval; None when it is known. RequestFailedError when its signer may not."""
    try:
        approval = open_approval_untrusted(signed)
    except RemoteProtocolError as error:
        raise RequestFailedError("invalid", str(error)) from None
    if not may_decide(approval.signer, approval.deleter, roster):
        raise RequestFailedError("refused", "only an admin may decide about these deletions")
    known = select(_approvals.c.change).where(_approvals.c.signature == signed.signature)
    if connection.execute(known).first() is not None:
        return None
    _keep(connection, signed, approval)
    named = set(approval.tombstones)
    theirs = select(_held).where(_held.c.signer == approval.deleter).order_by(_held.c.entry)
    released = []
    for row in connection.execute(theirs).all():
        if hash_tombstone(row.body) not in named:
            continue
        connection.execute(delete(_held).where(_held.c.entry == row.entry))
        tombstone = Signed(row.body, row.signature)
        stored = _release(connection, tombstone) if approval.approved else None
        if stored is not None:
            released.append((stored, tombstone))
    return Decision(signed, tuple(released))


def decide_as_operator(
    connection: Connection,
    signing: Ed25519PrivateKey,
    roster: Roster,
    request: DecideBurst,
    now: int,
) -> tuple[BurstDecided, tuple[Decision, ...]]:
    """Decide, with the swarm's key, about all held deletions of one member."""
    signer, name = _find_signer(connection, request.target)
    bodies = select(_held.c.body).where(_held.c.signer == signer)
    hashes = [hash_tombstone(body) for body in connection.execute(bodies).scalars()]
    decisions = []
    for start in range(0, len(hashes), MOST_TOMBSTONES):
        approval = Approval(
            signer=AuthorKey(signing.public_key().public_bytes_raw()),
            deleter=AuthorKey(signer),
            approved=request.approve,
            decided=now,
            tombstones=tuple(hashes[start : start + MOST_TOMBSTONES]),
        )
        decision = decide(connection, sign_approval(approval, signing), roster)
        decisions += [decision] if decision is not None else []
    reply = BurstDecided(call=request.call, name=name, entries=len(hashes), published=True)
    return reply, tuple(decisions)


def approvals_after(connection: Connection, change: int) -> list[Signed]:
    """The approvals that are kept and newer than a change, oldest first."""
    newer = select(_approvals).where(_approvals.c.change > change)
    rows = connection.execute(newer.order_by(_approvals.c.change))
    return [Signed(row.body, row.signature) for row in rows]


def held_page(connection: Connection, after: bytes) -> tuple[Signed, ...]:
    """Held tombstones of entries whose id comes after one."""
    found = select(_held).where(_held.c.entry > after).order_by(_held.c.entry)
    rows = connection.execute(found.limit(HELD_IN_ANSWER))
    return tuple(Signed(row.body, row.signature) for row in rows)


def bursts(connection: Connection) -> tuple[BurstView, ...]:
    """Whose deletions are held, by name."""
    held: dict[bytes, list[tuple[int, bytes]]] = {}
    joined = select(_held.c.signer, _held.c.since, tables.entries.c.body).join(tables.entries)
    for signer, since, body in connection.execute(joined.order_by(_held.c.since)):
        held.setdefault(signer, []).append((since, body))
    names = _names(connection, held)
    views = [
        BurstView(
            id=signer.hex(),
            name=names[signer],
            entries=len(rows),
            since=rows[0][0],
            examples=_examples(body for _, body in rows[:EXAMPLES]),
        )
        for signer, rows in held.items()
    ]
    return tuple(sorted(views, key=lambda view: (view.name, view.id))[:MOST_BURSTS])


def _examples(bodies: Iterable[bytes]) -> tuple[str, ...]:
    records = [read_record(body) for body in bodies]
    return tuple(r.name[:EXAMPLE_LENGTH] for r in records if isinstance(r, Entry))


def _keep(connection: Connection, signed: Signed, approval: Approval) -> None:
    row = {"signature": signed.signature, "body": signed.body, "change": next_change(connection)}
    connection.execute(insert(_approvals).values(**row))
    newest = select(_approvals.c.change).order_by(_approvals.c.change.desc()).limit(KEPT)
    connection.execute(delete(_approvals).where(_approvals.c.change.not_in(newest)))
    for tombstone in set(approval.tombstones):
        this = (_verdicts.c.tombstone == tombstone) & (_verdicts.c.deleter == approval.deleter)
        if connection.execute(select(_verdicts.c.approved).where(this)).first() is None:
            verdict = {
                "tombstone": tombstone,
                "deleter": approval.deleter,
                "approved": approval.approved,
            }
            connection.execute(insert(_verdicts).values(**verdict))
        elif approval.approved:
            # Whatever came first, everybody settles on the same.
            connection.execute(update(_verdicts).where(this).values(approved=True))


def _release(connection: Connection, tombstone: Signed) -> Stored | None:
    """Let a tombstone come to effect, unless the entry has changed meanwhile."""
    record = read_record(tombstone.body)
    body = select(tables.entries.c.body).where(tables.entries.c.id == record.id)
    if not supersedes(record, read_record(connection.execute(body).scalar_one())):
        return None
    # When it was learnt matters of what is shown only.
    return catalogue.put_record(connection, tombstone, record, 0)


def _find_signer(connection: Connection, target: str) -> tuple[PeerId, str]:
    waiting = bursts(connection)
    found = [view for view in waiting if view.name == target]
    if not found and len(target) >= SHORTEST_PREFIX:
        found = [view for view in waiting if view.id.startswith(target.lower())]
    if not found:
        raise RequestFailedError("not_found", f"no deletions of {target!r} are held")
    if len(found) > 1:
        raise RequestFailedError("failed", f"{target!r} could be any of several: give the id")
    return PeerId(bytes.fromhex(found[0].id)), found[0].name


def _names(connection: Connection, signers: Iterable[bytes]) -> dict[bytes, str]:
    table = tables.members
    rows = connection.execute(select(table.c.peer, table.c.name).where(table.c.peer.in_(signers)))
    known = {row.peer: row.name for row in rows}
    return {signer: known.get(signer, signer.hex()[:12]) for signer in signers}
