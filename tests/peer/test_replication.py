"""Offers between peers: every span reaches the members that should hold it, and no others."""

import os

import pytest
import trio
from peer_net import PIECE, Clock, PeerNet, TestPeer, bytes_of, manifest_of, until

from peer.errors import NotFoundError, PeerError
from peer.swarm.offering import RECORDS_BYTES, as_fit
from protocol.entry import Tombstone
from protocol.manifest import Manifest
from protocol.messages.peering import Offer, OfferAnswer
from protocol.messages.shared import RosterDocument
from protocol.placement import spans_of
from protocol.signing import Signed

SIZE = 6 * PIECE + 99
BYTES = bytes_of(SIZE)


def ring_of(peer: TestPeer, manifest: Manifest, copies: int = 2) -> set[bytes]:
    (span,) = spans_of(manifest.id, manifest.geometry)
    return set(peer.parts.rosters.ring.holders(span.partition, copies))


def holds(peer: TestPeer, manifest: Manifest) -> bool:
    content = peer.parts.contents.get(manifest.id)
    return content is not None and content.complete


def spooled(peer: TestPeer, content: bytes, name: str = "film.bin") -> Manifest:
    path = peer.parts.directory.spool / name
    path.write_bytes(content)
    return manifest_of(path)


async def offer(
    frm: TestPeer, to: TestPeer, manifest: Manifest, records: list[Signed]
) -> OfferAnswer:
    link = await frm.link_to(to)
    reply, _ = await link.calls.call(
        lambda call: Offer(call=call, manifest=manifest.id, records=tuple(records)), OfferAnswer
    )
    return reply


@pytest.mark.trio
@pytest.mark.parametrize("seed", range(4))
async def test_content_reaches_the_ring_and_nobody_else(
    autojump_clock: Clock, net: PeerNet, seed: int
) -> None:
    peers = await net.start("a", "b", "c", "d", replicating=True)
    author = peers[seed]
    manifest, _ = await author.hold(bytes_of(SIZE, 50 + seed))
    await author.publish(manifest)
    author.parts.replication.wake()
    ring = ring_of(author, manifest)
    wanted = [peer for peer in peers if peer.me in ring]
    assert len(wanted) == 2
    await until(lambda: all(holds(peer, manifest) for peer in wanted), "two copies")
    await trio.sleep(120)
    for peer in peers:
        # Not even its author keeps a third copy.
        assert holds(peer, manifest) == (peer in wanted)
        assert peer.parts.store.buffers.in_use == 0


@pytest.mark.trio
async def test_a_machine_that_joins_later_tops_up(autojump_clock: Clock, net: PeerNet) -> None:
    (one,) = await net.start("one", replicating=True)
    manifest, _ = await one.hold(BYTES)
    await one.publish(manifest)
    await trio.sleep(60)
    (two,) = await net.start("two", replicating=True)
    await until(lambda: holds(two, manifest), "the second copy")
    assert two.bytes_held(manifest) == BYTES


@pytest.mark.trio
async def test_replication_goes_on_after_a_restart(autojump_clock: Clock, net: PeerNet) -> None:
    one, two = await net.start("one", "two", replicating=True)
    net.on_wire = lambda speaker, _, wire: setattr(
        wire, "silent_after", 5 * PIECE if speaker == "one" else None
    )
    manifest, _ = await one.hold(BYTES)
    await one.publish(manifest)
    one.parts.replication.wake()

    def begun() -> bool:
        content = two.parts.contents.get(manifest.id)
        return content is not None and content.bits.count > 0

    await until(begun, "the first pieces")
    net.on_wire = lambda *_: None
    await two.kill()
    two = await net.restart("two", replicating=True)
    await until(lambda: holds(two, manifest), "the rest")
    assert two.parts.traffic.downloaded < SIZE


@pytest.mark.trio
async def test_answers(autojump_clock: Clock, net: PeerNet) -> None:
    one, two, three = await net.start(
        "one", "two", "three", replicating=True, capacity={"three": 5 * PIECE}
    )
    manifest = spooled(one, BYTES)
    entry = one.sign(one.entry(manifest))
    # Nobody has a piece of it yet, so it stays on its way.
    await one.parts.contents.add(manifest, None, full=False)
    assert (await offer(one, two, manifest, [entry])).answer == "fetching"
    assert (await offer(one, two, manifest, [entry])).answer == "fetching"
    assert (await offer(one, three, manifest, [entry])).answer == "full"
    await one.hold(BYTES)
    await until(lambda: holds(two, manifest), "fetched")
    assert (await offer(one, two, manifest, [entry])).answer == "have"
    assert one.me in two.parts.replication.confirmed(manifest.id)
    assert three.parts.contents.get(manifest.id) is None


@pytest.mark.trio
async def test_offers_at_once_do_not_overfill(autojump_clock: Clock, net: PeerNet) -> None:
    one, two = await net.start("one", "two", replicating=True, capacity={"two": 15 * PIECE})
    answers = []
    for number in range(3):
        manifest = spooled(one, bytes_of(SIZE, number), f"{number}")
        await one.parts.contents.add(manifest, None, full=False)
        entry = one.sign(one.entry(manifest, f"{number}"))
        answers.append((await offer(one, two, manifest, [entry])).answer)
    assert answers == ["fetching", "fetching", "full"]


@pytest.mark.trio
async def test_an_entry_that_belittles_its_content_is_not_taken(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, two = await net.start("one", "two", replicating=True, capacity={"two": 3 * PIECE})
    manifest, _ = await one.hold(BYTES)
    small = one.sign(one.entry(manifest, size=1, pieces=1))
    assert (await offer(one, two, manifest, [small])).answer == "fetching"
    await trio.sleep(60)
    assert two.parts.contents.stored_bytes() == 0
    assert two.parts.downloads.all() == []


@pytest.mark.trio
async def test_what_is_deleted_is_not_taken(autojump_clock: Clock, net: PeerNet) -> None:
    one, two = await net.start("one", "two", replicating=True)
    manifest, _ = await one.hold(BYTES)
    entry = one.entry(manifest)
    tombstone = Tombstone(
        salt=entry.salt, author=entry.author, sequence=2, manifest=manifest.id, deleted=5
    )
    await two.parts.catalogue.learn(one.sign(tombstone))
    with pytest.raises(NotFoundError, match="deleted"):
        await offer(one, two, manifest, [one.sign(entry)])
    with pytest.raises(NotFoundError, match="deleted"):
        await offer(one, two, manifest, [one.sign(tombstone)])
    assert two.parts.contents.get(manifest.id) is None
    link = two.parts.links.find(one.me)
    assert link is not None
    assert not link.closed


@pytest.mark.trio
@pytest.mark.parametrize("lie", ["other content", "forged", "stranger", "garbage"])
async def test_records_that_do_not_fit_end_the_link(
    autojump_clock: Clock, net: PeerNet, lie: str
) -> None:
    one, two = await net.start("one", "two", replicating=True)
    manifest, _ = await one.hold(BYTES)
    other = spooled(one, b"other", "other")
    good = one.sign(one.entry(manifest))
    if lie == "other content":
        record = one.sign(one.entry(other, "other"))
    elif lie == "forged":
        record = Signed(good.body.replace(b"film", b"flim"), good.signature)
    elif lie == "garbage":
        record = Signed(b"\xc1garbage", bytes(64))
    else:
        net.swarm.join(net.tmp_path / "stranger" / "data", "stranger")
        stranger = TestPeer(net, "stranger", net.tmp_path / "stranger")
        record = stranger.sign(stranger.entry(manifest))
        stranger.parts.close()
        os.close(stranger.parts.lock)
    with pytest.raises(PeerError):
        await offer(one, two, manifest, [good, record])
    await until(lambda: two.parts.links.find(one.me) is None, "the link ended")
    assert two.parts.contents.get(manifest.id) is None


def test_an_offer_always_fits_a_message() -> None:
    records = [Signed(bytes(9000), bytes(64)) for _ in range(16)]
    fitting = as_fit(records)
    assert 1 < len(fitting) < 16
    assert sum(len(r.body) + 128 for r in fitting) <= RECORDS_BYTES
    huge = [Signed(bytes(32 << 10), bytes(64))] * 3
    assert len(as_fit(huge)) == 1
    assert as_fit([]) == []


@pytest.mark.trio
async def test_a_touched_file_stays_where_it_is(autojump_clock: Clock, net: PeerNet) -> None:
    """Asked for between the touch and the next look: re-read, not fetched into a second copy."""
    one, two = await net.start("one", "two", replicating=True)
    path = net.tmp_path / "film"
    path.write_bytes(BYTES)
    manifest, content = await one.share(path)
    await one.publish(manifest)
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 10**9))
    one.parts.replication.wake()
    await until(lambda: holds(two, manifest), "the copy")
    await until(lambda: holds(one, manifest), "the original counts again")
    assert one.parts.contents.get(manifest.id) is content
    assert content.path == path
    assert one.parts.traffic.downloaded == 0


@pytest.mark.trio
async def test_an_edited_file_is_restored_elsewhere_and_left_alone(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, two = await net.start("one", "two", replicating=True)
    path = net.tmp_path / "film"
    path.write_bytes(BYTES)
    manifest, content = await one.share(path)
    await one.publish(manifest)
    one.parts.replication.wake()
    await until(lambda: holds(two, manifest), "the copy")
    edited = bytearray(BYTES)
    edited[2 * PIECE + 5] ^= 1
    path.write_bytes(edited)
    os.utime(path, ns=(1, 1))
    await one.parts.watch.check(content)
    await until(lambda: holds(one, manifest), "restored")
    restored = one.parts.contents.get(manifest.id)
    assert restored is not None
    assert restored.path is None
    assert one.bytes_held(manifest) == BYTES
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (bytes(edited), 1)
    assert one.parts.traffic.downloaded == PIECE


@pytest.mark.trio
async def test_a_revoked_peer_is_cut_off(autojump_clock: Clock, net: PeerNet) -> None:
    one, two, three = await net.start("one", "two", "three")
    await one.link_to(two)
    await three.link_to(two)
    encoded = net.swarm.roster(revoked=frozenset({one.me}))
    link = await three.link_to(two)
    link.put(RosterDocument(length=len(encoded), number=net.swarm.number), encoded)
    await until(lambda: two.parts.links.find(one.me) is None, "cut off")
    assert two.parts.rosters.number == net.swarm.number
    # It gets as far as hearing why.
    refused = await one.link_to(two)
    await refused.ended.wait()
    assert "revoked" in refused.reason
    assert two.parts.links.find(one.me) is None
    assert two.parts.links.find(three.me) is not None
