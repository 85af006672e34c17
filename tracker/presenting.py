"""A member that has connected presents itself: where it is, what it holds, what it has seen.

Thousands may do so at once, when a tracker was away. So one look at the database is all there is
for a member that has missed nothing, and one write.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from protocol.ids import PeerId
from protocol.messages.deleting import ApprovalPassedOn
from protocol.messages.tracking import Present, Presented
from protocol.signing import Signed
from tracker import approvals, catalogue, holdings, machines, members
from tracker.catching_up import catch_up, member_of
from tracker.session import Session
from tracker.swarm import StoredRoster, load_epoch, newest_change
from tracker.tracker import Tracker


@dataclass(frozen=True)
class _Missed:
    """What the database knew when a member came, and what that has not seen of it."""

    in_sync: bool
    change: int
    epoch: bytes
    seen: int
    approvals: list[Signed]
    changes: bool


async def present(tracker: Tracker, session: Session, request: Present) -> None:
    """Note where the peer is; tell it whether it must announce, who is live, and what is new."""
    member = member_of(session)
    addresses = machines.usable_addresses(request.addresses, session.host)
    missed = await tracker.database.read(lambda c: _look(c, member.peer, request))
    session.seen = missed.seen
    pushed = False

    def note(connection: Connection) -> tuple[StoredRoster | None, bool]:
        signing = tracker.keys.signing
        roster = members.set_capacity(connection, signing, member.peer, request.capacity)
        now = tracker.wall()
        machines.note_present(connection, member.peer, addresses, request.stored, now)
        session.missed = False
        behind = missed.approvals or missed.changes or session.catching_up.locked()
        return roster, bool(behind or catalogue.changes_for(connection, member.peer, missed.seen))

    def arrive(noted: tuple[StoredRoster | None, bool]) -> None:
        nonlocal pushed
        roster, behind = noted
        tracker.adopt(roster)
        if session not in tracker.sessions:
            return  # It went while its write was on the way.
        session.push(
            Presented(
                call=request.call,
                in_sync=missed.in_sync,
                change=missed.change,
                epoch=missed.epoch,
                roster=tracker.roster.number,
            )
        )
        tracker.arrive(session, addresses)
        for news in tracker.who_is_live(member.peer):
            session.push(news)
        # What another tracker wrote meanwhile may have come to be pushed before this.
        pushed = session.caught_up = not behind and not session.missed

    await tracker.database.write(note, then=arrive)
    # Before the tombstones they set free.
    for approval in missed.approvals:
        await session.send(ApprovalPassedOn(approval=approval))
    if not pushed:
        await catch_up(tracker, session, member, missed.seen)


def _look(connection: Connection, peer: PeerId, request: Present) -> _Missed:
    change, epoch = newest_change(connection), load_epoch(connection)
    # By the numbers of another database nothing can be said: it offers what it knows instead.
    same = request.epoch in (b"", epoch) and request.seen <= change
    seen = request.seen if same else change
    return _Missed(
        in_sync=holdings.digest(connection, peer) == request.digest,
        change=change,
        epoch=epoch,
        seen=seen,
        approvals=approvals.approvals_after(connection, request.seen if same else 0),
        changes=bool(catalogue.changes_for(connection, peer, seen)),
    )
