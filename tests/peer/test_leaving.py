"""Leaving and draining: what is short elsewhere moves, that and no more, and only then it goes."""

from functools import partial

import pytest
import trio
from peer_net import PIECE, Clock, PeerNet, TestPeer, bytes_of, manifest_of, until
from roster_maker import RosterMaker

from peer.errors import NotJoinedError, PeerError, UnreachableError
from peer.swarm.promises import DROP_WITHIN
from protocol.manifest import Manifest
from protocol.messages.base import Done
from protocol.messages.keeping import Keep, Release
from protocol.messages.operating import Progress
from protocol.messages.standing import Leave, Left
from protocol.messages.tracking import ChangeState
from protocol.placement import spans_of

SIZE = 6 * PIECE + 11


def holds(peer: TestPeer, manifest: Manifest) -> bool:
    content = peer.parts.contents.get(manifest.id)
    return content is not None and content.complete


def ring_of(peer: TestPeer, manifest: Manifest) -> set[bytes]:
    (span,) = spans_of(manifest.id, manifest.geometry)
    return set(peer.parts.rosters.ring.holders(span.partition, 2))


def downloaded(peers: list[TestPeer]) -> int:
    return sum(peer.parts.traffic.downloaded for peer in peers)


async def fill(
    net: PeerNet,
    peers: list[TestPeer],
    count: int,
    *,
    among: tuple[TestPeer, ...] = (),
) -> list[Manifest]:
    """So many entries by the first, or more until the ring wants one on the two `among`.

    Returns when all are where the ring wants them and nowhere else.
    """
    held: list[Manifest] = []
    wanted = {peer.me for peer in among}
    while len(held) < count or (wanted and all(ring_of(peers[0], m) != wanted for m in held)):
        number = len(held)
        manifest, _ = await peers[0].hold(bytes_of(SIZE, number), f"{number}")
        await peers[0].publish(manifest, f"{number}")
        peers[0].parts.replication.wake(manifest.id)
        held.append(manifest)
    await settled(peers, held)
    return held


async def settled(peers: list[TestPeer], held: list[Manifest]) -> None:
    def in_place() -> bool:
        return all(
            holds(peer, each) == (peer.me in ring_of(peers[0], each))
            for each in held
            for peer in peers
        )

    await until(in_place, "everything where it should be", seconds=3000)


async def leave(peer: TestPeer, told: list[Progress] | None = None, **how: bool) -> Left:
    tell = told.append if told is not None else lambda _: None
    reply = await peer.parts.leaving.answer(Leave(call=3, **how), tell)
    assert isinstance(reply, Left)
    return reply


# Leaving


@pytest.mark.trio
async def test_what_is_short_elsewhere_moves_and_no_more(
    autojump_clock: Clock, net: PeerNet
) -> None:
    peers = await net.start("a", "b", "c", "d", replicating=True)
    tracker = RosterMaker(net)
    held = await fill(net, peers, 12)
    going, others = peers[1], [peers[0], *peers[2:]]
    here = [each for each in held if holds(going, each)]
    assert 0 < len(here) < len(held)
    before = downloaded(peers)
    told: list[Progress] = []
    left = await leave(going, told)
    assert (left.entries, left.fewer, left.lost) == (len(here), 0, 0)
    assert going.parts.leaving.left.is_set()
    # Each of its copies was made once elsewhere, and nothing else moved.
    assert downloaded(peers) - before == len(here) * SIZE
    assert all(sum(holds(peer, each) for peer in others) == 2 for each in held)
    assert all(holds(going, each) for each in here)
    assert {p.stage for p in told} == {"leaving"}
    assert told[0].total == len(here) * SIZE
    assert f"{len(here)} entries short elsewhere" in told[0].text
    done = [p.done for p in told]
    assert done == sorted(done)
    assert [each.state for each in tracker.asked if isinstance(each, ChangeState)] == [
        "leaving",
        "left",
    ]
    await trio.sleep(900)
    assert downloaded(peers) - before == len(here) * SIZE
    # Nobody talks to it any more, and it is no member of its own swarm.
    assert all(peer.parts.links.find(going.me) is None for peer in others)
    with pytest.raises(NotJoinedError, match="has left the swarm 'Studio'"):
        going.parts.directory.load_joined()


@pytest.mark.trio
async def test_it_serves_until_it_goes_and_takes_nothing(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, two = await net.start("one", "two", replicating=True)
    RosterMaker(net)
    manifest, _ = await one.hold(bytes_of(SIZE))
    await one.publish(manifest)
    await two.parts.standing.leaving(on=True)
    one.parts.replication.wake()
    await trio.sleep(300)
    assert two.parts.contents.get(manifest.id) is None
    own, _ = await two.hold(bytes_of(SIZE, 7), "own")
    await two.publish(own, "own")
    two.parts.replication.wake()
    await until(lambda: holds(one, own), "it serves what it has")


@pytest.mark.trio
async def test_what_exists_only_here_keeps_it_from_going(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, two = await net.start("one", "two", replicating=True, capacity={"two": SIZE - 1})
    tracker = RosterMaker(net)
    manifest, _ = await one.hold(bytes_of(SIZE))
    await one.publish(manifest)
    with pytest.raises(PeerError, match=r"1 entry exists only here.*--force"):
        await leave(one)
    assert one.parts.standing.state == "leaving"
    assert one.parts.directory.is_joined()
    # Room is made elsewhere.
    assert await two.parts.standing.set_capacity(10 * SIZE)
    left = await leave(one)
    assert (left.entries, left.fewer, left.lost) == (1, 1, 0)
    assert holds(two, manifest)
    assert not tracker.away


@pytest.mark.trio
async def test_by_force_it_goes_at_once_and_says_what_is_lost(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, two, three = await net.start("one", "two", "three", replicating=True)
    RosterMaker(net)
    await fill(net, [one, two, three], 1)
    for peer in (two, three):
        await peer.parts.standing.set_capacity(0)
    lonely, _ = await one.hold(bytes_of(SIZE, 50), "lonely")
    await one.publish(lonely, "lonely")
    left = await leave(one, force=True)
    assert left.lost >= 1
    assert left.entries >= left.lost


@pytest.mark.trio
@pytest.mark.parametrize("released", [True, False])
async def test_by_force_too_it_keeps_what_it_promised_for_as_long_as_that_matters(
    autojump_clock: Clock, net: PeerNet, released: bool
) -> None:
    one, two = await net.start("one", "two", replicating=True)
    RosterMaker(net)
    (manifest,) = await fill(net, [one, two], 1)
    link = await two.link_to(one)
    for span in range(2):
        link.put(Keep(call=span, manifest=manifest.id, span=0))
    await until(lambda: one.parts.promises.relied_on(trio.current_time()) == 1, "promised")
    began, told = trio.current_time(), list[Progress]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(leave, one, told, force=True))
        await until(lambda: len(told) > 20, "it waits")
        assert told[-1].text.startswith("1 promised to machines")
        assert not one.parts.leaving.left.is_set()
        # It promises no more, and so does not wait for ever.
        assert not one.parts.promises.promise(two.me, (manifest.id, 0), trio.current_time())
        if released:
            link.put(Release(manifest=manifest.id, span=0, dropped=False))
    assert one.parts.leaving.left.is_set()
    assert (trio.current_time() - began > DROP_WITHIN - 5) == (not released)


@pytest.mark.trio
async def test_it_stays_after_all(autojump_clock: Clock, net: PeerNet) -> None:
    peers = await net.start("a", "b", "c", replicating=True)
    RosterMaker(net)
    held = await fill(net, peers, 6)
    going = peers[1]
    here = [each for each in held if holds(going, each)]
    with trio.move_on_after(0.5):
        await leave(going)
    assert going.parts.standing.state == "leaving"
    # It goes on although nobody waits, and drops nothing while it may stay.
    await settled([peers[0], peers[2]], held)
    await trio.sleep(600)
    assert all(holds(going, each) for each in here)
    before = going.parts.traffic.downloaded
    reply = await going.parts.leaving.answer(Leave(call=1, cancel=True), lambda _: None)
    assert reply == Done(call=1)
    assert going.parts.standing.state == "active"
    await settled(peers, held)
    assert going.parts.traffic.downloaded == before


@pytest.mark.trio
async def test_without_a_tracker_it_says_so_and_at_the_end_waits(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, _two = await net.start("one", "two", replicating=True)
    tracker = RosterMaker(net)
    await fill(net, [one, _two], 2)
    tracker.away = True
    with pytest.raises(UnreachableError, match="tracker cannot be reached, and only it can tell"):
        await leave(one)
    tracker.away = False
    await one.parts.standing.leaving(on=True)
    told: list[Progress] = []
    tracker.away = True
    async with trio.open_nursery() as nursery:
        nursery.start_soon(leave, one, told)
        await until(lambda: any("try again when it is back" in p.text for p in told), "it waits")
        assert not one.parts.leaving.left.is_set()
        tracker.away = False
    assert one.parts.leaving.left.is_set()


@pytest.mark.trio
async def test_two_that_leave_at_once_do_not_count_on_each_other(
    autojump_clock: Clock, net: PeerNet
) -> None:
    peers = await net.start("a", "b", "c", "d", replicating=True)
    RosterMaker(net)
    held = await fill(net, peers, 10)
    async with trio.open_nursery() as nursery:
        for peer in peers[:2]:
            nursery.start_soon(leave, peer)
    assert all(holds(peer, each) for peer in peers[2:] for each in held)


@pytest.mark.trio
async def test_it_waits_for_a_machine_that_is_away(autojump_clock: Clock, net: PeerNet) -> None:
    peers = await net.start("a", "b", "c", replicating=True)
    RosterMaker(net)
    held = await fill(net, peers, 3, among=(peers[0], peers[1]))
    await peers[2].kill()
    told: list[Progress] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(leave, peers[0], told)
        await trio.sleep(100)
        assert not peers[0].parts.leaving.left.is_set()
        await net.restart("c", replicating=True)
    assert any("waiting for c to be there" in progress.text for progress in told)
    for each in held:
        assert holds(peers[1], each)
        assert holds(net.peers["c"], each)


@pytest.mark.trio
async def test_pieces_of_something_unfinished_are_looked_for_elsewhere(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, two = await net.start("one", "two", replicating=True)
    RosterMaker(net)
    path = two.parts.directory.spool / "film"
    path.write_bytes(bytes_of(SIZE))
    manifest = manifest_of(path)
    await one.publish(manifest)
    content = await one.parts.contents.add(manifest, None, full=False, passing=True)
    await one.parts.contents.record(content, [0, 2])
    with pytest.raises(PeerError, match="1 entry exists only here"):
        await leave(one)


# Draining


@pytest.mark.trio
async def test_a_draining_machine_keeps_what_it_has_and_takes_nothing_new(
    autojump_clock: Clock, net: PeerNet
) -> None:
    peers = await net.start("a", "b", "c", replicating=True)
    RosterMaker(net)
    held = await fill(net, peers, 6)
    draining = peers[1]
    await draining.parts.standing.drain(on=True)
    before = downloaded(peers)
    await trio.sleep(900)
    assert downloaded(peers) == before
    taken = draining.parts.traffic.downloaded
    new = []
    for number in range(20, 26):
        manifest, _ = await peers[0].hold(bytes_of(SIZE, number), f"{number}")
        await peers[0].publish(manifest, f"{number}")
        peers[0].parts.replication.wake(manifest.id)
        new.append(manifest)
    await until(lambda: all(holds(peers[2], each) for each in new), "the next takes it")
    await trio.sleep(900)
    assert draining.parts.traffic.downloaded == taken
    assert downloaded(peers) - before == len(new) * SIZE
    for each in held:
        assert all(holds(p, each) == (p.me in ring_of(p, each)) for p in peers)
    await draining.parts.standing.drain(on=False)
    await settled(peers, [*held, *new])
    missed = [each for each in new if draining.me in ring_of(draining, each)]
    assert draining.parts.traffic.downloaded - taken == len(missed) * SIZE > 0


@pytest.mark.trio
async def test_a_machine_that_leaves_cannot_drain(autojump_clock: Clock, net: PeerNet) -> None:
    (one,) = await net.start("one", replicating=True)
    RosterMaker(net)
    await one.parts.standing.leaving(on=True)
    with pytest.raises(PeerError, match="leave --cancel"):
        await one.parts.standing.drain(on=True)


# Capacity and zones


@pytest.mark.trio
async def test_another_capacity_makes_another_ring_and_only_its_share_moves(
    autojump_clock: Clock, net: PeerNet
) -> None:
    peers = await net.start("a", "b", "c", replicating=True)
    RosterMaker(net)
    held = await fill(net, peers, 12)
    before, rings = downloaded(peers), [ring_of(peers[0], each) for each in held]
    assert await peers[2].parts.standing.set_capacity(0)
    assert peers[2].parts.directory.load_joined().capacity == 0
    await settled(peers, held)
    changed = [ring for ring in rings if peers[2].me in ring]
    assert downloaded(peers) - before == len(changed) * SIZE
    assert peers[2].parts.contents.stored_bytes() == 0


@pytest.mark.trio
async def test_another_zone_moves_only_what_must_be_apart(
    autojump_clock: Clock, net: PeerNet
) -> None:
    peers = await net.start("a", "b", "c", "d", replicating=True)
    held = await fill(net, peers, 8, among=(peers[0], peers[1]))
    before, rings = downloaded(peers), [ring_of(peers[0], each) for each in held]
    for peer in peers[:2]:
        net.swarm.change(peer.me, zone="attic")
    await net.spread_roster()
    attic = {peer.me for peer in peers[:2]}
    assert all(ring_of(peers[0], each) != attic for each in held)
    moved = sum(len(ring_of(peers[0], each) - ring) for each, ring in zip(held, rings, strict=True))
    assert moved == sum(ring == attic for ring in rings) > 0
    await settled(peers, held)
    assert downloaded(peers) - before == moved * SIZE
