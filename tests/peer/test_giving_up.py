"""`twofold drop`: this machine's copy goes once others hold it, and stays away until wanted."""

from pathlib import Path

import pytest
import trio
from peer_net import PIECE, Clock, PeerNet, TestPeer, Way, bytes_of, until
from roster_maker import RosterMaker

from peer.errors import PeerError
from peer.operator.letting_go import READ_FOR
from protocol.entry import Entry
from protocol.manifest import Manifest
from protocol.messages.base import Done
from protocol.messages.operating import Add, Fetch, Progress
from protocol.messages.standing import Drop, Dropped, Leave, Left
from protocol.placement import spans_of

SIZE = 3 * PIECE + 5


def holds(peer: TestPeer, manifest: Manifest) -> bool:
    content = peer.parts.contents.get(manifest.id)
    return content is not None and content.complete


def ring_of(peer: TestPeer, manifest: Manifest) -> set[bytes]:
    (span,) = spans_of(manifest.id, manifest.geometry)
    return set(peer.parts.rosters.ring.holders(span.partition, 2))


def downloaded(peers: list[TestPeer]) -> int:
    return sum(peer.parts.traffic.downloaded for peer in peers)


async def drop(peer: TestPeer, entry: Entry, told: list[Progress] | None = None) -> Dropped:
    tell = told.append if told is not None else lambda _: None
    reply = await peer.parts.giving_up.answer(Drop(call=3, entry=entry.id.hex()), tell)
    assert isinstance(reply, Dropped)
    return reply


async def cancel(peer: TestPeer, entry: Entry) -> None:
    request = Drop(call=3, entry=entry.id.hex(), cancel=True)
    assert await peer.parts.giving_up.answer(request, lambda _: None) == Done(call=3)


async def in_place(net: PeerNet, *names: str) -> tuple[Manifest, Entry, list[TestPeer]]:
    """An entry that lies where the ring wants it, and the peers: those that hold it first."""
    peers = await net.start(*names, replicating=True)
    manifest, _ = await peers[0].hold(bytes_of(SIZE))
    entry = await peers[0].publish(manifest)
    peers[0].parts.replication.wake(manifest.id)
    ring = ring_of(peers[0], manifest)
    await until(lambda: all(holds(p, manifest) == (p.me in ring) for p in peers), "in its place")
    return manifest, entry, sorted(peers, key=lambda peer: peer.me not in ring)


@pytest.mark.trio
async def test_it_goes_when_the_next_has_it_and_stays_away(
    autojump_clock: Clock, net: PeerNet
) -> None:
    manifest, entry, (going, other, third) = await in_place(net, "a", "b", "c")
    had = downloaded([other, third])
    told: list[Progress] = []
    dropped = await drop(going, entry, told)
    assert (dropped.size, dropped.path, dropped.name) == (SIZE, None, "film")
    assert going.parts.contents.get(manifest.id) is None
    assert not going.parts.contents.content_file(manifest.id).exists()
    assert holds(other, manifest)
    assert holds(third, manifest)
    moved = downloaded([other, third])
    assert moved - had == SIZE
    assert {each.stage for each in told} == {"dropping"}
    assert told[0].text.startswith(f"1 of 2 elsewhere, waiting for {third.name}")
    assert (told[-1].done, told[-1].total) == (2, 2)
    # Not by itself, nor after a restart.
    await trio.sleep(900)
    name = going.name
    await going.kill()
    going = await net.restart(name, replicating=True)
    await trio.sleep(900)
    assert going.parts.contents.get(manifest.id) is None
    assert downloaded([going]) == 0
    assert downloaded([other, third]) == moved
    # Again is no fault; and once it may, it comes back to where it belongs.
    assert (await drop(going, entry)).size == 0
    await cancel(going, entry)
    await until(lambda: holds(going, manifest), "it is back")
    await until(lambda: not holds(third, manifest), "and only there")
    with pytest.raises(PeerError, match="was not dropped here"):
        await cancel(going, entry)


@pytest.mark.trio
async def test_with_nobody_to_take_it_it_waits_over_a_restart_and_can_be_kept(
    autojump_clock: Clock, net: PeerNet
) -> None:
    manifest, entry, (one, two) = await in_place(net, "a", "b")
    told: list[Progress] = []
    with trio.move_on_after(600):
        await drop(one, entry, told)
    assert told[-1].text == "1 of 2 elsewhere, waiting for another machine that has room"
    (notice,) = one.parts.status.make(1).notices
    assert "entries dropped here that others do not hold yet: 1" in notice.text
    name = one.name
    await one.kill()
    one = await net.restart(name, replicating=True)
    assert one.parts.handing_on.is_unwanted(manifest.id)
    await trio.sleep(600)
    assert holds(one, manifest)
    assert holds(two, manifest)
    # One that waits hears that it is kept.
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def wait() -> None:
            with pytest.raises(PeerError, match="film stays: somebody wants it here again"):
                await drop(one, entry)

        await trio.sleep(5)
        await cancel(one, entry)
    (third,) = await net.start("c", replicating=True)
    await trio.sleep(600)
    ring = ring_of(third, manifest)
    assert all(holds(p, manifest) == (p.me in ring) for p in (one, two, third))
    # Asked again, and interrupted, it goes by itself.
    holder = one if one.me in ring else two
    with trio.move_on_after(0.001):
        await drop(holder, entry)
    await until(lambda: not holds(holder, manifest), "it has gone")
    assert sum(holds(p, manifest) for p in (one, two, third)) == 2


@pytest.mark.trio
async def test_a_machine_that_should_take_it_and_is_away_is_named(
    autojump_clock: Clock, net: PeerNet
) -> None:
    manifest, entry, (going, other, third) = await in_place(net, "a", "b", "c")
    name = third.name
    await third.kill()
    told: list[Progress] = []
    with trio.move_on_after(60):
        await drop(going, entry, told)
    assert told[-1].text == f"1 of 2 elsewhere, waiting for {name} to be there"
    assert holds(going, manifest)
    third = await net.restart(name, replicating=True)
    await until(lambda: not holds(going, manifest), "it has gone")
    assert holds(other, manifest)
    assert holds(third, manifest)


@pytest.mark.trio
async def test_a_users_folder_stays_and_its_record_goes(
    autojump_clock: Clock, net: PeerNet, tmp_path: Path
) -> None:
    peers = await net.start("a", "b", "c", replicating=True)
    author, *others = peers
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}").write_bytes(bytes_of(PIECE + number, number))
    looks = {path: (path.stat(), path.read_bytes()) for path in folder.iterdir()}
    added = await author.parts.adding.add(
        Add(call=1, path=str(folder), name=None, caption="", tags=()), lambda _: None
    )
    entry = await author.parts.lookup.entry(added.entry.id)
    dropped = await drop(author, entry)
    assert dropped.path == str(folder)
    assert author.parts.contents.get(entry.manifest) is None
    held = [p.parts.contents.get(entry.manifest) for p in others]
    assert all(content is not None and content.complete for content in held)
    await trio.sleep(600)
    for path, (before, content) in looks.items():
        assert path.read_bytes() == content
        assert path.stat().st_mtime_ns == before.st_mtime_ns
    # Added again, it is shared from there again.
    await author.parts.adding.add(
        Add(call=1, path=str(folder), name=None, caption="", tags=()), lambda _: None
    )
    content = author.parts.contents.get(entry.manifest)
    assert content is not None
    assert content.path == folder
    await trio.sleep(900)
    assert author.parts.contents.get(entry.manifest) is content
    assert content.complete
    assert not author.parts.handing_on.is_unwanted(entry.manifest)


@pytest.mark.trio
async def test_who_gets_it_again_has_it_again(autojump_clock: Clock, net: PeerNet) -> None:
    manifest, entry, (going, other, third) = await in_place(net, "a", "b", "c")
    await drop(going, entry)
    path = net.tmp_path / "fetched"
    fetch = Fetch(call=1, entry=entry.id.hex(), path=str(path))
    await going.parts.requests.fetching.fetch(fetch, lambda _: None)
    assert path.read_bytes() == bytes_of(SIZE)
    await until(lambda: not holds(third, manifest), "it counts here again", 900)
    assert holds(going, manifest)
    assert holds(other, manifest)


@pytest.mark.trio
async def test_it_stays_while_somebody_reads_it_here(autojump_clock: Clock, net: PeerNet) -> None:
    manifest, entry, (going, *_others) = await in_place(net, "a", "b", "c")
    began = trio.current_time()
    going.parts.letting_go.note_read(manifest.id)
    told: list[Progress] = []
    await drop(going, entry, told)
    assert "2 of 2 elsewhere, waiting until nobody reads it here any more" in {
        each.text for each in told
    }
    assert trio.current_time() - began >= READ_FOR


@pytest.mark.trio
async def test_of_two_that_drop_it_both_go_when_there_are_two_more(
    autojump_clock: Clock, net: PeerNet
) -> None:
    manifest, entry, (one, two, three, four) = await in_place(net, "a", "b", "c", "d")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drop, one, entry)
        nursery.start_soon(drop, two, entry)
    assert [holds(p, manifest) for p in (one, two, three, four)] == [False, False, True, True]


@pytest.mark.trio
async def test_a_machine_may_leave_while_another_waits_to_drop_the_same(
    autojump_clock: Clock, net: PeerNet
) -> None:
    manifest, entry, (one, two, three) = await in_place(net, "a", "b", "c")
    RosterMaker(net)
    await three.kill()
    net.swarm.change(three.me, state="left")
    await net.spread_roster()
    with trio.move_on_after(60):
        await drop(one, entry)
    left = await two.parts.leaving.answer(Leave(call=1), lambda _: None)
    assert isinstance(left, Left)
    assert holds(one, manifest)


@pytest.mark.trio
async def test_what_is_only_being_fetched_stops(autojump_clock: Clock, net: PeerNet) -> None:
    one, two = await net.start("one", "two", replicating=True)
    manifest, _ = await one.hold(bytes_of(SIZE))
    entry = await one.publish(manifest)
    await two.parts.catalogue.learn(one.sign(entry))
    net.ways["one"] = Way(20_000)
    for link in one.parts.links.all():
        link.cut("for the test")
    one.parts.replication.wake(manifest.id)
    await until(lambda: two.parts.downloads.find(manifest.id) is not None, "it is coming")
    assert (await drop(two, entry)).size < SIZE
    await trio.sleep(600)
    assert two.parts.contents.get(manifest.id) is None
    assert holds(one, manifest)
