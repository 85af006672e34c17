"""Downloads between real peers in one process: complete, frugal, and robust against bad sources."""

from collections import Counter
from collections.abc import Hashable
from pathlib import Path

import pytest
import trio
from fetching import CONTENT, SIZE, begin, get, nothing_leaks
from peer_net import PIECE, Clock, PeerNet, TestPeer, Way, Wire, bytes_of, until

from peer.swarm.download import Download
from protocol.manifest import Manifest
from protocol.messages.peering import GetPiece


@pytest.mark.trio
async def test_from_two_sources_no_piece_is_asked_for_twice(
    autojump_clock: Clock, net: PeerNet
) -> None:
    net.ways = {"one": Way(5e6), "two": Way(5e6)}
    one, two, three = await net.start("one", "two", "three")
    manifest, _ = await one.hold(CONTENT)
    await two.hold(CONTENT)
    download = await begin(three, manifest)
    picked: Counter[int | None] = Counter()
    pick = download.picker.pick

    def counted(source: Hashable, *, own: bool = False) -> int | None:
        piece = pick(source, own=own)
        picked[piece] += 1
        return piece

    download.picker.pick = counted  # type: ignore[method-assign]
    await download.closed.wait()
    assert download.error is None
    assert three.bytes_held(manifest) == CONTENT
    del picked[None]
    assert picked == Counter(range(41))
    content = three.parts.contents.get(manifest.id)
    assert content is not None
    assert content.complete
    assert download.received == SIZE
    # Only the last ones, when nothing else is left to ask for, may be asked of both.
    assert three.parts.traffic.downloaded - SIZE <= 10 * PIECE
    sent = one.parts.traffic.uploaded, two.parts.traffic.uploaded
    assert all(sent), f"both should have sent something: {sent}"
    assert download.senders == {one.me, two.me}
    # What was asked of both at the end may still be on its way.
    await trio.sleep(5)
    nothing_leaks(one, two, three)


@pytest.mark.trio
async def test_from_one_source_exactly_its_bytes_come(autojump_clock: Clock, net: PeerNet) -> None:
    one, two = await net.start("one", "two")
    manifest, _ = await one.hold(CONTENT)
    download = await get(two, manifest)
    assert download.error is None
    assert download.received == SIZE == two.parts.traffic.downloaded == one.parts.traffic.uploaded
    assert two.parts.traffic.received_from == {one.me: SIZE}


@pytest.mark.trio
@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
async def test_sizes_around_a_piece(autojump_clock: Clock, net: PeerNet, size: int) -> None:
    one, two = await net.start("one", "two")
    content = bytes_of(size)
    manifest, _ = await one.hold(content)
    path = net.tmp_path / "out" / "film"
    download = await get(two, manifest, path)
    assert download.error is None
    assert path.read_bytes() == content
    nothing_leaks(one, two)


@pytest.mark.trio
async def test_a_folder_arrives_as_it_was(autojump_clock: Clock, net: PeerNet) -> None:
    one, two = await net.start("one", "two")
    folder = net.tmp_path / "folder"
    (folder / "sub" / "empty").mkdir(parents=True)
    (folder / "big").write_bytes(bytes_of(2 * PIECE + 5, 1))
    for number in range(30):
        (folder / "sub" / f"{number}").write_bytes(bytes_of(number * 977, number))
    (folder / "tool").write_bytes(b"#!/bin/sh\n")
    (folder / "tool").chmod(0o755)
    manifest, _ = await one.share(folder)
    path = net.tmp_path / "out"
    download = await get(two, manifest, path)
    assert download.error is None
    names = {p.relative_to(folder) for p in folder.rglob("*")}
    assert {p.relative_to(path) for p in path.rglob("*")} == names
    for name in names:
        if (folder / name).is_file():
            assert (path / name).read_bytes() == (folder / name).read_bytes()
    assert (path / "tool").stat().st_mode & 0o100
    assert not (path / "big").stat().st_mode & 0o111
    content = two.parts.contents.get(manifest.id)
    assert content is not None
    assert len(content.stats) == 32
    nothing_leaks(one, two)


@pytest.mark.trio
async def test_a_folder_of_middling_files_arrives(autojump_clock: Clock, net: PeerNet) -> None:
    """Packed files large enough for direct writes, at places in a piece that are not aligned."""
    one, two = await net.start("one", "two")
    folder = net.tmp_path / "folder"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number}").write_bytes(bytes_of(65_000 + 9_001 * number, number))
    manifest, _ = await one.share(folder)
    path = net.tmp_path / "out"
    download = await get(two, manifest, path)
    assert download.error is None
    for file in folder.iterdir():
        assert (path / file.name).read_bytes() == file.read_bytes()


def rot(peer: TestPeer, manifest: Manifest, pieces: range) -> None:
    path = peer.parts.contents.content_file(manifest.id)
    with path.open("r+b") as file:
        for piece in pieces:
            file.seek(piece * PIECE + 7)
            byte = file.read(1)
            file.seek(piece * PIECE + 7)
            file.write(bytes([byte[0] ^ 1]))


@pytest.mark.trio
async def test_a_source_of_wrong_bytes_is_shunned_after_two(
    autojump_clock: Clock, net: PeerNet
) -> None:
    bad, good, me = await net.start("bad", "good", "me")
    manifest, _ = await bad.hold(CONTENT)
    await good.hold(CONTENT)
    rot(bad, manifest, range(41))
    download = await get(me, manifest)
    assert download.error is None
    assert me.bytes_held(manifest) == CONTENT
    assert download.senders == {good.me}
    assert me.parts.shunned(bad.me)
    assert not me.parts.shunned(good.me)
    assert me.parts.links.find(bad.me) is None
    # It cannot come back, either way round.
    link = await bad.link_to(me)
    await link.ended.wait()
    assert me.parts.links.find(bad.me) is None
    nothing_leaks(bad, good, me)


@pytest.mark.trio
async def test_one_bad_piece_is_fetched_elsewhere_and_forgiven(
    autojump_clock: Clock, net: PeerNet
) -> None:
    bad, good, me = await net.start("bad", "good", "me")
    manifest, _ = await bad.hold(CONTENT)
    rot(bad, manifest, range(3, 4))
    running = await begin(me, manifest)
    await until(lambda: running.done_bytes == SIZE - PIECE, "all but the bad piece")
    content = me.parts.contents.get(manifest.id)
    assert content is not None
    assert 3 not in content.bits
    await good.hold(CONTENT)
    await running.closed.wait()
    assert running.error is None
    assert me.bytes_held(manifest) == CONTENT
    assert not me.parts.shunned(bad.me)
    assert running.senders == {bad.me, good.me}


@pytest.mark.trio
@pytest.mark.parametrize("how", ["silent", "killed"])
async def test_a_source_that_goes_away_midway(
    autojump_clock: Clock, net: PeerNet, how: str
) -> None:
    dying, steady, me = await net.start("dying", "steady", "me")
    manifest, _ = await dying.hold(CONTENT)

    def mute(speaker: str, listener: str, wire: Wire) -> None:
        if (speaker, listener) == ("dying", "me"):
            wire.silent_after = 10 * PIECE

    net.on_wire = mute
    running = await begin(me, manifest)
    await until(lambda: running.received >= 4 * PIECE, "the first pieces")
    if how == "killed":
        await dying.kill()
    await steady.hold(CONTENT)
    await running.closed.wait()
    assert running.error is None
    assert me.bytes_held(manifest) == CONTENT
    assert steady.me in running.senders
    # What came from the first was kept.
    assert steady.parts.traffic.uploaded <= SIZE - 4 * PIECE
    nothing_leaks(steady, me)


@pytest.mark.trio
async def test_alone_for_too_long_fails_and_says_so(autojump_clock: Clock, net: PeerNet) -> None:
    one, me = await net.start("one", "me")
    manifest, _ = await one.hold(CONTENT)
    await one.kill()
    started = trio.current_time()
    download = await get(me, manifest)
    assert download.error is not None
    assert "no machine that holds 'film'" in str(download.error)
    assert trio.current_time() - started < 60
    nothing_leaks(me)


@pytest.mark.trio
async def test_resume_fetches_only_what_is_missing(autojump_clock: Clock, net: PeerNet) -> None:
    one, me = await net.start("one", "me")
    manifest, _ = await one.hold(CONTENT)

    def mute(speaker: str, listener: str, wire: Wire) -> None:
        if (speaker, listener) == ("one", "me"):
            wire.silent_after = 12 * PIECE

    net.on_wire = mute
    running = await begin(me, manifest)
    await until(lambda: running.done_bytes >= 8 * PIECE, "some pieces on disk")
    await me.kill()
    net.on_wire = lambda *_: None
    again = await net.restart("me")
    content = again.parts.contents.get(manifest.id)
    assert content is not None
    had = content.bits.count
    assert 8 <= had < 41
    before = sum(manifest.geometry.piece_size(piece) for piece in content.bits)
    download = await get(again, manifest)
    assert download.error is None
    assert download.received == SIZE - before
    assert again.bytes_held(manifest) == CONTENT


@pytest.mark.trio
async def test_two_begin_the_same_at_once(autojump_clock: Clock, net: PeerNet) -> None:
    """Both must get one download, of the content that the store knows."""
    one, me = await net.start("one", "me")
    manifest, _ = await one.hold(CONTENT)
    found: list[Download] = []

    async def begin(path: Path | None) -> None:
        found.append(
            await me.parts.downloads.fetch(
                manifest, path=path, wanted=None, purpose="get", name="film"
            )
        )

    async with trio.open_nursery() as nursery:
        nursery.start_soon(begin, None)
        nursery.start_soon(begin, net.tmp_path / "film")
        nursery.start_soon(begin, None)
    assert len(set(map(id, found))) == 1
    await found[0].closed.wait()
    assert found[0].error is None
    content = me.parts.contents.get(manifest.id)
    assert content is found[0].content
    assert content.complete


@pytest.mark.trio
async def test_stopping_gives_everything_back(autojump_clock: Clock, net: PeerNet) -> None:
    net.ways["one"] = Way(5e6)
    one, me = await net.start("one", "me")
    manifest, _ = await one.hold(CONTENT)
    running = await begin(me, manifest)
    await until(lambda: running.received >= 2 * PIECE, "some pieces")
    me.parts.downloads.stop(manifest.id, "the entry was deleted")
    await running.closed.wait()
    assert "the entry was deleted" in str(running.error)
    await until(lambda: me.parts.store.buffers.in_use == 0, "buffers given back")
    link = me.parts.links.find(one.me)
    assert link is not None
    assert not link.closed
    # Not a word of it is left on the other side either.
    other = one.parts.links.find(me.me)
    assert other is not None
    await until(lambda: manifest.id not in other.followed, "unfollowed")
    download = await get(me, manifest)
    assert download.error is None
    nothing_leaks(one, me)


@pytest.mark.trio
async def test_a_trashed_content_under_work_harms_nobody(
    autojump_clock: Clock, net: PeerNet
) -> None:
    """Whoever still has it in hand meets an error of the store at worst, never a crash."""
    one, me = await net.start("one", "me")
    manifest, content = await one.hold(CONTENT)
    await one.parts.store.trash(content, 1)
    one.parts.contents.trim()
    await one.parts.watch.check(content)
    await one.parts.store.verify(content, lambda _: None)
    assert one.parts.contents.get(manifest.id) is None
    link = await me.link_to(one)
    link.put(GetPiece(manifest=manifest.id, piece=0))
    await trio.sleep(1)
    assert not link.closed
