"""Eviction: what does not fit any more goes to the next of the ring, once, and comes back later."""

from collections.abc import Iterable

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from peer_net import PIECE, Clock, PeerNet, TestPeer, bytes_of, until

from peer.swarm.eviction import Candidate, choose
from peer.swarm.room import FREE_BYTES, Disk, excess
from protocol.ids import ManifestId
from protocol.manifest import Manifest
from protocol.messages.health import GetHealth
from protocol.placement import spans_of

GIB = 1 << 30
SIZE = 3 * PIECE + 5


def holds(peer: TestPeer, manifest: Manifest) -> bool:
    content = peer.parts.contents.get(manifest.id)
    return content is not None and content.complete


def ring_of(peer: TestPeer, manifest: Manifest, copies: int = 2) -> list[bytes]:
    (span,) = spans_of(manifest.id, manifest.geometry)
    return list(peer.parts.rosters.ring.holders(span.partition, copies))


def downloaded(peers: Iterable[TestPeer]) -> int:
    return sum(peer.parts.traffic.downloaded for peer in peers)


def placed(peers: list[TestPeer], held: list[Manifest]) -> bool:
    return all(holds(p, m) == (p.me in ring_of(p, m)) for p in peers for m in held)


async def fill(peers: list[TestPeer], count: int) -> list[Manifest]:
    """So many entries, all where the ring wants them and nowhere else."""
    held = []
    for number in range(count):
        manifest, _ = await peers[0].hold(bytes_of(SIZE, number), f"{number}")
        await peers[0].publish(manifest, f"{number}")
        peers[0].parts.replication.wake(manifest.id)
        held.append(manifest)
    await until(lambda: placed(peers, held), "everything in its place", seconds=3000)
    return held


async def offer_room(peer: TestPeer, capacity: int) -> None:
    """As `twofold capacity` without a tracker: the ring stays as it is."""
    await peer.parts.standing.set_capacity(capacity)


async def health_texts(peer: TestPeer) -> list[str]:
    return [each.text for each in (await peer.parts.health.answer(GetHealth(call=1))).events]


# What goes


def test_what_is_too_much() -> None:
    roomy = Disk(size=100 * GIB, free=50 * GIB)
    assert excess(capacity=100, kept=100, disk=roomy, begun=False) == 0
    assert excess(capacity=100, kept=130, disk=roomy, begun=False) == 30
    floor = 2 * GIB
    for begun in (False, True):
        assert excess(capacity=100, kept=90, disk=Disk(100 * GIB, floor), begun=begun) == 0
        low = Disk(100 * GIB, floor // 2)
        assert excess(capacity=100, kept=90, disk=low, begun=begun) == floor // 2
    # What others write on the disk goes up and down a little.
    near = Disk(100 * GIB, floor - 100)
    assert excess(capacity=100, kept=90, disk=near, begun=False) == 0
    assert excess(capacity=100, kept=90, disk=near, begun=True) == 100


def key(number: int) -> ManifestId:
    return ManifestId(bytes([number]) * 32)


def names(picked: list[ManifestId]) -> list[int]:
    return sorted(each[0] for each in picked)


def test_few_bytes_are_chosen() -> None:
    def chosen(excess: int, *sizes: int, rank: int = 2) -> list[int]:
        candidates = [Candidate(rank, size, key(n)) for n, size in enumerate(sizes)]
        picked, left = choose(candidates, excess, lambda _: True)
        assert left == 0
        return [sizes[n] for n in names(picked)]

    assert chosen(30, 50, 40, 60) == [40]
    assert chosen(30, 20, 15, 5) == [20, 15]
    assert chosen(90, 50, 40, 60) == [40, 60]
    assert chosen(0, 50, 40, 60) == []


def test_what_goes_already_and_what_is_surplus_comes_first() -> None:
    candidates = [Candidate(2, 30, key(1)), Candidate(1, 20, key(2)), Candidate(0, 25, key(3))]
    assert names(choose(candidates, 30, lambda _: True)[0]) == [2, 3]
    assert names(choose(candidates, 25, lambda _: True)[0]) == [3]
    # What nobody can take is passed over.
    picked, left = choose(candidates, 60, lambda each: each != key(1))
    assert (names(picked), left) == ([2, 3], 15)


@given(
    sizes=st.lists(st.integers(1, 100), max_size=12),
    excess=st.integers(0, 500),
    stuck=st.sets(st.integers(0, 11)),
)
def test_enough_and_nothing_in_vain(sizes: list[int], excess: int, stuck: set[int]) -> None:
    candidates = [Candidate(n % 3, size, key(n)) for n, size in enumerate(sizes)]
    picked, left = choose(candidates, excess, lambda each: each[0] not in stuck)
    going = [sizes[each[0]] for each in picked]
    assert not stuck & {each[0] for each in picked}
    assert left == max(0, excess - sum(going))
    if left:
        assert len(going) == sum(n not in stuck for n in range(len(sizes)))
    # Without any one of them it would not be enough, so it does not fit here again.
    assert all(sum(going) - size < excess for size in going)


# Whole peers


@pytest.mark.trio
async def test_the_next_takes_it_once_and_it_comes_back(
    autojump_clock: Clock, net: PeerNet
) -> None:
    peers = await net.start("a", "b", "c", replicating=True)
    held = await fill(peers, 12)
    small, others = peers[1], [peers[0], peers[2]]
    here = [each for each in held if holds(small, each)]
    assert len(here) > 3
    fewest = 2

    async def watch() -> None:
        nonlocal fewest
        while True:
            fewest = min(fewest, *(sum(holds(p, m) for p in peers) for m in held))
            await trio.sleep(0.5)

    net.nursery.start_soon(watch)
    before = downloaded(peers)
    await offer_room(small, 3 * SIZE)
    await until(lambda: small.parts.contents.own_bytes() <= 3 * SIZE, "there is room", 900)
    # No more goes than must, and of that each copy was made once.
    assert sum(holds(small, each) for each in here) == 3
    assert downloaded(peers) - before == (len(here) - 3) * SIZE
    assert all(holds(p, m) for p in others for m in here if not holds(small, m))
    await trio.sleep(1800)
    assert sum(holds(small, each) for each in here) == 3
    assert downloaded(peers) - before == (len(here) - 3) * SIZE
    assert small.parts.eviction.notice is None
    # With room again all is as before.
    await offer_room(small, 1 << 40)
    await until(lambda: placed(peers, held), "everything in its place", seconds=3000)
    assert downloaded(peers) - before == 2 * (len(here) - 3) * SIZE
    assert fewest == 2


@pytest.mark.trio
async def test_of_two_machines_neither_drops_anything_and_that_is_said(
    autojump_clock: Clock, net: PeerNet
) -> None:
    peers = await net.start("a", "b", replicating=True)
    held = await fill(peers, 3)
    await offer_room(peers[1], SIZE)
    await trio.sleep(900)
    assert all(holds(peer, each) for peer in peers for each in held)
    status = peers[1].parts.status.make(1)
    (notice,) = status.notices
    assert "1.5 MiB more is kept here than the capacity or the disk has room for" in notice.text
    assert "add one, or offer more with 'twofold capacity'" in notice.text
    assert notice.text in await health_texts(peers[1])
    assert (await health_texts(peers[1])).count(notice.text) == 1
    # With a third there is room.
    await net.start("c", replicating=True)
    await until(lambda: peers[1].parts.contents.own_bytes() <= SIZE, "there is room", 900)
    await trio.sleep(120)
    assert peers[1].parts.status.make(1).notices == ()
    everyone = list(net.peers.values())
    assert all(sum(holds(peer, each) for peer in everyone) == 2 for each in held)


@pytest.mark.trio
async def test_what_the_next_has_no_room_for_goes_further(
    autojump_clock: Clock, net: PeerNet
) -> None:
    peers = await net.start("a", "b", "c", "d", replicating=True)
    (manifest,) = await fill(peers, 1)
    order = {peer.me: peer for peer in peers}
    *_, holder, third, fourth = [order[each] for each in ring_of(peers[0], manifest, 4)]
    await offer_room(third, 0)
    await offer_room(holder, 0)
    await until(lambda: not holds(holder, manifest), "it has gone", 900)
    assert holds(fourth, manifest)
    assert third.parts.contents.get(manifest.id) is None


@pytest.mark.trio
async def test_two_that_have_no_room_for_the_same_do_not_wait_for_each_other(
    autojump_clock: Clock, net: PeerNet
) -> None:
    peers = await net.start("a", "b", "c", "d", replicating=True)
    (manifest,) = await fill(peers, 1)
    order = {peer.me: peer for peer in peers}
    one, two, three, four = [order[each] for each in ring_of(peers[0], manifest, 4)]
    before = downloaded(peers)
    await offer_room(one, 0)
    await offer_room(two, 0)
    await until(lambda: not holds(one, manifest) and not holds(two, manifest), "both gave it", 1800)
    assert holds(three, manifest)
    assert holds(four, manifest)
    assert downloaded(peers) - before == 2 * SIZE


@pytest.mark.trio
async def test_of_two_without_room_and_one_with_some_one_is_relieved(
    autojump_clock: Clock, net: PeerNet
) -> None:
    peers = await net.start("a", "b", "c", replicating=True)
    held = await fill(peers, 8)
    free, *small = peers
    both = [each for each in held if set(ring_of(free, each)) == {peer.me for peer in small}]
    assert both
    before = downloaded(peers)
    for peer in small:
        await offer_room(peer, 0)
    await until(lambda: all(holds(free, each) for each in held), "it has what it can", 900)
    await trio.sleep(3600)
    assert downloaded(peers) - before == len(both) * SIZE
    assert all(sum(holds(peer, each) for peer in peers) == 2 for each in held)
    assert all(peer.parts.eviction.notice is not None for peer in small)


@pytest.mark.trio
async def test_a_nearly_full_disk_gives_its_copies_to_others(
    autojump_clock: Clock, net: PeerNet
) -> None:
    peers = await net.start("a", "b", "c", replicating=True)
    held = await fill(peers, 6)
    full = peers[2]
    parts = full.parts
    here = parts.contents.own_bytes()
    assert here >= 2 * SIZE
    # Others wrote on the disk; each copy that goes makes room on it.
    taken = FREE_BYTES // 4
    parts.room.look = lambda _: Disk(
        10 * GIB, FREE_BYTES - taken + here - parts.contents.own_bytes()
    )
    await until(lambda: parts.contents.own_bytes() == 0, "the disk's last is for others", 900)
    assert all(sum(holds(peer, each) for peer in peers) == 2 for each in held)
    await trio.sleep(120)
    # All that could go went, and it was not enough.
    assert parts.eviction.notice is not None


@pytest.mark.trio
async def test_a_users_files_are_not_evicted_and_take_no_room(
    autojump_clock: Clock, net: PeerNet
) -> None:
    peers = await net.start("a", "b", "c", replicating=True)
    held = await fill(peers, 4)
    own = net.tmp_path / "mine"
    own.write_bytes(bytes_of(10 * SIZE, 77))
    author = peers[1]
    manifest, content = await author.share(own)
    await author.publish(manifest, "mine")
    author.parts.adding.on_added(content)
    others = [p for p in peers if p is not author]
    await until(lambda: all(holds(p, manifest) for p in peers if p.me in ring_of(p, manifest)))
    kept = author.parts.contents.own_bytes()
    await offer_room(author, kept)
    await trio.sleep(900)
    assert author.parts.contents.own_bytes() == kept
    await offer_room(author, 0)
    await until(lambda: author.parts.contents.own_bytes() == 0, "its store is empty", 900)
    assert holds(author, manifest)
    assert own.read_bytes() == bytes_of(10 * SIZE, 77)
    assert all(holds(peer, each) for peer in others for each in held)
    assert author.parts.eviction.notice is None
