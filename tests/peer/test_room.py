"""Room: by capacity, by the disk; what is full goes to the next of the ring, and comes back."""

import os
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from peer_net import PIECE, Clock, PeerNet, TestPeer, bytes_of, manifest_of, until

from peer.swarm.room import FREE_BYTES, Disk, look_at_disk, room
from protocol.manifest import Manifest
from protocol.placement import spans_of

GIB = 1 << 30
SIZE = 6 * PIECE + 11
BYTES = st.integers(0, 1 << 60)


def test_room_ends_with_the_capacity_or_before_the_last_of_the_disk() -> None:
    roomy = Disk(size=1000 * GIB, free=500 * GIB)
    assert room(capacity=100, stored=30, disk=roomy) == 70
    assert room(capacity=100, stored=130, disk=roomy) == 0
    assert room(capacity=0, stored=0, disk=roomy) == 0
    # 2% of a large disk, 1 GiB of a small one.
    assert room(capacity=1 << 50, stored=0, disk=Disk(1000 * GIB, 20 * GIB + 7)) == 7
    assert room(capacity=1 << 50, stored=0, disk=Disk(1000 * GIB, 20 * GIB)) == 0
    assert room(capacity=1 << 50, stored=0, disk=Disk(10 * GIB, GIB + 9)) == 9
    assert room(capacity=1 << 50, stored=0, disk=Disk(GIB // 2, GIB // 2)) == 0


@given(capacity=BYTES, stored=BYTES, size=BYTES, free=BYTES)
def test_room_never_takes_what_stays_free(capacity: int, stored: int, size: int, free: int) -> None:
    left = room(capacity=capacity, stored=stored, disk=Disk(size, free))
    assert left >= 0
    if left:
        assert stored + left <= capacity
        assert free - left >= FREE_BYTES
        assert (free - left) * 50 >= size - 49


def test_a_disk_is_looked_at(tmp_path: Path) -> None:
    disk = look_at_disk(tmp_path)
    found = os.statvfs(tmp_path)
    assert disk.size == found.f_blocks * found.f_frsize
    assert 0 < disk.free <= disk.size
    with pytest.raises(OSError, match="No such file"):
        look_at_disk(tmp_path / "missing")


def holds(peer: TestPeer, manifest: Manifest) -> bool:
    content = peer.parts.contents.get(manifest.id)
    return content is not None and content.complete


def in_order(peers: list[TestPeer], manifest: Manifest) -> list[TestPeer]:
    """The peers, as the ring has them for what a manifest describes."""
    (span,) = spans_of(manifest.id, manifest.geometry)
    order = peers[0].parts.rosters.ring.order(span.partition)
    return sorted(peers, key=lambda peer: order.index(peer.me))


def downloaded(peers: list[TestPeer]) -> list[int]:
    return [peer.parts.traffic.downloaded for peer in peers]


async def set_capacity(peer: TestPeer, capacity: int) -> None:
    """As `twofold capacity`, but for the tracker: the weights in the ring stay as they are."""
    parts = peer.parts
    assert not await parts.standing.set_capacity(capacity)
    assert parts.directory.load_joined().capacity == parts.standing.capacity == capacity


@pytest.mark.trio
async def test_the_next_takes_what_a_full_peer_should_have_until_that_has_room(
    autojump_clock: Clock, net: PeerNet
) -> None:
    peers = await net.start("a", "b", "c", replicating=True)
    author = peers[0]
    path = net.tmp_path / "film"
    for seed in range(64):
        path.write_bytes(bytes_of(SIZE, seed))
        if author in in_order(peers, manifest_of(path))[:2]:
            break
    manifest, content = await author.share(path)
    *ring, substitute = in_order(peers, manifest)
    (full,) = (peer for peer in ring if peer is not author)
    await set_capacity(full, SIZE - 1)
    await author.publish(manifest)
    author.parts.adding.on_added(content)
    await until(lambda: holds(substitute, manifest), "the next takes it")
    await trio.sleep(600)
    assert (downloaded([full]), downloaded([substitute])) == ([0], [SIZE])
    assert full.parts.contents.get(manifest.id) is None
    assert full.parts.room.left() == SIZE - 1

    await set_capacity(full, SIZE)
    await until(lambda: holds(full, manifest), "there is room", seconds=120)
    await until(lambda: not holds(substitute, manifest), "the substitute's copy goes")
    await trio.sleep(600)
    assert downloaded(peers) == [SIZE * (peer is not author) for peer in peers]
    assert not substitute.parts.contents.content_file(manifest.id).exists()
    assert holds(full, manifest)
    assert holds(author, manifest)


@pytest.mark.trio
async def test_a_full_peer_keeps_what_it_has_where_it_is(
    autojump_clock: Clock, net: PeerNet
) -> None:
    """That it refuses something new says nothing of what it holds."""
    peers = await net.start("a", "b", "c", replicating=True)
    held = []
    for number in range(6):
        manifest, _ = await peers[0].hold(bytes_of(SIZE, number), f"{number}")
        await peers[0].publish(manifest, f"{number}")
        peers[0].parts.replication.wake(manifest.id)
        held.append(manifest)
    rings = [in_order(peers, manifest)[:2] for manifest in held]
    await until(
        lambda: all(
            all(holds(p, m) == (p in ring) for p in peers)
            for m, ring in zip(held, rings, strict=True)
        ),
        "each where it should be",
        seconds=2000,
    )
    before = downloaded(peers)
    for peer in peers[1:]:
        await set_capacity(peer, peer.parts.contents.stored_bytes())
    # Links go, so that nobody remembers who has what, and everything is offered anew.
    for peer in peers:
        for link in peer.parts.links.all():
            link.cut("for the test")
    new, _ = await peers[0].hold(bytes_of(SIZE, 99), "new")
    await peers[0].publish(new, "new")
    peers[0].parts.replication.wake()
    await trio.sleep(900)
    assert downloaded(peers) == before
    for manifest, ring in zip(held, rings, strict=True):
        assert all(holds(p, manifest) for p in ring)


@pytest.mark.trio
async def test_nothing_is_kept_on_the_last_of_a_disk_but_a_person_may_use_it(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, two = await net.start("one", "two", replicating=True)
    two.parts.room.look = lambda folder: disk_with(look_at_disk(folder), FREE_BYTES)
    manifest, _ = await one.hold(bytes_of(SIZE))
    entry = await one.publish(manifest)
    one.parts.replication.wake()
    await trio.sleep(300)
    assert two.parts.traffic.downloaded == 0
    assert two.parts.room.disk_is_low()
    out = net.tmp_path / "mine"
    await two.parts.catalogue.learn(one.sign(entry))
    download = await two.parts.downloads.fetch(
        manifest, path=out, wanted=None, purpose="get", name="film"
    )
    with trio.fail_after(60):
        await download.closed.wait()
    assert out.read_bytes() == bytes_of(SIZE)


@pytest.mark.trio
async def test_a_disk_that_fills_meanwhile_ends_what_is_only_kept(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, two = await net.start("one", "two", replicating=True)
    manifest, _ = await one.hold(bytes_of(400 * PIECE))
    await one.publish(manifest)

    def filling(folder: Path) -> Disk:
        begun = two.parts.traffic.downloaded > 0
        return disk_with(look_at_disk(folder), 0 if begun else 1 << 40)

    two.parts.room.look = filling
    one.parts.replication.wake()
    await until(lambda: two.parts.traffic.downloaded > 0, "it begins")
    await trio.sleep(200)
    assert not two.parts.downloads.all()
    assert not holds(two, manifest)
    before = two.parts.traffic.downloaded
    two.parts.room.look = lambda folder: disk_with(look_at_disk(folder), 1 << 40)
    await until(lambda: holds(two, manifest), "there is room again")
    assert two.parts.traffic.downloaded >= before


def disk_with(disk: Disk, free: int) -> Disk:
    """The same disk with so much free, as on a disk of 1 TiB."""
    return disk._replace(size=1 << 40 if free > GIB else min(disk.size, 40 * GIB), free=free)
