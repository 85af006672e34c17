"""Surplus copies go, and only under promises of those who keep theirs."""

from pathlib import Path

import pytest
import trio
from peer_net import PIECE, Clock, PeerNet, TestPeer, bytes_of, until

from peer.operator.letting_go import READ_FOR
from peer.swarm.surplus import SETTLED
from protocol.entry import open_record_untrusted
from protocol.manifest import Manifest
from protocol.messages.keeping import Keep, Kept, Release
from protocol.messages.operating import Read
from protocol.placement import spans_of

SIZE = 5 * PIECE + 7


def ring_of(peer: TestPeer, manifest: Manifest) -> set[bytes]:
    (span,) = spans_of(manifest.id, manifest.geometry)
    return set(peer.parts.rosters.ring.holders(span.partition, 2))


def holds(peer: TestPeer, manifest: Manifest) -> bool:
    content = peer.parts.contents.get(manifest.id)
    return content is not None and content.complete


async def held_by_ring(net: PeerNet, *names: str) -> tuple[Manifest, list[TestPeer], TestPeer]:
    """Peers of which the ring's two hold something, and so does one more: it comes last."""
    peers = await net.start(*names, replicating=True)
    manifest, _ = await peers[0].hold(bytes_of(SIZE))
    await peers[0].publish(manifest)
    ring = ring_of(peers[0], manifest)
    holders = [peer for peer in peers if peer.me in ring]
    await until(lambda: all(holds(peer, manifest) for peer in holders), "two copies")
    other = next(peer for peer in peers if peer.me not in ring)
    if not holds(other, manifest):
        await other.hold(bytes_of(SIZE))
        await other.publish(manifest)
    return manifest, holders, other


async def ask(frm: TestPeer, to: TestPeer, manifest: Manifest, span: int = 0) -> str:
    link = await frm.link_to(to)
    reply, _ = await link.calls.call(
        lambda call: Keep(call=call, manifest=manifest.id, span=span), Kept
    )
    return reply.answer


def files_of(peer: TestPeer) -> list[Path]:
    return [path for path in peer.parts.directory.content.rglob("*") if path.is_file()]


@pytest.mark.trio
async def test_a_surplus_copy_goes_and_its_room_is_given_back(
    autojump_clock: Clock, net: PeerNet
) -> None:
    manifest, holders, other = await held_by_ring(net, "a", "b", "c")
    before = [peer.parts.traffic.uploaded for peer in holders]
    assert holds(other, manifest)
    await until(lambda: not holds(other, manifest), "the third copy goes")
    assert files_of(other) == []
    await trio.sleep(600)
    assert all(holds(peer, manifest) for peer in holders)
    assert not holds(other, manifest)
    # Nobody offers it back, and nothing was moved for it.
    assert [peer.parts.traffic.uploaded for peer in holders] == before
    for peer in (*holders, other):
        assert other.me not in peer.parts.replication.confirmed(manifest.id)
        assert peer.parts.promises._promised == {}


@pytest.mark.trio
async def test_it_stays_while_one_of_the_others_is_away(
    autojump_clock: Clock, net: PeerNet
) -> None:
    manifest, holders, other = await held_by_ring(net, "a", "b", "c")
    name = holders[0].name
    await holders[0].kill()
    # Within the grace time the ring still names the one that is away.
    await trio.sleep(900)
    assert holds(other, manifest)
    await net.restart(name, replicating=True)
    await until(lambda: not holds(other, manifest), "the third copy goes")


@pytest.mark.trio
async def test_it_stays_while_another_is_about_to_drop_its_own(
    autojump_clock: Clock, net: PeerNet
) -> None:
    manifest, holders, other = await held_by_ring(net, "a", "b", "c")
    key = (manifest.id, 0)
    assert holders[0].parts.promises.begin(key, trio.current_time())
    await trio.sleep(10 * SETTLED)
    assert holds(other, manifest)
    # Whoever was asked, and promised, was released again.
    assert not holders[1].parts.promises.is_promised(key, trio.current_time())
    holders[0].parts.promises.end(key)
    await until(lambda: not holds(other, manifest), "the third copy goes")


@pytest.mark.trio
async def test_answers(autojump_clock: Clock, net: PeerNet) -> None:
    one, two = await net.start("one", "two")
    manifest, content = await two.hold(bytes_of(SIZE))
    assert await ask(one, two, manifest) == "kept"
    link = await one.link_to(two)
    link.put(Release(manifest=manifest.id, span=0, dropped=False))
    key = (manifest.id, 0)
    await until(lambda: not two.parts.promises.is_promised(key, trio.current_time()), "released")
    two.parts.promises.begin(key, trio.current_time())
    assert await ask(one, two, manifest) == "going"
    two.parts.promises.end(key)
    await two.parts.contents.discount(content, [2])
    assert await ask(one, two, manifest) == "lacks"


@pytest.mark.trio
async def test_what_is_only_in_the_books_is_not_promised(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, two = await net.start("one", "two")
    manifest, _ = await two.hold(bytes_of(SIZE))
    two.parts.contents.content_file(manifest.id).unlink()
    assert await ask(one, two, manifest) == "lacks"


@pytest.mark.trio
async def test_a_users_changed_file_is_not_promised(
    autojump_clock: Clock, net: PeerNet, tmp_path: Path
) -> None:
    one, two = await net.start("one", "two")
    path = tmp_path / "film.bin"
    path.write_bytes(bytes_of(SIZE))
    manifest, _ = await two.share(path)
    assert await ask(one, two, manifest) == "kept"
    path.write_bytes(bytes_of(SIZE, 2))
    assert await ask(one, two, manifest) == "lacks"


@pytest.mark.trio
async def test_who_asks_about_a_span_that_cannot_be_is_cut(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, two = await net.start("one", "two")
    manifest, _ = await two.hold(bytes_of(SIZE))
    link = await one.link_to(two)
    link.put(Keep(call=1, manifest=manifest.id, span=7))
    await link.ended.wait()
    assert await ask(one, two, manifest) == "kept"


@pytest.mark.trio
async def test_a_stop_in_the_middle_of_a_drop_claims_nothing_that_is_gone(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, holders, other = await held_by_ring(net, "a", "b", "c")
    stopped = trio.Event()

    async def stop(*_: object) -> None:
        stopped.set()
        await trio.sleep_forever()

    # The file is gone, and that was not recorded.
    monkeypatch.setattr(other.parts.contents, "trash", stop)
    await stopped.wait()
    await other.kill()
    other = await net.restart(other.name)
    assert not holds(other, manifest)
    assert all(holds(peer, manifest) for peer in holders)


@pytest.mark.trio
async def test_a_file_of_the_user_is_never_dropped(
    autojump_clock: Clock, net: PeerNet, tmp_path: Path
) -> None:
    manifest, _, other = await held_by_ring(net, "a", "b", "c")
    await until(lambda: not holds(other, manifest), "the third copy goes")
    path = tmp_path / "mine.bin"
    path.write_bytes(bytes_of(SIZE))
    _, content = await other.share(path)
    other.parts.adding.on_added(content)
    await trio.sleep(10 * SETTLED)
    assert holds(other, manifest)
    assert path.exists()


@pytest.mark.trio
async def test_what_somebody_reads_on_the_page_stays_for_a_while(
    autojump_clock: Clock, net: PeerNet
) -> None:
    manifest, holders, other = await held_by_ring(net, "a", "b", "c")
    await until(lambda: not holds(other, manifest), "the third copy goes")
    for peer in (*holders, other):
        for signed in await holders[0].parts.catalogue.naming(manifest.id):
            await peer.parts.catalogue.learn(signed)
    entry = (await other.parts.catalogue.naming(manifest.id))[0]
    read = Read(call=1, entry=open_record_untrusted(entry).id.hex(), file=0, offset=0)
    await other.parts.requests.answer(read, lambda _: None)
    await until(lambda: holds(other, manifest), "all of it is here")
    await trio.sleep(READ_FOR - 60)
    await other.parts.requests.answer(read, lambda _: None)
    await trio.sleep(READ_FOR - 60)
    assert holds(other, manifest)
    assert other.parts.traffic.downloaded == manifest.size
    await until(lambda: not holds(other, manifest), "nobody reads it any more")


@pytest.mark.trio
async def test_who_was_not_asked_hears_of_a_drop_too(
    autojump_clock: Clock, net: PeerNet, tmp_path: Path
) -> None:
    """Or it would take the copy for one that is there, and offer it to nobody."""
    manifest, holders, other = await held_by_ring(net, "a", "b", "c")
    (watcher,) = await net.start("w", replicating=True, capacity={"w": 0})
    path = tmp_path / "mine.bin"
    path.write_bytes(bytes_of(SIZE))
    _, content = await watcher.share(path)
    await watcher.publish(manifest)
    watcher.parts.adding.on_added(content)
    book = watcher.parts.replication.offering.book
    for peer in (*holders, other):
        await watcher.link_to(peer)
        book.has(peer.me, manifest.id)
    await until(lambda: not holds(other, manifest), "the third copy goes")
    await until(lambda: not book.is_confirmed(other.me, manifest.id), "it is heard of")
    assert all(book.is_confirmed(peer.me, manifest.id) for peer in holders)
