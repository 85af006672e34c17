"""Deciding about held deletions: who may, what it sets free, and what there is to decide."""

from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, delete, func, insert, select, update

from protocol.approval import (
    KEPT_FOR,
    MOST_TOMBSTONES,
    Approval,
    may_decide,
    open_approval_untrusted,
    sign_approval,
)
from protocol.entry import Entry, read_record, supersedes
from protocol.errors import RemoteProtocolError
from protocol.ids import AuthorKey, PeerId
from protocol.messages.deleting import HELD_IN_ANSWER, BurstDecided, BurstView, DecideBurst
from protocol.roster import Roster
from protocol.signing import Signed
from tracker import catalogue, search_index, tables
from tracker.catalogue import Stored
from tracker.errors import RequestFailedError
from tracker.invites import SHORTEST_PREFIX
from tracker.listing import REPLY_SPACE
from tracker.swarm import next_change

KEPT = 200
"""Approvals that are kept for members that were away."""
MOST_DECIDED = 200_000
"""Tombstones that one signer may decide about within `KEPT_FOR`, but for the tracker's operator."""
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


def decide(connection: Connection, signed: Signed, roster: Roster, now: int) -> Decision | None:
    """Go by an approval; None when it is known. RequestFailedError when its signer may not.

    What is rejected is only marked so, as an approval beats a rejection also when it comes later.
    """
    try:
        approval = open_approval_untrusted(signed)
    except RemoteProtocolError as error:
        raise RequestFailedError("invalid", str(error)) from None
    if not may_decide(approval.signer, approval.deleter, roster):
        raise RequestFailedError("refused", "only an admin may decide about these deletions")
    known = select(_approvals.c.change).where(_approvals.c.signature == signed.signature)
    if connection.execute(known).first() is not None:
        return None
    signer: bytes = approval.signer
    if signer != roster.swarm:
        _require_few(connection, approval)
    _keep(connection, signed, approval, now)
    named = _held.c.hash.in_(set(approval.tombstones)) & (_held.c.signer == approval.deleter)
    rows = connection.execute(select(_held).where(named).order_by(_held.c.entry)).all()
    search_index.note_listed(connection, [row.entry for row in rows])
    if not approval.approved:
        connection.execute(update(_held).where(named).values(rejected=True))
        return Decision(signed)
    connection.execute(delete(_held).where(named))
    tombstones = [Signed(row.body, row.signature) for row in rows]
    stored = [(_release(connection, each, now), each) for each in tombstones]
    return Decision(signed, tuple((one, each) for one, each in stored if one is not None))


def decide_as_operator(
    connection: Connection,
    signing: Ed25519PrivateKey,
    roster: Roster,
    request: DecideBurst,
    now: int,
) -> tuple[BurstDecided, tuple[Decision, ...]]:
    """Decide, with the swarm's key, about all held deletions of one member."""
    signer, name = _find_signer(connection, request.target)
    waiting = select(_held.c.hash).where(_held.c.signer == signer, _held.c.rejected.is_(False))
    hashes = list(connection.execute(waiting.order_by(_held.c.entry)).scalars())
    decisions = []
    for start in range(0, len(hashes), MOST_TOMBSTONES):
        approval = Approval(
            signer=AuthorKey(signing.public_key().public_bytes_raw()),
            deleter=AuthorKey(signer),
            approved=request.approve,
            decided=now,
            tombstones=tuple(hashes[start : start + MOST_TOMBSTONES]),
        )
        decision = decide(connection, sign_approval(approval, signing), roster, now)
        decisions += [decision] if decision is not None else []
    reply = BurstDecided(call=request.call, name=name, entries=len(hashes), published=True)
    return reply, tuple(decisions)


def approvals_after(connection: Connection, change: int) -> list[Signed]:
    """The approvals that are kept and newer than a change, oldest first."""
    newer = select(_approvals).where(_approvals.c.change > change)
    rows = connection.execute(newer.order_by(_approvals.c.change))
    return [Signed(row.body, row.signature) for row in rows]


def held_page(connection: Connection, after: bytes) -> tuple[Signed, ...]:
    """Held deletions of entries whose id comes after one, as many as fit a message."""
    waiting = (_held.c.entry > after) & _held.c.rejected.is_(False)
    found = select(_held.c.body, _held.c.signature).where(waiting).order_by(_held.c.entry)
    page: list[Signed] = []
    space = REPLY_SPACE
    for row in connection.execute(found.limit(HELD_IN_ANSWER)):
        space -= len(row.body) + len(row.signature) + 16
        if page and space < 0:
            break
        page.append(Signed(row.body, row.signature))
    return tuple(page)


def bursts(connection: Connection) -> tuple[BurstView, ...]:
    """Whose deletions are held, those with the most, by name; all counted by the database."""
    entries, since = func.count().label("entries"), func.min(_held.c.since).label("since")
    counted = select(_held.c.signer, entries, since).where(_held.c.rejected.is_(False))
    most = counted.group_by(_held.c.signer).order_by(entries.desc()).limit(MOST_BURSTS)
    rows = connection.execute(most).all()
    names = _names(connection, [row.signer for row in rows])
    views = [
        BurstView(
            id=row.signer.hex(),
            name=names[row.signer],
            entries=row.entries,
            since=row.since,
            examples=_examples(connection, row.signer),
        )
        for row in rows
    ]
    return tuple(sorted(views, key=lambda view: (view.name, view.id)))


def _examples(connection: Connection, signer: bytes) -> tuple[str, ...]:
    theirs = (_held.c.signer == signer) & _held.c.rejected.is_(False)
    joined = _held.join(tables.entries, tables.entries.c.id == _held.c.entry)
    found = select(tables.entries.c.body).select_from(joined).where(theirs)
    bodies = connection.execute(found.order_by(_held.c.since).limit(EXAMPLES)).scalars()
    records = [read_record(body) for body in bodies]
    return tuple(r.name[:EXAMPLE_LENGTH] for r in records if isinstance(r, Entry))


def _require_few(connection: Connection, approval: Approval) -> None:
    theirs = select(func.count()).select_from(_verdicts)
    decided = connection.execute(theirs.where(_verdicts.c.signer == approval.signer)).scalar_one()
    if decided + len(approval.tombstones) > MOST_DECIDED:
        raise RequestFailedError("refused", "this machine has decided about too many deletions")


def _keep(connection: Connection, signed: Signed, approval: Approval, now: int) -> None:
    connection.execute(delete(_verdicts).where(_verdicts.c.decided <= now - KEPT_FOR))
    forgotten = _held.c.rejected & (_held.c.since <= now - KEPT_FOR)
    connection.execute(delete(_held).where(forgotten))
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
                "signer": approval.signer,
                "decided": now,
            }
            connection.execute(insert(_verdicts).values(**verdict))
        elif approval.approved:
            # Whatever came first, everybody settles on the same.
            approved = update(_verdicts).where(this).values(approved=True, decided=now)
            connection.execute(approved)


def _release(connection: Connection, tombstone: Signed, now: int) -> Stored | None:
    """Let a deletion come to effect, unless the entry has changed meanwhile."""
    record = read_record(tombstone.body)
    body = select(tables.entries.c.body).where(tables.entries.c.id == record.id)
    known = connection.execute(body).scalar()
    if known is not None and not supersedes(record, read_record(known)):
        return None
    return catalogue.put_record(connection, tombstone, record, now)


def _find_signer(connection: Connection, target: str) -> tuple[PeerId, str]:
    waiting = select(_held.c.signer).where(_held.c.rejected.is_(False)).distinct()
    names = _names(connection, connection.execute(waiting).scalars().all())
    found = [signer for signer, name in names.items() if name == target]
    if not found and len(target) >= SHORTEST_PREFIX:
        found = [signer for signer in names if signer.hex().startswith(target.lower())]
    if not found:
        raise RequestFailedError("not_found", f"no deletions of {target!r} are held")
    if len(found) > 1:
        raise RequestFailedError("failed", f"{target!r} could be any of several: give the id")
    return PeerId(found[0]), names[found[0]]


def _names(connection: Connection, signers: Iterable[bytes]) -> dict[bytes, str]:
    table = tables.members
    rows = connection.execute(select(table.c.peer, table.c.name).where(table.c.peer.in_(signers)))
    known = {row.peer: row.name for row in rows}
    return {signer: known.get(signer, signer.hex()[:12]) for signer in signers}
