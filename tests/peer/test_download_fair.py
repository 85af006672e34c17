"""Limits kept while pieces move, shares of one sender, and memory that stays bounded."""

import mmap

import pytest
import trio
from fetching import CONTENT, Liar, begin, get, nothing_leaks
from peer_net import PIECE, Clock, PeerNet, TestPeer, Way, bytes_of, until

from peer.limits.rates import Rates
from peer.store.buffers import LEAST_BUFFERS, BufferPool
from peer.store.contents import Content
from peer.swarm.lanes import UNREAD_AFTER
from peer.swarm.piece_sending import PIECES_BYTES
from peer.swarm.services import PeerServices
from protocol.ids import PeerId
from protocol.manifest import Manifest
from protocol.messages.base import Ping
from protocol.messages.peering import GetPiece, Piece

MB = 1_000_000
NOBODY: frozenset[PeerId] = frozenset()
LONG = bytes_of(32 * MB, 7)


def services_of(peer: TestPeer) -> PeerServices:
    """What its links work with."""
    services = peer.parts.links.services
    assert services is not None
    return services


async def hold_with(
    peer: TestPeer, patch: pytest.MonkeyPatch, content: bytes, length: int, name: str
) -> Manifest:
    """Hold something in pieces of another length than its size asks for."""
    with patch.context() as patched:
        patched.setattr("peer.store.splitter.choose_piece_length", lambda _: length)
        manifest, _ = await peer.hold(content, name)
    assert manifest.geometry.piece_length == length
    return manifest


async def bytes_between(net: PeerNet, ends: list[tuple[str, str]], seconds: float) -> list[int]:
    """What moves over these wires from now on, by speaker and listener."""
    before = [net.end(*end).sent for end in ends]
    received = [net.end(listener, speaker).received for speaker, listener in ends]
    await trio.sleep(seconds)
    sent = [net.end(*end).sent - was for end, was in zip(ends, before, strict=True)]
    came = [
        net.end(listener, speaker).received - was
        for (speaker, listener), was in zip(ends, received, strict=True)
    ]
    # Both ends see the same, but for what is on its way.
    return [min(pair) for pair in zip(sent, came, strict=True)]


# --- limits ----------------------------------------------------------------------------------


@pytest.mark.trio
@pytest.mark.parametrize("rate", [300_000, 2 * MB])
@pytest.mark.parametrize("where", ["up", "down"])
async def test_a_limit_is_kept_while_pieces_move(
    autojump_clock: Clock, net: PeerNet, where: str, rate: int
) -> None:
    one, me = await net.start("one", "me")
    manifest, _ = await one.hold(LONG)
    limited = one if where == "up" else me
    limited.parts.pacing.set_limits(Rates(**{where: rate}), {}, NOBODY)
    download = await begin(me, manifest)
    await until(lambda: me.parts.traffic.downloaded > 0, "it has begun")
    received = net.end("me", "one")
    await trio.sleep(2)
    before = received.received
    await trio.sleep(10)
    assert received.received - before == pytest.approx(10 * rate, rel=0.05)
    assert download.error is None
    limited.parts.pacing.set_limits(Rates(), {}, NOBODY)
    await download.closed.wait()
    assert download.error is None
    assert me.bytes_held(manifest) == LONG
    assert one.parts.traffic.uploaded == len(LONG)
    nothing_leaks(one, me)


@pytest.mark.trio
async def test_a_download_limit_holds_over_all_sources(autojump_clock: Clock, net: PeerNet) -> None:
    names = ["one", "two", "three"]
    me, *sources = await net.start("me", *names)
    for source in sources:
        manifest, _ = await source.hold(LONG)
    me.parts.pacing.set_limits(Rates(down=2 * MB), {}, NOBODY)
    download = await begin(me, manifest)
    await until(lambda: len(download.sources) == 3, "all found")
    await trio.sleep(2)
    before = [net.end("me", name).received for name in names]
    await trio.sleep(10)
    came = [net.end("me", n).received - was for n, was in zip(names, before, strict=True)]
    assert sum(came) == pytest.approx(20 * MB, rel=0.05)
    assert max(came) < 1.25 * min(came)
    await download.closed.wait()
    assert download.error is None
    assert me.parts.traffic.fetched_twice <= 6


@pytest.mark.trio
async def test_whoever_is_near_is_not_limited(autojump_clock: Clock, net: PeerNet) -> None:
    one, near, far = await net.start("one", "near", "far")
    manifest, _ = await one.hold(LONG)
    other, _ = await one.hold(bytes_of(32 * MB, 8), "other")
    one.parts.pacing.set_limits(Rates(up=MB), {}, frozenset({near.me}))
    slow = await begin(far, other)
    await until(lambda: slow.received > 0, "the far one has begun")
    before = trio.current_time()
    quick = await get(near, manifest)
    assert quick.error is None
    assert trio.current_time() - before < 3
    assert near.parts.traffic.received_from == {one.me: len(LONG)}
    assert slow.received < 5 * MB


@pytest.mark.trio
async def test_takers_share_a_limited_sender_by_bytes(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["small", "middle", "large"]
    one, *takers = await net.start("one", *names)
    one.parts.pacing.set_limits(Rates(up=3 * MB), {}, NOBODY)
    for number, taker in enumerate(takers):
        length = PIECE << 2 * number
        content = bytes_of(32 * MB, number)
        await begin(taker, await hold_with(one, monkeypatch, content, length, str(number)))
    await until(lambda: all(t.parts.traffic.downloaded for t in takers), "all have begun")
    await trio.sleep(3)
    came = await bytes_between(net, [("one", name) for name in names], 15)
    for each in came:
        assert each == pytest.approx(15 * MB, rel=0.08), came
    assert sum(came) == pytest.approx(45 * MB, rel=0.05)


@pytest.mark.trio
async def test_takers_share_a_sender_without_limits_too(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    net.ways["one"] = Way(8 * MB)
    one, small, large = await net.start("one", "small", "large")
    for taker, length in ((small, PIECE), (large, 16 * PIECE)):
        content = bytes_of(32 * MB, length)
        await begin(taker, await hold_with(one, monkeypatch, content, length, str(length)))
    await until(lambda: all(t.parts.traffic.downloaded for t in (small, large)), "both have begun")
    came = await bytes_between(net, [("one", "small"), ("one", "large")], 5)
    assert sum(came) == pytest.approx(40 * MB, rel=0.05)
    assert max(came) <= 1.25 * min(came), came


# --- memory ----------------------------------------------------------------------------------


@pytest.mark.trio
async def test_who_asks_much_and_never_reads_holds_up_nobody_and_is_cut(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, greedy, me = await net.start("one", "greedy", "me")
    manifest, _ = await one.hold(LONG)
    liar = await Liar(net, greedy, one).connect()
    await until(lambda: one.parts.links.find(greedy.me) is not None, "linked")
    link = one.parts.links.find(greedy.me)
    assert link is not None
    way = net.end("one", "greedy").way = Way(1e9)
    way.stop()
    for number in range(manifest.pieces):
        await liar.channel.send(GetPiece(manifest=manifest.id, piece=number))
    serving = services_of(one).serving
    await until(lambda: serving.in_use > 0, "it is being served")
    await trio.sleep(1)
    stuck = serving.in_use
    assert stuck <= PIECES_BYTES // PIECE + 1
    asked = trio.current_time()
    download = await get(me, manifest)
    assert download.error is None
    assert serving.in_use == stuck
    assert not link.closed
    await until(lambda: link.closed, "the greedy link is cut")
    assert UNREAD_AFTER <= trio.current_time() - asked <= UNREAD_AFTER + 10
    assert "it took nothing" in link.reason
    await until(lambda: serving.in_use == 0, "its buffers are back")


@pytest.mark.trio
async def test_who_waits_for_a_buffer_is_told_that_we_live(
    autojump_clock: Clock, net: PeerNet
) -> None:
    """All buffers are with those who do not read: the others wait, and are served in the end."""
    names = [f"greedy{number}" for number in range(LEAST_BUFFERS)]
    one, other, *greedy = await net.start("one", "other", *names)
    services_of(one).serving = BufferPool(PIECE)
    manifest, _ = await one.hold(CONTENT)
    for peer in greedy:
        liar = await Liar(net, peer, one).connect()
        await until(lambda peer=peer: one.parts.links.find(peer.me) is not None, "linked")
        way = net.end("one", peer.name).way = Way(1e9)
        way.stop()
        for number in range(10):
            await liar.channel.send(GetPiece(manifest=manifest.id, piece=number))
    await until(lambda: services_of(one).serving.in_use >= LEAST_BUFFERS, "no buffer is left")
    patient = await Liar(net, other, one).connect()
    await patient.channel.send(GetPiece(manifest=manifest.id, piece=1))
    await patient.until_heard(Piece, seconds=2 * UNREAD_AFTER)
    assert sum(isinstance(message, Ping) for message in patient.heard) >= 3
    await until(lambda: services_of(one).serving.in_use == 0, "all buffers are back")


@pytest.mark.trio
async def test_a_slow_disk_bounds_what_is_received(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many quick sources: what cannot be written yet is not taken off the links."""
    names = [f"source{number}" for number in range(6)]
    net.ways = {name: Way(10 * MB) for name in names}
    me, *sources = await net.start("me", *names)
    for source in sources:
        manifest, _ = await source.hold(LONG)
    pool = 16
    store = me.parts.store
    store.buffers = BufferPool(pool * PIECE)
    most = 0
    write = store.write_pieces

    async def slowly(content: Content, pieces: list[tuple[int, memoryview]]) -> set[int]:
        nonlocal most
        most = max(most, store.buffers.in_use)
        await trio.sleep(0.2)
        return await write(content, pieces)

    monkeypatch.setattr(store, "write_pieces", slowly)
    maps: list[int] = []
    in_map = mmap.mmap
    monkeypatch.setattr("peer.store.buffers.mmap.mmap", lambda *a: maps.append(a[1]) or in_map(*a))
    download = await get(me, manifest)
    assert download.error is None
    assert me.bytes_held(manifest) == LONG
    assert pool // 2 <= most <= pool
    assert download.twice <= 2 * len(sources)
    nothing_leaks(me, *sources)
