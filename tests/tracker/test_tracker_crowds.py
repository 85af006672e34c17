"""Many members: what they are told of each other at once, and how they rest."""

from collections.abc import Callable
from contextlib import suppress

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs
from tracker_support import Swarm, entry_of, held_up, manifest_of, signed

from protocol import codec
from protocol.connection import SEALED_PING, Ended
from protocol.drivers.on_trio import TrioChannel
from protocol.ids import PeerId
from protocol.liveness import (
    PING_EVERY,
    TRACKER_ANSWERS_AFTER,
    TRACKER_PING_EVERY,
    TRACKER_SILENT_AFTER,
)
from protocol.messages import decode_message_untrusted
from protocol.messages.base import Ping
from protocol.messages.shared import GetMachines
from protocol.messages.tending import ComeBack
from protocol.messages.tracking import MOST_CHANGED, PeersChanged, Publish, Published
from tracker import telling
from tracker.resting import TOGETHER
from tracker.session import Session


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A swarm of four is a large one."""
    monkeypatch.setattr("tracker.telling.FEW", 3)
    monkeypatch.setattr("tracker.tracker.FEW", 3)
    monkeypatch.setattr("tracker.telling.TOLD_A_SECOND", 1)
    monkeypatch.setattr("tracker.tracker._EACH", 0)


def test_all_is_said_in_messages_that_fit() -> None:
    told = [
        (PeerId(number.to_bytes(32, "big")), "live", (f"{'h' * 60}{number}.test:1",) * (number % 9))
        for number in range(3000)
    ]
    encoded = list(telling.portions(told))  # type: ignore[arg-type]
    assert all(len(each) <= codec.MAX_CONTROL for each in encoded)
    messages = [decode_message_untrusted(memoryview(each)) for each in encoded]
    assert all(isinstance(each, PeersChanged) for each in messages)
    assert max(len(each.peers) for each in messages) <= MOST_CHANGED  # type: ignore[attr-defined]
    assert [each for message in messages for each in message.peers] == told  # type: ignore[attr-defined]
    assert list(telling.portions([])) == []


@pytest.mark.trio
async def test_of_many_it_is_told_together_and_after_a_while(
    club: Swarm, few: None, mock_clock: trio.testing.MockClock
) -> None:
    machines = [club.admit(f"m{number}") for number in range(5)]
    talks = [await club.present(machine) for machine in machines]
    mock_clock.jump(10)
    for talk in talks:
        await talk.ask(GetMachines)
    club.tracker.notice_silence()
    # Who came before is told of who came since, and who came last of everybody at some moment.
    known: set[PeerId] = set()
    while machines[4].peer not in known:
        told = await talks[0].told(PeersChanged)
        known |= {peer for peer, state, _ in told.peers if state == "live"}
    late = await club.present(club.admit("late"))
    told = await late.told(PeersChanged)
    assert {peer for peer, _, _ in told.peers} >= {machine.peer for machine in machines}
    # One that went is no news yet; a moment later it is.
    await talks[1].channel.aclose()
    await trio.testing.wait_all_tasks_blocked()
    so_far = [each for told in talks[2].kept(PeersChanged) for each in told.peers]
    assert (machines[1].peer, "suspect") not in {each[:2] for each in so_far}
    mock_clock.jump(10)
    for talk in (talks[0], *talks[2:]):
        await talk.ask(GetMachines)
    club.tracker.notice_silence()
    gone: dict[PeerId, str] = {}
    while machines[1].peer not in gone or gone[machines[1].peer] != "suspect":
        told = await talks[2].told(PeersChanged)
        gone |= {peer: state for peer, state, _ in told.peers}


async def pair_of_sockets(
    club: Swarm, nursery: trio.Nursery
) -> tuple[TrioChannel, trio.SocketStream]:
    """A member's end and the tracker's end of a connection over a real socket."""
    streams: list[trio.SocketStream] = []
    taken = trio.Event()

    async def take(stream: trio.SocketStream) -> None:
        streams.append(stream)
        taken.set()
        await club.reception.receive(stream)

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, take, [listener])
    stream = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
    await taken.wait()
    talk = await club.member_over(stream)
    return talk.channel, streams[0]


@pytest.mark.trio
async def test_who_rests_is_answered_pings_and_served(
    club: Swarm, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracker.session.AWAKE", 0.0)
    monkeypatch.setattr("tracker.session.TRACKER_ANSWERS_AFTER", 0.0)
    nursery.start_soon(club.reception.resting.run)
    one, _ = await pair_of_sockets(club, nursery)
    with trio.fail_after(20):
        for _ in range(3):
            await one.send_all([Ping(), Ping()])  # two at once are read at once
            event = await one.receive()
            while event.message != Ping():  # type: ignore[union-attr]
                event = await one.receive()
        await one.send_all([Ping(), GetMachines(call=7), Ping()])
        while getattr(event.message, "call", None) != 7:  # type: ignore[union-attr]
            event = await one.receive()
        # Half a message is waited for, and nonsense ends the connection, nothing else.
        sealed = one.connection.send(Ping())
        await one.stream.send_all(sealed[:5])
        await trio.sleep(0.05)
        await one.stream.send_all(sealed[5:])
        while event.message != Ping():  # type: ignore[union-attr]
            event = await one.receive()
        other, _ = await pair_of_sockets(club, nursery)
        await other.stream.send_all(b"\x00\x20" + bytes(32))
        with suppress(trio.BrokenResourceError):
            while await other.stream.receive_some(1 << 16):
                pass
        await one.send_all([Ping(), Ping()])
        await one.receive()
    # Nothing is watched of who has gone.
    await one.aclose()
    with trio.fail_after(20):
        await club.tracker.wait_empty()
        await trio.testing.wait_all_tasks_blocked(0.05)
    assert club.reception.resting.watched == 0
    nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_of_many_pings_few_are_answered(
    club: Swarm, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracker.session.AWAKE", 0.0)
    nursery.start_soon(club.reception.resting.run)
    one, _ = await pair_of_sockets(club, nursery)
    with trio.fail_after(20):
        await one.send_all([Ping(), Ping()])
        while (await one.receive()).message != Ping():  # type: ignore[union-attr]
            pass
        await one.send_all([Ping(), Ping(), Ping(), GetMachines(call=7)])
        while getattr((event := await one.receive()).message, "call", None) != 7:  # type: ignore[union-attr]
            assert event.message != Ping()  # type: ignore[union-attr]
    nursery.cancel_scope.cancel()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - it is the kernel that brings it
        await trio.sleep(0.001)


@pytest.mark.trio
async def test_pings_show_life_as_they_come_and_are_read_together(
    club: Swarm, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracker.session.AWAKE", 0.0)
    nursery.start_soon(club.reception.resting.run)
    one, _ = await pair_of_sockets(club, nursery)
    with trio.fail_after(20):
        await one.send_all([Ping(), Ping()])
        while (await one.receive()).message != Ping():  # type: ignore[union-attr]
            pass
        (session,) = club.tracker.sessions
        read = session.channel.connection.bytes_in
        for number in range(1, TOGETHER):
            heard = session.channel.last_received
            await one.send(Ping())
            await until(lambda heard=heard: session.channel.last_received > heard)
            assert session.channel.connection.bytes_in == read, number
        await one.send(Ping())
        await until(lambda: session.channel.connection.bytes_in > read)
        assert session.channel.connection.bytes_in == read + TOGETHER * SEALED_PING
        # Whoever says something else is served, whatever it said before.
        await one.send(Ping())
        await one.send(GetMachines(call=7))
        while getattr((await one.receive()).message, "call", None) != 7:  # type: ignore[union-attr]
            pass
        assert session.channel.connection.bytes_in == one.connection.bytes_out
        # The end is seen behind Pings that nobody has read.
        heard = session.channel.last_received
        await one.send(Ping())
        await until(lambda: session.channel.last_received > heard)
        await one.aclose()
        await club.tracker.wait_empty()
    nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_who_is_sent_away_hears_it_to_the_end(
    club: Swarm, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket that is closed while something is unread resets the connection."""
    monkeypatch.setattr("tracker.session.AWAKE", 0.0)
    nursery.start_soon(club.reception.resting.run)
    one, _ = await pair_of_sockets(club, nursery)
    with trio.fail_after(20):
        session = await resting_with_a_ping_unread(club, one)
        session.finish("stopping", ComeBack(after=1, spread=1, why="stopping"))
        told = []
        while not isinstance(event := await one.receive(), Ended):
            told.append(type(event.message))
        assert told[-1] is ComeBack
        assert await one.stream.receive_some(1) == b""
    nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_good_end_behind_pings_is_none_that_was_lost(
    club: Swarm, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracker.session.AWAKE", 0.0)
    monkeypatch.setattr("tracker.session.TRACKER_ANSWERS_AFTER", 0.0)
    nursery.start_soon(club.reception.resting.run)
    one, _ = await pair_of_sockets(club, nursery)
    with trio.fail_after(20), capture_logs() as logs:
        await resting_with_a_ping_unread(club, one)
        await one.stream.send_all(one.connection.close("bye"))
        await club.tracker.wait_empty()
    assert "connection lost" not in {each["event"] for each in logs}
    nursery.cancel_scope.cancel()


async def resting_with_a_ping_unread(club: Swarm, one: TrioChannel) -> Session:
    await one.send_all([Ping(), Ping()])
    while (await one.receive()).message != Ping():  # type: ignore[union-attr]
        pass
    (session,) = club.tracker.sessions
    heard, read = session.channel.last_received, session.channel.connection.bytes_in
    await one.send(Ping())
    await until(lambda: session.channel.last_received > heard)
    assert session.channel.connection.bytes_in == read
    return session


def test_a_tracker_that_lives_is_heard_in_time() -> None:
    """Also if it has just answered when it reads, and a Ping is late."""
    longest = TRACKER_ANSWERS_AFTER + (TOGETHER + 1) * TRACKER_PING_EVERY
    assert longest < TRACKER_SILENT_AFTER


@pytest.mark.trio
async def test_who_waits_long_for_an_answer_hears_that_the_tracker_lives(
    club: Swarm, mock_clock: trio.testing.MockClock
) -> None:
    machine, manifest = club.admit("one"), manifest_of(2)
    club.tracker.notice_silence()
    talk = await club.present(machine)
    club.tracker.notice_silence()
    async with trio.open_nursery() as nursery:
        with held_up(club.database, nursery):
            await trio.testing.wait_all_tasks_blocked()
            record = signed(entry_of(manifest, machine), machine)
            await talk.channel.send(Publish(call=900, record=record))
            for _ in range(3):
                await trio.testing.wait_all_tasks_blocked()
                mock_clock.jump(PING_EVERY)
                club.tracker.notice_silence()
                assert (await talk.channel.receive()).message == Ping()  # type: ignore[union-attr]
        assert (await talk.told(Published)).call == 900
