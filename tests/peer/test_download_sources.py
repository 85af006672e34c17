"""Many sources, many takers: every byte moves once, whoever is slow, and in the order read."""

from collections.abc import Hashable

import pytest
import trio
from fetching import CONTENT, SIZE, begin, nothing_leaks
from peer_net import PIECE, Clock, PeerNet, TestPeer, Way, bytes_of, until

from peer.store.contents import Content
from peer.store.piece_store import PieceStore
from peer.swarm.download import Download
from peer.swarm.peer_link import PeerLink
from protocol.messages.base import Message
from protocol.messages.operating import Read, Readable
from protocol.messages.peering import GetPiece

FULL = 160 * PIECE
FAST, SLOW = 10e6, 50_000.0
MOST_PIECES_ON_THEIR_WAY = 5
WHOLE = bytes_of(FULL, 3)


def note_asked(*peers: TestPeer) -> list[tuple[PeerLink, GetPiece]]:
    """From now on, every request for a piece that these peers make."""
    asked: list[tuple[PeerLink, GetPiece]] = []
    put = PeerLink.put

    def noted(link: PeerLink, message: Message, document: bytes | None = None) -> None:
        if isinstance(message, GetPiece):
            asked.append((link, message))
        put(link, message, document)

    for peer in peers:
        for link in peer.parts.links.all():
            link.put = noted.__get__(link)  # type: ignore[method-assign]
    return asked


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


async def nothing_unaccounted(peer: TestPeer, size: int) -> None:
    """Every byte that came is one of the content or of a piece counted as fetched twice."""
    traffic = peer.parts.traffic
    await trio.sleep(2 * MOST_PIECES_ON_THEIR_WAY * PIECE / SLOW)
    assert traffic.downloaded == size + traffic.fetched_twice * PIECE


@pytest.mark.trio
@pytest.mark.parametrize("takers", [2, 3, 5])
async def test_takers_of_the_same_trade_it(
    autojump_clock: Clock, net: PeerNet, takers: int
) -> None:
    """The source sends little more than one copy, however many fetch it at once."""
    names = [f"taker{number}" for number in range(takers)]
    net.ways = {name: Way(8 * FAST) for name in names} | {"source": Way(FAST)}
    source, *others = await net.start("source", *names)
    manifest, _ = await source.hold(WHOLE)
    downloads = [await begin(other, manifest) for other in others]
    for download in downloads:
        await download.closed.wait()
        assert download.error is None
    for other in others:
        assert other.bytes_held(manifest) == WHOLE
        await nothing_unaccounted(other, FULL)
        assert source.me in other.parts.traffic.received_from
    assert source.parts.traffic.uploaded <= 1.3 * FULL
    assert sum(download.twice for download in downloads) <= 4 * takers
    nothing_leaks(source, *others)


@pytest.mark.trio
async def test_takers_that_come_one_after_the_other_trade_it(
    autojump_clock: Clock, net: PeerNet
) -> None:
    net.ways = {"one": Way(8 * FAST), "two": Way(8 * FAST), "source": Way(FAST)}
    source, one, two = await net.start("source", "one", "two")
    manifest, _ = await source.hold(WHOLE)
    first = await begin(one, manifest)
    await until(lambda: first.done_bytes > FULL // 2, "the first is half way")
    second = await begin(two, manifest)
    for download in (first, second):
        await download.closed.wait()
        assert download.error is None
    assert source.parts.traffic.uploaded <= 1.5 * FULL
    assert two.parts.traffic.received_from[one.me] >= FULL // 2


@pytest.mark.trio
@pytest.mark.parametrize("rate", [FAST / 20, SLOW])
@pytest.mark.parametrize("run", range(4))
async def test_nobody_waits_for_the_share_of_a_slow_taker(
    autojump_clock: Clock, net: PeerNet, rate: float, run: int
) -> None:
    """What it does not pass on in time, the others ask the source for."""
    ways = {"source": Way(FAST), "one": Way(8 * FAST), "two": Way(8 * FAST), "slow": Way(rate)}
    net.ways = ways
    source, one, two, slow = await net.start(*ways)
    manifest, _ = await source.hold(WHOLE)
    began = trio.current_time()
    downloads = [await begin(peer, manifest) for peer in (one, two, slow)]
    for download in downloads[:2]:
        await download.closed.wait()
        assert download.error is None
    assert trio.current_time() - began <= 2 * FULL / FAST
    assert slow.parts.traffic.uploaded <= 16 * PIECE
    assert source.parts.traffic.uploaded <= 2 * FULL


@pytest.mark.trio
@pytest.mark.parametrize("rates", [[1, 1], [1, 1, 1], [1, 2, 4], [1, 1, 1, 1, 1, 10]])
async def test_each_of_several_full_sources_sends_some(
    autojump_clock: Clock, net: PeerNet, rates: list[int]
) -> None:
    names = [f"source{number}" for number in range(len(rates))]
    net.ways = {name: Way(rate * FAST) for name, rate in zip(names, rates, strict=True)}
    me, *sources = await net.start("me", *names)
    for source in sources:
        manifest, _ = await source.hold(WHOLE)
    download = await begin(me, manifest)
    await download.closed.wait()
    assert download.error is None
    assert download.received == FULL
    assert me.bytes_held(manifest) == WHOLE
    sent = [me.parts.traffic.received_from[source.me] for source in sources]
    assert all(sent), sent
    # In proportion to what each can, but for the first requests and the last.
    for rate, bytes_sent in zip(rates, sent, strict=True):
        fair = FULL * rate / sum(rates)
        assert abs(bytes_sent - fair) < fair * 0.5 + 16 * PIECE, sent
    await until(lambda: all(s.parts.traffic.uploaded for s in sources), "all written")
    assert download.twice <= 2 * len(sources)
    await nothing_unaccounted(me, FULL)


@pytest.mark.trio
async def test_a_slow_source_does_not_hold_up_the_end(autojump_clock: Clock, net: PeerNet) -> None:
    """A piece takes it five seconds; the quick one brings everything in two."""
    net.ways = {"slow": Way(SLOW), "quick": Way(FAST)}
    slow, quick, me = await net.start("slow", "quick", "me")
    manifest, _ = await slow.hold(CONTENT)
    await quick.hold(CONTENT)
    started = trio.current_time()
    download = await begin(me, manifest)
    await download.closed.wait()
    assert download.error is None
    assert trio.current_time() - started < 2 + SIZE / FAST + 3
    assert me.parts.traffic.received_from[quick.me] >= SIZE - 2 * PIECE
    assert download.twice <= 1
    assert me.bytes_held(manifest) == CONTENT


@pytest.mark.trio
async def test_a_steady_slow_source_is_used_and_not_held_against(
    autojump_clock: Clock, net: PeerNet
) -> None:
    """By its own history it is in time: nothing it was asked for is taken away before the end."""
    net.ways = {"slow": Way(FAST / 20), "quick": Way(FAST)}
    slow, quick, me = await net.start("slow", "quick", "me")
    for peer in (slow, quick):
        manifest, _ = await peer.hold(WHOLE)
    download = await begin(me, manifest)
    late: list[float] = []
    await until(lambda: len(download.sources) == 2, "both found")
    do_without = download.asking.do_without
    download.asking.do_without = lambda link, source, now: (  # type: ignore[method-assign]
        late.append(now),
        do_without(link, source, now),
    )
    await download.closed.wait()
    assert late == []
    assert me.parts.traffic.received_from[slow.me] >= 4 * PIECE
    assert download.twice <= 3
    await nothing_unaccounted(me, FULL)


@pytest.mark.trio
async def test_a_late_piece_that_is_still_needed_is_used(
    autojump_clock: Clock, net: PeerNet
) -> None:
    """A source pauses until its pieces are given to another, and then sends them after all."""
    pausing, slow = Way(FAST), Way(SLOW)
    net.ways = {"pausing": pausing, "slow": slow}
    first, _, me = await net.start("pausing", "slow", "me")
    manifest, _ = await first.hold(WHOLE)
    await net.peers["slow"].hold(WHOLE)
    download = await begin(me, manifest)
    await until(lambda: download.received >= FULL // 4, "it is running")
    pausing.stop()
    link = me.parts.links.find(first.me)
    assert link is not None
    source = download.asking.sources[link]
    await until(lambda: bool(source.late), "its pieces were given away")
    late, before = set(source.late), me.parts.traffic.received_from[first.me]
    assert source.stalled
    pausing.go_on()
    await until(
        lambda: not source.stalled or link not in download.asking.sources, "it delivers again"
    )
    came = (me.parts.traffic.received_from[first.me] - before) // PIECE
    assert came >= 1
    await download.closed.wait()
    assert download.error is None
    assert late
    assert download.twice <= 1
    await nothing_unaccounted(me, FULL)


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
async def test_what_a_person_waits_for_comes_before_copies(
    autojump_clock: Clock, net: PeerNet
) -> None:
    net.ways["source"] = Way(FAST / 4)
    source, me = await net.start("source", "me")
    copied, _ = await source.hold(WHOLE, "copied")
    wanted, _ = await source.hold(CONTENT, "wanted")
    copying = await begin(me, copied, purpose="keep")
    await until(lambda: copying.received >= 20 * PIECE, "the copy is under way")
    asked = note_asked(me)
    link = me.parts.links.find(source.me)
    assert link is not None
    queued = len(copying.asking.sources[link].asked)
    assert queued >= 3
    before = copying.received
    getting = await begin(me, wanted)
    most = 0
    while not getting.finished.is_set():
        await trio.sleep(0.01)
        if copying.received - before > queued * PIECE:
            most = max(most, len(copying.asking.sources[link].asked))
    assert most <= 1, "a copy asks for one piece at a time while a person waits"
    # Of the copy came what was begun, and one now and then.
    assert copying.received - before <= SIZE // 3
    assert {m.urgent for _, m in asked if m.manifest == wanted.id} == {True}
    assert {m.urgent for _, m in asked if m.manifest == copied.id} <= {False}
    await copying.closed.wait()
    assert copying.error is None
    assert (source.parts.traffic.uploaded - FULL - SIZE) <= 2 * PIECE


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
    net.ways["source"] = Way(FAST / 4)
    source, me = await net.start("source", "me")
    manifest, _ = await source.hold(WHOLE)
    download = await begin(me, manifest)
    books = download.asking.sources
    await until(lambda: any(len(book.asked) > 10 for book in books.values()), "much is asked for")
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
    net.ways["source"] = Way(FAST / 40)
    source, me = await net.start("source", "me")
    manifest, _ = await source.hold(WHOLE)
    download = await begin(me, manifest)
    books = download.asking.sources
    await until(lambda: any(len(book.asked) > 10 for book in books.values()), "much is asked for")
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
