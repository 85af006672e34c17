"""A member that has connected presents itself: where it is, what it holds, what it has seen.

Thousands may do so at once, when a tracker was away. So one look at the database is all there is
for a member that has missed nothing, and one write.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, select

from protocol.ids import PeerId
from protocol.messages.deleting import ApprovalPassedOn
from protocol.messages.tracking import Present, Presented
from protocol.signing import Signed
from tracker import approvals, catalogue, holdings, machines, members, tables
from tracker.catching_up import catch_up, member_of
from tracker.errors import RequestFailedError
from tracker.group_commit import Together
from tracker.session import Session
from tracker.swarm import StoredRoster, newest_change
from tracker.tracker import Tracker

_NEWEST = select(tables.swarm.c.change, tables.swarm.c.epoch)


@dataclass(frozen=True)
class _Missed:
    """What the database knew when a member came, and what that has not seen of it."""

    in_sync: bool
    change: int
    epoch: bytes
    seen: int
    approvals: list[Signed]
    changes: bool


@dataclass(frozen=True)
class _Arrival:
    """A member that has come, what it offers and stores, where it is; what it has seen and when."""

    peer: PeerId
    capacity: int
    stored: int
    addresses: tuple[str, ...]
    seen: int
    now: int
    signing: Ed25519PrivateKey


@dataclass(frozen=True)
class _Noted:
    """A roster, if that is new by what the member offers; whether there is more to tell it."""

    roster: StoredRoster | None
    behind: bool


async def present(tracker: Tracker, session: Session, request: Present) -> None:
    """Note where the peer is; tell it whether it must announce, who is live, and what is new."""
    member = member_of(session)
    addresses = machines.usable_addresses(request.addresses, session.host)
    pushed = False
    missed = await tracker.database.read(lambda c: _look(c, member.peer, request))
    session.seen = missed.seen
    arrival = _Arrival(
        peer=member.peer,
        capacity=request.capacity,
        stored=request.stored,
        addresses=addresses,
        seen=missed.seen,
        now=tracker.wall(),
        signing=tracker.keys.signing,
    )

    def arrive(noted: _Noted) -> None:
        nonlocal pushed
        tracker.adopt(noted.roster)
        if session not in tracker.sessions:
            return  # It went while its write was on the way.
        presented = Presented(
            call=request.call,
            in_sync=missed.in_sync,
            change=missed.change,
            epoch=missed.epoch,
            roster=tracker.roster.number,
        )
        session.push(presented)
        tracker.arrive(session, addresses)
        for news in tracker.who_is_live(member.peer):
            session.push(news)
        behind = missed.approvals or missed.changes or noted.behind
        # What another tracker wrote just now may have been pushed before this one was there.
        alone = tracker.others is None and not session.catching_up.locked()
        pushed = session.caught_up = alone and not behind

    await tracker.database.outcome(tracker.database.submit_together(_ARRIVE, arrival, arrive))
    # Before the tombstones they set free.
    for approval in missed.approvals:
        await session.send(ApprovalPassedOn(approval=approval))
    if not pushed:
        await catch_up(tracker, session, member, missed.seen)


def _arrive_all(
    connection: Connection, arrivals: Sequence[_Arrival]
) -> list[_Noted | RequestFailedError]:
    offered = members.capacities(connection, [each.peer for each in arrivals])
    there = [each for each in arrivals if each.peer in offered]
    machines.note_present(
        connection, [(each.peer, each.addresses, each.stored, each.now) for each in there]
    )
    return [_arrive(connection, each, offered.get(each.peer)) for each in arrivals]


def _arrive(
    connection: Connection, each: _Arrival, offered: int | None
) -> _Noted | RequestFailedError:
    roster = None
    if each.capacity != offered:
        try:
            roster = members.set_capacity(connection, each.signing, each.peer, each.capacity)
        except RequestFailedError as error:
            return error
    return _Noted(roster, _changes(connection, each.peer, each.seen))


_ARRIVE: Together[_Arrival, _Noted] = Together(_arrive_all)


def _look(connection: Connection, peer: PeerId, request: Present) -> _Missed:
    change, epoch = connection.execute(_NEWEST).one()
    # By the numbers of another database nothing can be said: it offers what it knows instead.
    same = request.epoch in (b"", epoch) and request.seen <= change
    seen = request.seen if same else change
    after = request.seen if same else 0
    return _Missed(
        in_sync=holdings.digest(connection, peer) == request.digest,
        change=change,
        epoch=epoch,
        seen=seen,
        approvals=approvals.approvals_after(connection, after) if after < change else [],
        changes=_changes(connection, peer, seen),
    )


def _changes(connection: Connection, peer: PeerId, after: int) -> bool:
    """Whether there are changes after this one to what a peer holds; mostly there are none."""
    if after >= newest_change(connection):
        return False
    return bool(catalogue.changes_for(connection, peer, after))
