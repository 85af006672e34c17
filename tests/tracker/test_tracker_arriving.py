"""Thousands that come at once: at the door, in the database, and what they ask first."""

import threading
from typing import Any

import pytest
import trio
import trio.testing
from tracker_support import Swarm, held_up, manifest_of

from protocol.approval import Approval, sign_approval
from protocol.identity import generate_identity
from protocol.ids import AuthorKey, PeerId
from protocol.inventory import inventory_digest
from protocol.messages.deleting import ApprovalPassedOn, PublishApproval
from protocol.messages.shared import Machine
from protocol.messages.tracking import Announce, Holding, Present, Presented
from tracker import presenting, tables
from tracker.accepting import AT_ONCE, take_connections
from tracker.errors import RequestFailedError
from tracker.machine_list import MachineList
from tracker.presenting import _Arrival, _Noted


@pytest.mark.trio
async def test_who_gave_up_is_dropped_and_all_others_are_taken() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    there = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(3 * AT_ONCE)]
    gone, stay = there[::3], [each for each in there if each not in there[::3]]
    for each in gone:
        await each.aclose()
    taken: list[int] = []
    dropped = 0
    done = trio.Event()

    async def handle(stream: trio.SocketStream) -> None:
        taken.append(stream.socket.getpeername()[1])
        if len(taken) == len(stay):
            done.set()

    def drop() -> None:
        nonlocal dropped
        dropped += 1

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(take_connections, listener, handle, nursery, drop)
            await done.wait()
            late = await trio.open_tcp_stream("127.0.0.1", port)
            stay.append(late)
            while len(taken) < len(stay):
                await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
    assert sorted(taken) == sorted(each.socket.getsockname()[1] for each in stay)
    assert dropped == len(gone)
    with pytest.raises(OSError, match="all attempts"):
        await trio.open_tcp_stream("127.0.0.1", port)
    for each in stay:
        await each.aclose()


def present(call: int, capacity: int = 1) -> Present:
    return Present(
        call=call, addresses=(), capacity=capacity, stored=7, digest=inventory_digest(()), seen=0
    )


@pytest.mark.trio
async def test_who_went_while_it_was_written_down_is_not_there(
    club: Swarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes, let_go = threading.Event(), threading.Event()

    def hold(*given: Any) -> None:
        writes.set()
        let_go.wait()

    monkeypatch.setattr("tracker.presenting.machines.note_present", hold)
    machines = [club.admit("stays"), club.admit("went")]
    talks = [await club.member(each) for each in machines]
    async with trio.open_nursery() as nursery:
        with held_up(club.database, nursery):
            await trio.testing.wait_all_tasks_blocked()
            for talk in talks:
                await talk.channel.send(present(1))
                # The first one writes both down.
                await trio.testing.wait_all_tasks_blocked(0.2)
        try:
            await trio.to_thread.run_sync(writes.wait)
            sessions = {each.member and each.member.name: each for each in club.tracker.sessions}
            sessions["went"].cut("it goes")
            while len(club.tracker.sessions) == 2:
                await trio.testing.wait_all_tasks_blocked()
        finally:
            let_go.set()
    assert (await talks[0].told(Presented)).call == 1
    states = [club.tracker.presence.state(each.peer, trio.current_time()) for each in machines]
    assert states == ["live", "suspect"]
    # It is only there once it is there again.
    await club.present(machines[1])
    assert club.tracker.presence.state(machines[1].peer, trio.current_time()) == "live"


@pytest.mark.trio
async def test_those_that_come_together_are_written_together_and_strangers_not(
    club: Swarm,
) -> None:
    here, more, revoked = (club.admit(name) for name in ("here", "more", "revoked"))
    signing = club.keys.signing
    table = tables.members
    gone = table.update().where(table.c.peer == revoked.peer).values(state="revoked")
    club.database.write_now(lambda c: c.execute(gone))

    def arrival(peer: bytes, capacity: int) -> _Arrival:
        request = present(0, capacity)
        return _Arrival(PeerId(peer), ("10.0.0.1:1",), request, 123, signing)

    arrivals = [
        arrival(here.peer, 1),
        arrival(revoked.peer, 1),
        arrival(more.peer, 5),
        arrival(generate_identity().peer, 1),
        arrival(more.peer, 6),
        arrival(more.peer, 5),
    ]
    noted = club.database.write_now(lambda c: presenting._ARRIVE.do(c, arrivals))
    same, refused, offers_more, stranger, _, again = noted
    assert isinstance(refused, RequestFailedError)
    assert "revoked" in refused.text
    assert isinstance(stranger, RequestFailedError)
    assert "not a member" in stranger.text
    assert isinstance(same, _Noted)
    assert (same.roster, same.in_sync, same.behind, same.approvals) == (None, True, False, [])
    # Of one that comes twice, the last word counts.
    for each in (offers_more, again):
        assert isinstance(each, _Noted)
        assert each.roster is not None
        offered = {member.name: member.capacity for member in each.roster.roster.peers()}
        assert offered == {"here": 1, "more": 5}
    rows = club.database.read_now(lambda c: c.execute(table.select()).all())
    assert {row.name: row.stored for row in rows} == {"here": 7, "more": 7, "revoked": 0}


@pytest.mark.trio
@pytest.mark.parametrize("most", [presenting.MANY_HELD, 0])
async def test_what_is_announced_before_is_compared(
    club: Swarm, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """A machine that comes again without what it had just announced is asked for all."""
    monkeypatch.setattr(presenting, "MANY_HELD", most)
    machine, manifest = club.admit(), manifest_of(2)
    before = await club.present(machine)
    again = await club.member(machine)
    async with trio.open_nursery() as nursery:
        with held_up(club.database, nursery):
            await trio.testing.wait_all_tasks_blocked()
            held = (Holding(manifest=manifest.id, bits=None),)
            await before.channel.send(Announce(call=900, stored=1, holdings=held))
            await trio.testing.wait_all_tasks_blocked(0.1)
            await again.channel.send(present(1))
            await trio.testing.wait_all_tasks_blocked(0.1)
        presented = await again.told(Presented)
    assert not presented.in_sync


@pytest.mark.trio
async def test_an_approval_while_a_member_comes_reaches_it(club: Swarm) -> None:
    one, late = club.admit("one"), club.admit("late")
    decider, talk = await club.present(one), await club.member(late)
    said = Approval(
        signer=AuthorKey(one.peer),
        deleter=AuthorKey(late.peer),
        approved=True,
        decided=club.tracker.wall(),
        tombstones=(bytes(32),),
    )
    approval = sign_approval(said, one.signing)
    async with trio.open_nursery() as nursery:
        with held_up(club.database, nursery):
            await trio.testing.wait_all_tasks_blocked()
            await decider.channel.send(PublishApproval(call=900, approval=approval))
            await trio.testing.wait_all_tasks_blocked(0.1)
            await talk.channel.send(present(1))
            await trio.testing.wait_all_tasks_blocked(0.1)
    assert (await talk.told(ApprovalPassedOn)).approval == approval


@pytest.mark.trio
async def test_one_look_is_for_all_that_ask(autojump_clock: trio.testing.MockClock) -> None:
    looks, pause = 0, 0.0

    async def look() -> tuple[Machine, ...]:
        nonlocal looks
        looks += 1
        await trio.sleep(1)
        if looks == 1:
            raise RequestFailedError("failed", "the database is away")
        return ()

    found = MachineList(look, lambda: pause)
    failed = 0

    async def ask() -> None:
        nonlocal failed
        try:
            assert await found.get() == ()
        except RequestFailedError:
            failed += 1

    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(ask)
    # Whoever looked first is told of the failure, and another looks for the rest.
    assert (failed, looks) == (1, 2)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.sleep(0.5)
        # What is being looked up may be older than this question.
        nursery.start_soon(ask)
    assert looks == 4
    pause = 5.0
    await ask()
    assert looks == 4
    await trio.sleep(5)
    await ask()
    assert looks == 5
