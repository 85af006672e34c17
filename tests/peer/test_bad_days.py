"""Bad neighbours and bad disks, in one process: what they cost, and what the log says of them."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import structlog.testing
import trio
from fetching import CONTENT, SIZE, Liar, begin, get, nothing_leaks
from peer_net import PIECE, Clock, PeerNet, Way, Wire, bytes_of, manifest_of, until

from peer.listener import HANDSHAKE_TIMEOUT
from peer.store.contents import Content
from peer.store.write_errors import DiskFullError
from protocol.drivers.on_trio import ConnectionLostError
from protocol.liveness import SILENT_AFTER
from protocol.messages.peering import Follow, GetPiece, Holds, NoPiece, Offer

Log = list[Any]


@pytest.fixture
def log() -> Iterator[Log]:
    """What all peers log."""
    with structlog.testing.capture_logs() as lines:
        yield lines


def said(log: Log, event: str, peer: str | None = None) -> Log:
    """The lines with this text, about this peer."""
    return [
        line
        for line in log
        if line["event"] == event and (peer is None or line.get("peer") == peer)
    ]


# --- holders ---------------------------------------------------------------------------------


@pytest.mark.trio
@pytest.mark.parametrize("packet", [500, 8000])
async def test_a_holder_that_drips(
    autojump_clock: Clock, net: PeerNet, log: Log, packet: int
) -> None:
    """A few bytes at a time, for hours: its pieces come from another, and it may go on."""
    # No small piece at the end, which would come from it in time.
    content = bytes_of(20 * PIECE)
    net.ways["drips"] = Way(2_000, packet)
    drips, good, me = await net.start("drips", "good", "me")
    manifest, _ = await drips.hold(content)
    running = await begin(me, manifest)
    await until(lambda: me.parts.traffic.downloaded > 0, "it drips")
    await good.hold(content)
    started = trio.current_time()
    await running.closed.wait()
    assert running.error is None
    assert trio.current_time() - started < 20
    assert me.bytes_held(manifest) == content
    assert running.senders == {good.me}
    [finished] = said(log, "download finished")
    assert (finished["entry"], finished["twice"]) == ("film", 0)
    assert not me.parts.shunned(drips.me)


@pytest.mark.trio
async def test_a_holder_that_drips_is_better_than_none(autojump_clock: Clock, net: PeerNet) -> None:
    net.ways["drips"] = Way(10_000, 1000)
    drips, me = await net.start("drips", "me")
    manifest, _ = await drips.hold(bytes_of(2 * PIECE))
    download = await get(me, manifest)
    assert download.error is None
    assert me.parts.traffic.downloaded == 2 * PIECE
    nothing_leaks(drips, me)


@pytest.mark.trio
async def test_a_holder_that_stops_in_the_middle_of_a_piece(
    autojump_clock: Clock, net: PeerNet, log: Log
) -> None:
    """Half a piece is no piece; it comes from another, and the link is cut with a reason."""
    stops, good, me = await net.start("stops", "good", "me")
    manifest, _ = await stops.hold(CONTENT)

    def mute(speaker: str, listener: str, wire: Wire) -> None:
        if (speaker, listener) == ("stops", "me"):
            wire.way = Way(5e6, 10_000)
            wire.silent_after = 10 * PIECE + PIECE // 2

    net.on_wire = mute
    running = await begin(me, manifest)
    await until(lambda: running.received >= 9 * PIECE, "the first pieces")
    await good.hold(CONTENT)
    await running.closed.wait()
    assert running.error is None
    assert me.bytes_held(manifest) == CONTENT
    link = me.parts.links.find(stops.me)
    await until(lambda: link is None or link.closed, "the silent link is cut", SILENT_AFTER * 3)
    ended = said(log, "link ended", "stops")
    assert ended
    assert "silent" in ended[0]["reason"] or "stalled" in ended[0]["reason"]


@pytest.mark.trio
async def test_a_holder_that_claims_what_it_lacks(
    autojump_clock: Clock, net: PeerNet, log: Log
) -> None:
    """Its file is cut short behind its back: it says so piece by piece, the rest is used."""
    claims, good, me = await net.start("claims", "good", "me")
    manifest, _ = await claims.hold(CONTENT)
    path = claims.parts.contents.content_file(manifest.id)
    with path.open("r+b") as file:
        file.truncate(20 * PIECE)
    download = await begin(me, manifest)
    # Only then another has it, or chance could give it just what the first one still has.
    await until(lambda: bool(said(log, "piece lost")), "it was asked for what it lacks")
    await good.hold(CONTENT)
    await download.closed.wait()
    assert download.error is None
    assert me.bytes_held(manifest) == CONTENT
    assert good.me in download.senders
    assert not me.parts.shunned(claims.me), "who says so has done nothing wrong"
    content = claims.parts.contents.get(manifest.id)
    assert content is None or not content.complete
    nothing_leaks(good, me)


@pytest.mark.trio
@pytest.mark.parametrize("how", ["says no", "says nothing"])
async def test_who_offers_what_it_lacks_is_not_waited_for(
    autojump_clock: Clock, net: PeerNet, how: str
) -> None:
    liar_peer, good, me = await net.start("liar", "good", "me")
    manifest, _ = await good.hold(CONTENT)
    entry = good.entry(manifest)
    liar = await Liar(net, liar_peer, me).connect()
    await until(lambda: me.parts.links.find(liar_peer.me) is not None, "linked")
    path = liar_peer.parts.directory.spool / "film"
    path.write_bytes(CONTENT)
    assert manifest_of(path).id == manifest.id
    running = await begin(me, manifest, purpose="keep")
    await liar.channel.send(Offer(call=1, manifest=manifest.id, records=(good.sign(entry),)))
    await liar.until_heard(Follow)
    await liar.channel.send(Holds(manifest=manifest.id, bits=None))
    if how == "says no":
        for piece in range(manifest.pieces):
            await liar.channel.send(NoPiece(manifest=manifest.id, piece=piece))
    await running.closed.wait()
    assert running.error is None
    assert me.bytes_held(manifest) == CONTENT
    assert running.senders == {good.me}


@pytest.mark.trio
async def test_a_flood_of_requests_costs_little(autojump_clock: Clock, net: PeerNet) -> None:
    """Thousands of requests, for the same and for what is not there: others are served."""
    net.ways["one"] = Way(5e6)
    one, flood, me = await net.start("one", "flood", "me")
    manifest, _ = await one.hold(CONTENT)
    liar = await Liar(net, flood, one).connect()
    await until(lambda: one.parts.links.find(flood.me) is not None, "linked")
    running = await begin(me, manifest)
    services = one.parts.links.services
    assert services is not None
    most = 0
    while not running.finished.is_set():
        with suppress(ConnectionLostError):
            for number in range(500):
                piece = number % manifest.pieces
                await liar.channel.send(GetPiece(manifest=manifest.id, piece=piece))
                await liar.channel.send(
                    GetPiece(manifest=manifest.id, piece=10_000 + number, urgent=True)
                )
        most = max(most, services.serving.in_use)
        await trio.sleep(0.2)
    await running.closed.wait()
    assert running.error is None
    assert most <= 12
    assert me.bytes_held(manifest) == CONTENT


# --- connections -----------------------------------------------------------------------------


@pytest.mark.trio
async def test_connections_that_never_become_links(autojump_clock: Clock, net: PeerNet) -> None:
    """Nothing said, or half a handshake: they are let go in time, and others get through."""
    one, me = await net.start("one", "me")
    manifest, _ = await one.hold(CONTENT)
    strangers = []
    for number in range(100):
        ours, theirs = trio.testing.memory_stream_pair()
        one.nursery.start_soon(one.listener._accept, Wire(theirs))
        await ours.send_all(b"twofold\0"[: number % 9])
        strangers.append(ours)
    download = await get(me, manifest)
    assert download.error is None
    started = trio.current_time()
    for stranger in strangers:
        assert await stranger.receive_some(100) == b""
    assert trio.current_time() - started <= HANDSHAKE_TIMEOUT + 1
    assert one.listener._unfinished == 0


@pytest.mark.trio
async def test_a_handshake_that_stops_half_way(autojump_clock: Clock, net: PeerNet) -> None:
    """The dialled machine answers the connection and nothing else; another has it all."""
    frozen, good, me = await net.start("frozen", "good", "me")
    manifest, _ = await frozen.hold(CONTENT)
    await good.hold(CONTENT)

    def mute(speaker: str, listener: str, wire: Wire) -> None:
        if speaker == "frozen":
            wire.silent_after = 10

    net.on_wire = mute
    started = trio.current_time()
    download = await get(me, manifest)
    assert download.error is None
    assert download.senders == {good.me}
    assert trio.current_time() - started < 5


@pytest.mark.trio
async def test_a_neighbour_that_freezes_and_comes_back(
    autojump_clock: Clock, net: PeerNet, log: Log
) -> None:
    """Frozen for less than a link may be silent: it goes on where it was."""
    way = net.ways["freezes"] = Way(2e6)
    net.ways["good"] = Way(2e6)
    freezes, good, me = await net.start("freezes", "good", "me")
    whole = bytes_of(120 * PIECE, 9)
    for peer in (freezes, good):
        manifest, _ = await peer.hold(whole)
    running = await begin(me, manifest)
    await until(lambda: len(running.senders) == 2, "both send")
    link = me.parts.links.find(freezes.me)
    way.stop()
    await until(lambda: bool(said(log, "source is late", "freezes")), "it is late")
    way.go_on()
    before = me.parts.traffic.received_from[freezes.me]
    await running.closed.wait()
    assert running.error is None
    assert me.bytes_held(manifest) == whole
    assert me.parts.traffic.received_from[freezes.me] > before + 10 * PIECE
    assert link is me.parts.links.find(freezes.me), "the same link still"


# --- disks -----------------------------------------------------------------------------------


@pytest.mark.trio
async def test_a_disk_that_is_full_ends_the_download_and_keeps_what_came(
    autojump_clock: Clock, net: PeerNet, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    net.ways["one"] = Way(5e6)
    one, me = await net.start("one", "me")
    manifest, _ = await one.hold(CONTENT)
    write = me.parts.store.write_pieces
    written = 0

    async def until_full(content: Content, pieces: list[tuple[int, memoryview]]) -> set[int]:
        nonlocal written
        if written >= 20:
            raise DiskFullError("no room on the disk of here: free some space and try again")
        written += len(pieces)
        return await write(content, pieces)

    monkeypatch.setattr(me.parts.store, "write_pieces", until_full)
    download = await get(me, manifest)
    assert isinstance(download.error, DiskFullError)
    [line] = said(log, "download failed")
    assert line["entry"] == "film"
    assert "no room on the disk" in line["error"]
    await until(lambda: me.parts.store.buffers.in_use == 0, "buffers given back")
    content = me.parts.contents.get(manifest.id)
    assert content is not None
    had = content.bits.count
    assert 0 < had < 41
    monkeypatch.undo()
    before = me.parts.traffic.downloaded
    again = await get(me, manifest)
    assert again.error is None
    # The last piece is short, and may be among those that were there.
    assert SIZE - had * PIECE <= again.received <= SIZE - (had - 1) * PIECE - 1234
    assert me.parts.traffic.downloaded - before <= again.received + 20 * PIECE
    assert me.bytes_held(manifest) == CONTENT


@pytest.mark.trio
async def test_a_disk_that_hangs_is_no_fault_of_the_sources(
    autojump_clock: Clock, net: PeerNet, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For longer than a link may be silent: nobody is cut, nothing is taken away, all is kept."""
    net.ways = {"one": Way(5e6), "two": Way(5e6)}
    one, two, me = await net.start("one", "two", "me")
    for peer in (one, two):
        manifest, _ = await peer.hold(bytes_of(120 * PIECE, 4))
    store = me.parts.store
    monkeypatch.setattr(store.buffers, "_limit", 8 * PIECE)
    write = store.write_pieces
    hangs = trio.Event()

    async def hanging(content: Content, pieces: list[tuple[int, memoryview]]) -> set[int]:
        await hangs.wait()
        return await write(content, pieces)

    monkeypatch.setattr(store, "write_pieces", hanging)
    running = await begin(me, manifest)
    await until(lambda: store.buffers.in_use >= 8, "the disk hangs")
    links = [me.parts.links.find(peer.me) for peer in (one, two)]
    await trio.sleep(4 * SILENT_AFTER)
    assert said(log, "link ended") == []
    hangs.set()
    await running.closed.wait()
    assert running.error is None
    assert [me.parts.links.find(peer.me) for peer in (one, two)] == links
    assert said(log, "source is late") == []
    assert said(log, "source sends nothing") == []
    nothing_leaks(one, two, me)


@pytest.mark.trio
async def test_a_database_that_cannot_be_written_ends_neither_watch_nor_dialling(
    autojump_clock: Clock, net: PeerNet, log: Log
) -> None:
    one, two = await net.start("one", "two")
    path = net.tmp_path / "shared.bin"
    path.write_bytes(CONTENT)
    _, content = await one.share(path)
    # Every write fails, as on a disk that has become read-only.
    one.parts.database.connection.execute("PRAGMA query_only = ON")
    await one.parts.address_book.learn(two.me, tuple(f"{'h' * 60}{n}.test:1" for n in range(8)))
    assert len(one.parts.address_book.candidates(two.me)) == 8
    path.write_bytes(bytes_of(SIZE, 9) + b"longer")
    one.nursery.start_soon(one.parts.watch.run)
    await until(lambda: content.bits.count == 0, "what changed no longer counts")
    await trio.sleep(100)
    assert not one.stopped.is_set()
    link = await two.link_to(one)
    assert not link.closed
    assert said(log, "addresses cannot be kept")
    assert said(log, "a change cannot be noted")
