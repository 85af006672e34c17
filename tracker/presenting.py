"""A member that has connected presents itself: where it is, what it holds, what it has seen.

Thousands may do so at once, when a tracker was away. So one write is all there is for a member that
has missed nothing, and those that come together share its statements.
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
from tracker.swarm import StoredRoster
from tracker.tracker import Tracker

_NEWEST = select(tables.swarm.c.change, tables.swarm.c.epoch)
MANY_HELD = 20_000
"""Holdings of a member up to which they are compared while others wait for the database."""


@dataclass(frozen=True)
class _Arrival:
    """A member that has come, where it is, what it said of itself, and when."""

    peer: PeerId
    addresses: tuple[str, ...]
    request: Present
    now: int
    signing: Ed25519PrivateKey


@dataclass(frozen=True)
class _Noted:
    """What the database had when a member was written down, and what the member lacks of it.

    `in_sync` is None if it holds too much to compare then; `roster` is new by what it offers.
    """

    change: int
    epoch: bytes
    after: int
    in_sync: bool | None
    roster: StoredRoster | None
    approvals: Sequence[Signed]
    behind: bool


async def present(tracker: Tracker, session: Session, request: Present) -> None:
    """Note where the peer is; tell it whether it must announce, who is live, and what is new."""
    peer = member_of(session).peer
    addresses = machines.usable_addresses(request.addresses, session.host)
    arrival = _Arrival(peer, addresses, request, tracker.wall(), tracker.keys.signing)
    pushed = False

    def arrive(noted: _Noted) -> None:
        nonlocal pushed
        tracker.adopt(noted.roster)
        if session not in tracker.sessions or noted.in_sync is None:
            return  # It went while its write was on the way; or more has to be looked at.
        _let_in(tracker, session, arrival, noted, in_sync=noted.in_sync)
        # What another tracker wrote just now may have been pushed before this one was there.
        alone = tracker.others is None and not session.catching_up.locked()
        pushed = session.caught_up = alone and not (noted.behind or noted.approvals)

    read, pending = (
        tracker.database.read,
        tracker.database.submit_together(_ARRIVE, arrival, arrive),
    )
    noted: _Noted = await tracker.database.outcome(pending)
    if noted.in_sync is None:
        in_sync = await read(lambda c: holdings.digest(c, peer) == request.digest)
        _let_in(tracker, session, arrival, noted, in_sync=in_sync)
    decided = noted.approvals
    if tracker.others is not None or noted.in_sync is None:
        decided = await read(lambda c: approvals.approvals_after(c, noted.after))
    # Before the tombstones they set free.
    for approval in decided:
        await session.send(ApprovalPassedOn(approval=approval))
    if not pushed:
        assert session.seen is not None
        await catch_up(tracker, session, member_of(session), session.seen)


def _let_in(
    tracker: Tracker, session: Session, arrival: _Arrival, noted: _Noted, *, in_sync: bool
) -> None:
    request = arrival.request
    same = _is_same(request, noted.change, noted.epoch)
    session.seen = request.seen if same else noted.change
    session.push(
        Presented(
            call=request.call,
            in_sync=in_sync,
            change=noted.change,
            epoch=noted.epoch,
            roster=tracker.roster.number,
        )
    )
    tracker.arrive(session, arrival.addresses)
    for news in tracker.who_is_live(arrival.peer):
        session.push(news)


def _is_same(request: Present, change: int, epoch: bytes) -> bool:
    """Whether what a member has seen was of this database.

    By the numbers of another nothing can be said: it offers what it knows instead.
    """
    return request.epoch in (b"", epoch) and request.seen <= change


def _arrive_all(
    connection: Connection, arrivals: Sequence[_Arrival]
) -> list[_Noted | RequestFailedError]:
    offered = members.capacities(connection, [each.peer for each in arrivals])
    there = [each for each in arrivals if each.peer in offered]
    machines.note_present(
        connection,
        [(each.peer, each.addresses, each.request.stored, each.now) for each in there],
    )
    noted: list[_Noted | RequestFailedError] = []
    for each in arrivals:
        noted.append(_arrive(connection, each, offered.get(each.peer)))
        if each.peer in offered:
            offered[each.peer] = each.request.capacity
    return noted


def _arrive(
    connection: Connection, each: _Arrival, offered: int | None
) -> _Noted | RequestFailedError:
    request, roster = each.request, None
    if request.capacity != offered:
        try:
            roster = members.set_capacity(connection, each.signing, each.peer, request.capacity)
        except RequestFailedError as error:
            return error
    change, epoch = connection.execute(_NEWEST).one()
    same = _is_same(request, change, epoch)
    after, seen = (request.seen, request.seen) if same else (0, change)
    held = holdings.digest_of_few(connection, each.peer, MANY_HELD)
    return _Noted(
        change=change,
        epoch=epoch,
        after=after,
        in_sync=None if held is None else held == request.digest,
        roster=roster,
        approvals=approvals.approvals_after(connection, after) if after < change else [],
        behind=seen < change and bool(catalogue.changes_for(connection, each.peer, seen)),
    )


_ARRIVE: Together[_Arrival, _Noted] = Together(_arrive_all)
