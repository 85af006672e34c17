"""Further connections of a link, for pieces alone: who opens them, what comes, how they end."""

from collections.abc import Awaitable, Callable
from contextlib import nullcontext

import pytest
import trio
from fetching import Liar, begin, get, nothing_leaks
from peer_net import (
    PIECE,
    Clock,
    PeerNet,
    TestPeer,
    Way,
    Wire,
    bytes_of,
    manifest_of,
    pair_of_wires,
    until,
)

from peer.swarm.download import Download
from peer.swarm.lanes import IDLE, await_taken
from peer.swarm.peer_link import PeerLink
from peer.swarm.widening import STEPS
from protocol.drivers.on_trio import ConnectionLostError, TrioChannel
from protocol.drivers.tcp_info import TcpReading
from protocol.errors import RefusedError, RemoteProtocolError
from protocol.hello import Lane, MemberHello
from protocol.liveness import SILENT_AFTER
from protocol.manifest import Manifest
from protocol.messages.base import Close, Message, Ping
from protocol.messages.peering import Follow, Have, Holds, Piece, Widen

EACH = 350e3
"""Bytes a second that one connection gets of a lossy way."""
LONG = bytes_of(64 * PIECE, 7)
"""Of whole pieces, so that it does not matter which is asked for first."""


def told_by(wire: trio.abc.Stream) -> TcpReading | None:
    """What the kernel would tell of a wire that has a way: every hundredth segment was lost."""
    if not isinstance(wire, Wire) or wire.way is None:
        return None
    segments = wire.sent // 1448
    return TcpReading(
        control="cubic",
        rtt=0.052,
        least_rtt=0.05,
        acked=wire.sent,
        segments=segments,
        sent_again=segments // 100,
        busy=trio.current_time(),
        held_back=0.0,
    )


@pytest.fixture
async def lossy(net: PeerNet, monkeypatch: pytest.MonkeyPatch) -> PeerNet:
    """What `one` says goes slowly, over each connection by itself."""
    monkeypatch.setattr("peer.swarm.way.read_tcp", told_by)

    def slow(speaker: str, _: str, wire: Wire) -> None:
        if speaker == "one":
            wire.way = Way(EACH, packet=16 << 10)

    net.on_wire = slow
    return net


def link_between(here: TestPeer, there: TestPeer) -> PeerLink:
    link = here.parts.links.find(there.me)
    assert link is not None
    return link


# --- what they bring -------------------------------------------------------------------------


@pytest.mark.trio
@pytest.mark.parametrize("dialler", ["the sender dials", "the taker dials"])
async def test_pieces_come_over_several_lanes_each_once(
    autojump_clock: Clock, lossy: PeerNet, dialler: str
) -> None:
    one, me = await lossy.start("one", "me")
    manifest, _ = await one.hold(LONG)
    await (one.link_to(me) if dialler == "the sender dials" else me.link_to(one))
    await until(lambda: one.parts.links.find(me.me) is not None, "linked")
    link, began = link_between(one, me), trio.current_time()
    download = await begin(me, manifest)
    await until(lambda: link.lanes.sending == STEPS[1], "lanes")
    assert link_between(me, one).connections == STEPS[1] + 1
    await download.closed.wait()
    assert download.error is None
    assert me.bytes_held(manifest) == LONG
    assert me.parts.traffic.downloaded == one.parts.traffic.uploaded == len(LONG)
    assert me.parts.traffic.fetched_twice == 0
    assert trio.current_time() - began < len(LONG) / EACH / 2
    wires = [w for w in lossy.wires["one"] if w.sent > PIECE]
    assert len(wires) >= STEPS[1] + 1
    assert link_between(one, me) is link
    assert not link.closed
    nothing_leaks(one, me)


@pytest.mark.trio
async def test_idle_lanes_are_closed_and_the_link_goes_on(
    autojump_clock: Clock, lossy: PeerNet
) -> None:
    one, me = await lossy.start("one", "me")
    manifest, _ = await one.hold(LONG)
    link = await me.link_to(one)
    assert (await get(me, manifest)).error is None
    assert link.lanes.taking
    ended = trio.current_time()
    await until(lambda: not one.parts.links.lanes and not me.parts.links.lanes, "all are closed")
    assert trio.current_time() - ended < IDLE + 5
    assert not link.closed
    again, _ = await one.hold(bytes_of(20 * PIECE, 8), "second")
    assert (await get(me, again)).error is None
    assert link_between(me, one) is link


@pytest.mark.trio
async def test_on_a_way_that_is_not_lossy_there_is_one_connection(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, me = await net.start("one", "me")
    net.ways["one"] = Way(EACH)
    manifest, _ = await one.hold(LONG)
    assert (await get(me, manifest)).error is None
    assert net.dials == 1


@pytest.mark.trio
async def test_takers_with_and_without_lanes_are_served(
    autojump_clock: Clock, lossy: PeerNet
) -> None:
    """Lanes have buffers of their own, so who has many keeps none from others."""
    one, many, single = await lossy.start("one", "many", "single")
    manifest, _ = await one.hold(LONG)
    link = await many.link_to(one)
    slow = await begin(many, manifest)
    await until(lambda: one.parts.links.lanes > 0, "lanes")
    assert (await get(single, manifest)).error is None
    await slow.closed.wait()
    assert slow.error is None
    assert not link.closed
    await until(lambda: not one.parts.links.lanes, "what was cancelled late has been sent too")
    nothing_leaks(one, many, single)


# --- their end -------------------------------------------------------------------------------


@pytest.mark.trio
@pytest.mark.parametrize("whose", ["one", "me"])
async def test_a_lane_cut_inside_a_piece_ends_the_link_and_the_download_goes_on(
    autojump_clock: Clock, lossy: PeerNet, whose: str
) -> None:
    one, me = await lossy.start("one", "me")
    manifest, _ = await one.hold(LONG)
    first = await me.link_to(one)
    download = await begin(me, manifest)
    await until(lambda: first.lanes.taking == STEPS[1], "lanes")
    await until(lambda: lossy.wires["one"][-1].sent > PIECE // 2, "half a piece")
    await lossy.wires[whose][-1].aclose()
    await until(lambda: first.closed, "the link has ended")
    assert not first.lanes.open
    await download.closed.wait()
    assert download.error is None
    assert me.bytes_held(manifest) == LONG
    assert link_between(me, one) is not first
    nothing_leaks(one, me)


@pytest.mark.trio
async def test_with_the_link_all_its_lanes_end(autojump_clock: Clock, lossy: PeerNet) -> None:
    one, me = await lossy.start("one", "me")
    manifest, _ = await one.hold(LONG)
    link = await me.link_to(one)
    download = await begin(me, manifest)
    await until(lambda: link.lanes.taking == STEPS[1], "lanes")
    other_end = link_between(one, me)
    link.cut("as a test")
    await until(lambda: link.ended.is_set() and other_end.ended.is_set(), "both ends know")
    assert not link.lanes.open
    assert not other_end.lanes.open
    await download.closed.wait()
    assert me.bytes_held(manifest) == LONG


@pytest.mark.trio
async def test_a_lane_that_stands_still_ends_the_link(
    autojump_clock: Clock, lossy: PeerNet
) -> None:
    one, me = await lossy.start("one", "me")
    manifest, _ = await one.hold(bytes_of(400 * PIECE, 9))
    link = await me.link_to(one)
    download = await begin(me, manifest)
    await until(lambda: link.lanes.taking == STEPS[1], "lanes")
    await until(lambda: lossy.wires["one"][-1].sent > PIECE // 2, "half a piece")
    lossy.wires["one"][-1].silent = True
    stood_still = trio.current_time()
    await until(lambda: link.closed, "the link has ended")
    assert "stands still" in link.reason
    assert trio.current_time() - stood_still > SILENT_AFTER - 1
    await download.closed.wait()
    assert download.error is None


# --- who may have one ------------------------------------------------------------------------


async def dial_lane(net: PeerNet, me: TestPeer, other: TestPeer, use: Lane) -> TrioChannel:
    """Open a lane by hand; RefusedError when it is not taken."""
    credentials = me.parts.admission.dialling(other.me, use)
    channel = await net._open_channel(other.name, 1, credentials)
    await await_taken(channel)
    return channel


@pytest.mark.trio
@pytest.mark.parametrize("use", ["sends", "takes"])
async def test_no_lane_without_a_link_of_ones_own(
    autojump_clock: Clock, net: PeerNet, use: Lane
) -> None:
    one, me = await net.start("one", "me")
    with pytest.raises(RefusedError, match="no link"):
        await dial_lane(net, me, one, use)
    await one.link_to(me)
    with pytest.raises(RefusedError, match="no link"):
        await dial_lane(net, me, one, use)
    assert not link_between(one, me).closed


@pytest.mark.trio
async def test_who_takes_opens_no_lane_unasked(autojump_clock: Clock, net: PeerNet) -> None:
    """Limits and turns are by peer, and only the sender says how many connections it sends on."""
    one, me = await net.start("one", "me")
    manifest, _ = await one.hold(LONG)
    net.ways["one"] = Way(EACH)
    link = await me.link_to(one)
    download = await begin(me, manifest)
    await until(lambda: download.received > 0, "pieces come")
    with pytest.raises(RefusedError, match="not asked for"):
        await dial_lane(net, me, one, "takes")
    assert not link.closed
    assert not one.parts.links.lanes


@pytest.mark.trio
async def test_who_has_nothing_to_send_opens_no_lane(autojump_clock: Clock, net: PeerNet) -> None:
    one, me = await net.start("one", "me")
    await me.link_to(one)
    with pytest.raises(RefusedError, match="nothing is fetched"):
        await dial_lane(net, me, one, "sends")


@pytest.fixture
async def scene(net: PeerNet) -> tuple[TestPeer, TestPeer, Manifest, Liar, Download]:
    """A download whose only source speaks by hand, and has asked for nothing wrong yet."""
    liar_peer, me = await net.start("liar", "me")
    path = me.parts.directory.spool / "film"
    path.write_bytes(LONG)
    manifest = manifest_of(path)
    liar = await Liar(net, liar_peer, me).connect()
    await until(lambda: me.parts.links.find(liar_peer.me) is not None, "linked")
    running = await begin(me, manifest)
    await until(lambda: any(isinstance(m, Follow) for m in liar.heard), "asked what it holds")
    await liar.channel.send(Holds(manifest=manifest.id, bits=None))
    await until(lambda: len(liar.asked()) > 1, "asked for pieces")
    return liar_peer, me, manifest, liar, running


Scene = tuple[TestPeer, TestPeer, Manifest, Liar, Download]


@pytest.mark.trio
async def test_there_are_so_many_lanes_and_no_more(
    autojump_clock: Clock, net: PeerNet, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("peer.swarm.lanes.MOST_LANES", 3)
    liar, me, *_ = scene
    lanes = [await dial_lane(net, liar, me, "sends") for _ in range(3)]
    with pytest.raises(RefusedError, match="more than 3"):
        await dial_lane(net, liar, me, "sends")
    await lanes[0].aclose("not needed")
    await until(lambda: me.parts.links.lanes == 2, "one is closed in good order")
    await dial_lane(net, liar, me, "sends")
    assert not link_between(me, liar).closed


@pytest.mark.trio
async def test_a_piece_on_a_lane_is_taken_and_a_bad_link_ends(
    autojump_clock: Clock, net: PeerNet, scene: Scene
) -> None:
    liar_peer, me, manifest, liar, running = scene
    lane = await dial_lane(net, liar_peer, me, "sends")
    piece = liar.asked()[0]
    content = LONG[piece * PIECE : (piece + 1) * PIECE]
    header = Piece(length=PIECE, manifest=manifest.id, piece=piece)
    await lane.send_bytes(header, content)
    await until(lambda: running.received == PIECE, "it has come")
    link = link_between(me, liar_peer)
    # Once more: nobody asked for that.
    await lane.send_bytes(header, content)
    await until(lambda: link.closed, "the link has ended")
    assert "never asked for" in link.reason


@pytest.mark.trio
async def test_a_piece_that_comes_on_two_lanes_at_once_was_asked_for_once(
    autojump_clock: Clock, net: PeerNet, scene: Scene
) -> None:
    liar_peer, me, manifest, liar, _ = scene
    link, piece = link_between(me, liar_peer), liar.asked()[0]
    header = Piece(length=PIECE, manifest=manifest.id, piece=piece)
    for _ in range(2):
        lane = await dial_lane(net, liar_peer, me, "sends")
        await lane.stream.send_all(lane.connection.send(header))
    await until(lambda: link.closed, "the link has ended")
    assert "never asked for" in link.reason


async def have_on_a_lane(net: PeerNet, scene: Scene) -> None:
    liar_peer, me, manifest, _, _ = scene
    lane = await dial_lane(net, liar_peer, me, "sends")
    await lane.send(Have(manifest=manifest.id, pieces=(1,)))


async def cut_between_pieces(net: PeerNet, scene: Scene) -> None:
    liar_peer, me, *_ = scene
    lane = await dial_lane(net, liar_peer, me, "sends")
    await lane.stream.aclose()


async def widen_what_it_dialled(_: PeerNet, scene: Scene) -> None:
    await scene[3].channel.send(Widen(lanes=3))


@pytest.mark.trio
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (have_on_a_lane, "nothing else"),
        (cut_between_pieces, "cut"),
        (widen_what_it_dialled, "only who dialled"),
    ],
)
async def test_what_is_wrong_with_a_lane_ends_the_link(
    autojump_clock: Clock,
    net: PeerNet,
    scene: Scene,
    wrong: Callable[[PeerNet, Scene], Awaitable[None]],
    said: str,
) -> None:
    liar_peer, me, *_ = scene
    link = link_between(me, liar_peer)
    await wrong(net, scene)
    await until(lambda: link.closed, "the link has ended")
    assert said in link.reason
    assert not link.lanes.open


@pytest.mark.trio
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Ping(), None),
        (Widen(lanes=1), RemoteProtocolError),
        (Close(reason="later"), ConnectionLostError),
        (Close(reason="no", refused=True), RefusedError),
    ],
)
async def test_a_lane_is_one_when_the_other_side_says_ping(
    net: PeerNet, answer: Message, error: type[Exception] | None
) -> None:
    one, me = await net.start("one", "me")
    wires = pair_of_wires()
    dialling = me.parts.admission.dialling(one.me, "sends")
    ours = TrioChannel(wires[0], dialling, initiator=True)
    theirs = TrioChannel(wires[1], one.parts.admission.answering(), initiator=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ours.handshake)
        hello = (await theirs.handshake()).hello
    assert isinstance(hello, MemberHello)
    assert hello.lane == "sends"
    await theirs.send(answer)
    with pytest.raises(error) if error else nullcontext():
        await await_taken(ours)
