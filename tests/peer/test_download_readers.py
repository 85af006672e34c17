"""Reading what is being downloaded: it comes in order from there on, whoever else reads."""

from collections.abc import Hashable

import pytest
import trio
from fetching import CONTENT, FAST, FULL, MOST_PIECES_ON_THEIR_WAY, WHOLE, begin
from peer_net import PIECE, Clock, PeerNet, TestPeer, Way, until

from peer.store.contents import Content
from peer.store.piece_store import PieceStore
from peer.swarm.download import Download
from protocol.manifest import Manifest
from protocol.messages.operating import Read, Readable


def note_picks(download: Download) -> list[int]:
    """From now on, every piece that is picked, in order."""
    picks: list[int] = []
    pick = download.picker.pick

    def noted(source: Hashable, *, own: bool = False) -> int | None:
        piece = pick(source, own=own)
        if piece is not None:
            picks.append(piece)
        return piece

    download.picker.pick = noted  # type: ignore[method-assign]
    return picks


async def begin_far_ahead(net: PeerNet, rate: float) -> tuple[TestPeer, Manifest, Download]:
    """A download from one source of this rate that much has been asked of already."""
    net.ways["source"] = Way(rate)
    source, me = await net.start("source", "me")
    manifest, _ = await source.hold(WHOLE)
    download = await begin(me, manifest)
    books = download.asking.sources
    await until(lambda: any(len(book.asked) > 10 for book in books.values()), "much is asked for")
    return me, manifest, download


@pytest.mark.trio
async def test_a_reader_is_served_in_order_across_sources_and_may_seek(
    autojump_clock: Clock, net: PeerNet
) -> None:
    net.ways = {"one": Way(FAST / 8), "two": Way(FAST / 8)}
    one, two, me = await net.start("one", "two", "me")
    for peer in (one, two):
        manifest, _ = await peer.hold(WHOLE)
    download = await begin(me, manifest)
    picks = note_picks(download)
    with trio.fail_after(30):
        await download.read_from(100)
        await until(lambda: download.received > 40 * PIECE, "it is running")
    in_order = [piece for piece in picks if piece >= 100]
    assert in_order == sorted(in_order)
    assert len(in_order) >= len(picks) - 2 * 16, "hardly anything else before the end is near"
    assert {link.peer for link in download.sources} == {one.me, two.me}

    del picks[:]
    with trio.fail_after(30):
        await download.read_from(20)
    ahead = [piece for piece in picks if 20 <= piece < 100]
    assert ahead[:10] == sorted(ahead[:10])
    assert picks[: len(ahead)] == ahead, "nothing from elsewhere while the reader lacks some"
    await download.closed.wait()
    assert me.bytes_held(manifest) == WHOLE
    assert download.twice <= 4


@pytest.mark.trio
async def test_what_is_only_copied_stands_still_while_a_reader_waits(
    autojump_clock: Clock, net: PeerNet
) -> None:
    net.ways["source"] = Way(FAST)
    source, me = await net.start("source", "me")
    manifest, _ = await source.hold(WHOLE)
    copying = await begin(me, manifest, purpose="keep")
    await until(lambda: copying.received > 8 * PIECE, "it runs")
    with me.parts.downloads.reading():
        # What had been asked for still comes.
        await trio.sleep(5)
        before = copying.received
        await trio.sleep(60)
        assert copying.received == before < FULL
    await copying.closed.wait()
    assert copying.error is None
    assert copying.received == FULL


@pytest.mark.trio
async def test_where_a_reader_jumps_to_comes_before_what_was_asked_for(
    autojump_clock: Clock, net: PeerNet
) -> None:
    me, manifest, download = await begin_far_ahead(net, FAST / 4)
    before = download.received
    await download.read_from(120)
    its_own_and_those_on_the_wire = 1 + MOST_PIECES_ON_THEIR_WAY
    assert download.received - before <= its_own_and_those_on_the_wire * PIECE
    await download.closed.wait()
    assert download.twice == 0
    assert me.bytes_held(manifest) == WHOLE


@pytest.mark.trio
async def test_a_reader_elsewhere_does_not_make_another_wait(
    autojump_clock: Clock, net: PeerNet
) -> None:
    """As when a film is sought: the page still reads for the request that the browser gave up."""
    net.ways["source"] = Way(FAST / 40)
    source, me = await net.start("source", "me")
    manifest, _ = await source.hold(WHOLE)
    download = await begin(me, manifest)

    async def read_on(begin: int, count: int) -> None:
        for piece in range(begin, begin + count):
            await download.read_from(piece)

    await read_on(0, 2)
    before = download.received
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read_on, 100, 10)
            nursery.start_soon(read_on, 2, 10)
    read_ahead = MOST_PIECES_ON_THEIR_WAY + 8
    assert download.received - before <= (20 + read_ahead) * PIECE
    assert not download.finished.is_set()
    await download.closed.wait()
    # Of those that were on their way when the other sought some were asked for again.
    assert me.parts.traffic.fetched_twice <= 3


@pytest.mark.trio
async def test_who_seeks_again_and_again_waits_for_the_last_place_alone(
    autojump_clock: Clock, net: PeerNet
) -> None:
    """Nobody says that the browser no longer waits for the others."""
    me, manifest, download = await begin_far_ahead(net, FAST / 40)
    places = [140, 20, 110, 35, 90, 50, 75, 125, 65, 155]
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for place in places[:-1]:
                nursery.start_soon(download.read_from, place)
                await trio.sleep(0.01)
            before = download.received
            await download.read_from(places[-1])
            came = (download.received - before) // PIECE
            nursery.cancel_scope.cancel()
    assert came <= MOST_PIECES_ON_THEIR_WAY + 2
    await download.closed.wait()
    assert me.bytes_held(manifest) == WHOLE
    assert me.parts.traffic.fetched_twice <= 3


@pytest.mark.trio
async def test_a_reader_does_not_wait_for_the_disk_to_be_synced(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, me = await net.start("source", "me")
    manifest, _ = await source.hold(CONTENT)
    entry = await source.publish(manifest)
    await me.parts.catalogue.learn(source.sign(entry))
    synced, make_durable = trio.Event(), PieceStore.make_durable

    async def slowly(store: PieceStore, content: Content, pieces: list[int]) -> None:
        await synced.wait()
        await make_durable(store, content, pieces)

    monkeypatch.setattr(PieceStore, "make_durable", slowly)
    read = Read(call=1, entry=entry.id.hex(), file=0, offset=7 * PIECE)
    readable = await me.parts.requests.answer(read, lambda _: None)
    assert isinstance(readable, Readable)
    content = me.parts.contents.get(manifest.id)
    assert content is not None
    assert content.bits.count == 0
    assert readable.length >= PIECE
    there = await trio.Path(readable.path).read_bytes()
    there = there[readable.position :]
    assert there[:PIECE] == CONTENT[7 * PIECE : 8 * PIECE]
    synced.set()
    await until(lambda: content.complete, "it counts once it is durable")
