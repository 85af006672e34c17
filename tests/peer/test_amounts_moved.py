"""What moves is what the ring says must move: bytes counted, whatever the cause."""

import pytest
import trio
from peer_net import Clock, PeerNet, TestPeer, bytes_of, until

from protocol.manifest import Manifest
from protocol.placement import spans_of

COUNT = 24


async def fill(peer: TestPeer, first: int = 0) -> list[Manifest]:
    """Some entries of different sizes, made at one peer."""
    manifests = []
    for number in range(first, first + COUNT):
        manifest, _ = await peer.hold(bytes_of(1000 * (number + 1), 900 + number), f"n{number}")
        await peer.publish(manifest, f"n{number}")
        manifests.append(manifest)
    peer.parts.replication.wake()
    return manifests


def placed(peer: TestPeer, manifest: Manifest) -> set[bytes]:
    (span,) = spans_of(manifest.id, manifest.geometry)
    ring, gone = peer.parts.rosters.ring, peer.parts.presence.gone()
    return set(ring.holders(span.partition, 2, gone))


def held(peers: list[TestPeer], manifest: Manifest) -> set[bytes]:
    return {
        peer.me
        for peer in peers
        if (content := peer.parts.contents.get(manifest.id)) is not None and content.complete
    }


async def settle(peers: list[TestPeer], manifests: list[Manifest]) -> None:
    def settled() -> bool:
        return all(held(peers, m) == placed(peer, m) for m in manifests for peer in peers)

    await until(settled, "everything is where the ring wants it", seconds=5000)


def received(peers: list[TestPeer]) -> int:
    return sum(peer.parts.traffic.downloaded for peer in peers)


def missing(before: dict[bytes, set[bytes]], peers: list[TestPeer], all_of: list[Manifest]) -> int:
    """Bytes of the copies that the ring wants now and that were not there before."""
    return sum(len(placed(peers[0], m) - before[m.id]) * m.size for m in all_of)


@pytest.mark.trio
async def test_publishing_moves_each_copy_once(autojump_clock: Clock, net: PeerNet) -> None:
    peers = await net.start("a", "b", "c", "d", replicating=True)
    manifests = await fill(peers[0])
    before: dict[bytes, set[bytes]] = {m.id: {peers[0].me} for m in manifests}
    await settle(peers, manifests)
    assert received(peers) == missing(before, peers, manifests)


@pytest.mark.trio
async def test_who_joins_gets_its_share_and_nothing_else_moves(
    autojump_clock: Clock, net: PeerNet
) -> None:
    peers = await net.start("a", "b", "c", replicating=True)
    manifests = await fill(peers[0])
    await settle(peers, manifests)
    moved, before = received(peers), {m.id: held(peers, m) for m in manifests}
    peers += await net.start("d", replicating=True)
    await settle(peers, manifests)
    share = missing(before, peers, manifests)
    assert 0 < share < sum(m.size for m in manifests)
    assert received(peers) - moved == share == peers[-1].parts.traffic.downloaded


@pytest.mark.trio
async def test_who_is_gone_is_made_up_for_once_and_its_return_moves_nothing(
    autojump_clock: Clock, net: PeerNet
) -> None:
    peers = await net.start("a", "b", "c", "d", replicating=True)
    manifests = await fill(peers[0])
    await settle(peers, manifests)
    moved, before = received(peers), {m.id: held(peers, m) for m in manifests}
    lost = peers.pop()
    moved -= lost.parts.traffic.downloaded
    await lost.kill()
    await trio.sleep(900)
    # Within the grace time it is only missed.
    assert received(peers) == moved
    await trio.sleep(1800)
    await settle(peers, manifests)
    stayed = {manifest: where - {lost.me} for manifest, where in before.items()}
    again = missing(stayed, peers, manifests)
    assert 0 < again < sum(m.size for m in manifests)
    assert received(peers) - moved == again
    moved = received(peers)
    peers.append(await net.restart("d", replicating=True))
    await settle(peers, manifests)
    assert {m.id: held(peers, m) for m in manifests} == before
    assert received(peers) == moved


@pytest.mark.trio
async def test_fewer_wanted_copies_move_nothing_and_more_move_one_each(
    autojump_clock: Clock, net: PeerNet
) -> None:
    peers = await net.start("a", "b", "c", replicating=True)
    manifest, _ = await peers[0].hold(bytes_of(300_000))
    entry = await peers[0].publish(manifest)
    await settle(peers, [manifest])
    moved = received(peers)
    more = peers[0].entry(manifest, copies=3, sequence=entry.sequence + 1)
    for peer in peers:
        # As the tracker tells all who hold it.
        await peer.parts.catalogue.learn(peers[0].sign(more))
    await until(lambda: len(held(peers, manifest)) == 3, "the third copy")
    assert received(peers) == moved + manifest.size
    fewer = peers[0].entry(manifest, copies=2, sequence=entry.sequence + 2)
    for peer in peers:
        await peer.parts.catalogue.learn(peers[0].sign(fewer))
    await settle(peers, [manifest])
    assert received(peers) == moved + manifest.size
