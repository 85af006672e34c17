"""Many sources, many takers: every byte moves once, whoever is slow."""

import pytest
import trio
from fetching import (
    CONTENT,
    FAST,
    FULL,
    MOST_PIECES_ON_THEIR_WAY,
    SIZE,
    SLOW,
    WHOLE,
    begin,
    nothing_leaks,
)
from peer_net import PIECE, Clock, PeerNet, TestPeer, Way, until

from peer.swarm.peer_link import PeerLink
from protocol.messages.base import Message
from protocol.messages.peering import GetPiece


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
