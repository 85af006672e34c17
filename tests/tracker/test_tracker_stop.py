"""The tracker stops: what is being served is answered, peers are told to come back, in time."""

import pytest
import trio
import trio.testing
from sqlalchemy import Connection, func, select
from tracker_support import Swarm, entry_of, held_up, join_request, manifest_of, new_token, signed

from protocol.connection import Ended
from protocol.identity import generate_identity
from protocol.messages.shared import RosterDocument
from protocol.messages.tending import ComeBack
from protocol.messages.tracking import Join, Joined, Publish, Published
from tracker import tables
from tracker.daemon import STOP_TIME


@pytest.mark.trio
async def test_peers_are_told_to_come_back(club: Swarm) -> None:
    talks = [await club.present(club.admit(name)) for name in ("a", "b")]
    await club.reception.stop()
    for talk in talks:
        told = await talk.told(ComeBack)
        assert (told.after, told.spread, told.why) == (500, 1000, "stopping")
        ended = await talk.channel.receive()
        assert ended == Ended("the tracker is stopping")
    assert not club.tracker.sessions


@pytest.mark.trio
async def test_a_write_under_way_is_finished_and_answered(club: Swarm) -> None:
    machine, manifest = club.admit("a"), manifest_of(2)
    talk = await club.present(machine)
    entry = entry_of(manifest, machine)
    async with trio.open_nursery() as nursery:
        with held_up(club.database, nursery):
            publish = Publish(call=700, record=signed(entry, machine))
            await talk.channel.send(publish)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(club.reception.stop)
            await trio.testing.wait_all_tasks_blocked()
            assert club.tracker.sessions
        published = await talk.told(Published)
        assert published.call == 700
        with pytest.raises(AttributeError):  # the end
            await talk.until_the_end()
    assert club.database.read_now(lambda c: _entries(c)) == 1


@pytest.mark.trio
async def test_what_takes_for_ever_does_not_keep_it_from_ending(
    club: Swarm, mock_clock: trio.testing.MockClock
) -> None:
    machine, manifest = club.admit("a"), manifest_of(2)
    talk = await club.present(machine)
    async with trio.open_nursery() as nursery:
        with held_up(club.database, nursery):  # for ever
            await talk.channel.send(
                Publish(call=7, record=signed(entry_of(manifest, machine), machine))
            )
            await trio.testing.wait_all_tasks_blocked()
            async with trio.open_nursery() as stopping:
                stopping.start_soon(club.reception.stop)
                await trio.testing.wait_all_tasks_blocked()
                mock_clock.jump(STOP_TIME)
    assert (await talk.told(ComeBack)).why == "stopping"
    await trio.testing.wait_all_tasks_blocked()
    assert not club.tracker.sessions


@pytest.mark.trio
async def test_who_joins_just_then_still_joins(club: Swarm) -> None:
    machine = generate_identity()
    joiner = await club.joiner(machine)
    request = join_request(machine, joiner, new_token(club.database))
    async with trio.open_nursery() as nursery:
        with held_up(club.database, nursery):
            await joiner.channel.send(Join(call=7, **request))
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(club.reception.stop)
            await trio.testing.wait_all_tasks_blocked()
        joined = await joiner.told(Joined)
        assert joined.call == 7
        await joiner.told(RosterDocument)
    assert joiner.kept(ComeBack) == []


@pytest.mark.trio
async def test_who_comes_while_it_stops_is_told_too(club: Swarm) -> None:
    machine = club.admit("a")
    club.reception.stopping = True
    talk = await club.member(machine)
    assert (await talk.told(ComeBack)).why == "stopping"


def _entries(connection: Connection) -> int:
    number: int = connection.execute(select(func.count()).select_from(tables.entries)).scalar_one()
    return number
