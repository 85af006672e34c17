"""Downloads between real peers in one process: complete, frugal, and robust against bad sources."""

from collections import Counter
from collections.abc import Hashable
from contextlib import suppress
from pathlib import Path

import pytest
import trio
from peer_net import PIECE, Clock, PeerNet, TestPeer, Wire, bytes_of, manifest_of, until

from peer.store.contents import Content
from peer.swarm.download import Download
from protocol.codec import encode_control
from protocol.drivers.on_trio import ConnectionLostError, TrioChannel
from protocol.manifest import Manifest
from protocol.messages.base import Message, Ping
from protocol.messages.peering import CancelPiece, Follow, GetPiece, Have, Holds, NoPiece, Piece
from protocol.messages.shared import Locate, Located

SIZE = 40 * PIECE + 1234
CONTENT = bytes_of(SIZE)


async def get(peer: TestPeer, manifest: Manifest, path: Path | None = None) -> Download:
    download = await peer.parts.downloads.fetch(
        manifest, path=path, wanted=None, purpose="get", name="film"
    )
    await download.closed.wait()
    return download


def nothing_leaks(*peers: TestPeer) -> None:
    for peer in peers:
        assert peer.parts.store.buffers.in_use == 0
        services = peer.parts.links.services
        assert services is not None
        assert services.serving.in_use == 0
        assert peer.parts.downloads.all() == []


@pytest.mark.trio
async def test_from_two_sources_no_piece_comes_twice(autojump_clock: Clock, net: PeerNet) -> None:
    one, two, three = await net.start("one", "two", "three")
    manifest, _ = await one.hold(CONTENT)
    await two.hold(CONTENT)
    download = await three.parts.downloads.fetch(
        manifest, path=None, wanted=None, purpose="get", name="film"
    )
    picked: Counter[int | None] = Counter()
    pick = download.picker.pick

    def counted(source: Hashable) -> int | None:
        piece = pick(source)
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
    running = await me.parts.downloads.fetch(
        manifest, path=None, wanted=None, purpose="get", name="film"
    )
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
    running = await me.parts.downloads.fetch(
        manifest, path=None, wanted=None, purpose="get", name="film"
    )
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
    running = await me.parts.downloads.fetch(
        manifest, path=None, wanted=None, purpose="get", name="film"
    )
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
    one, me = await net.start("one", "me")
    manifest, _ = await one.hold(CONTENT)
    running = await me.parts.downloads.fetch(
        manifest, path=None, wanted=None, purpose="get", name="film"
    )
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


class Liar:
    """A member that speaks the protocol by hand to one peer."""

    def __init__(self, net: PeerNet, me: TestPeer, victim: TestPeer) -> None:
        self.net, self.me, self.victim = net, me, victim
        self.heard: list[Message] = []
        self.answers_locate = True
        self.channel: TrioChannel

    async def connect(self) -> "Liar":
        credentials = self.me.parts.admission.dialling(self.victim.me)
        self.channel = await self.net._open_channel(self.victim.name, 1, credentials)
        self.me.nursery.start_soon(self._listen)
        self.me.nursery.start_soon(self._ping)
        return self

    async def _ping(self) -> None:
        with suppress(ConnectionLostError):
            while True:
                await trio.sleep(3)
                await self.channel.send(Ping())

    async def _listen(self) -> None:
        try:
            while True:
                event = await self.channel.receive()
                following = getattr(event, "following", 0)
                if following:
                    await self.channel.receive_document(following)
                if hasattr(event, "message"):
                    self.heard.append(event.message)
                    if isinstance(event.message, Locate) and self.answers_locate:
                        call = event.message.call
                        await self.channel.send(Located(call=call, holders=()))
                else:
                    return
        except Exception as error:
            self.error = error

    def asked(self) -> list[int]:
        return [m.piece for m in self.heard if isinstance(m, GetPiece)]


@pytest.fixture
async def scene(net: PeerNet) -> tuple[TestPeer, TestPeer, TestPeer, Manifest, Liar, Download]:
    """A download with a liar as its only source; the good source holds the content later."""
    liar_peer, good, me = await net.start("liar", "good", "me")
    path = good.parts.directory.spool / "film"
    path.write_bytes(CONTENT)
    manifest = manifest_of(path)
    liar = await Liar(net, liar_peer, me).connect()
    await until(lambda: me.parts.links.find(liar_peer.me) is not None, "linked")
    running = await me.parts.downloads.fetch(
        manifest, path=None, wanted=None, purpose="get", name="film"
    )
    await until(lambda: any(isinstance(m, Follow) for m in liar.heard), "asked what it holds")
    await liar.channel.send(Holds(manifest=manifest.id, bits=None))
    await until(lambda: bool(liar.asked()), "asked for a piece")
    return liar_peer, good, me, manifest, liar, running


Scene = tuple[TestPeer, TestPeer, TestPeer, Manifest, Liar, Download]


async def finishes_from_the_good_one(scene: Scene) -> None:
    _, good, me, manifest, _, running = scene
    await good.hold(CONTENT)
    await running.closed.wait()
    assert running.error is None
    assert me.bytes_held(manifest) == CONTENT
    nothing_leaks(good, me)


@pytest.mark.trio
async def test_a_piece_of_the_wrong_length_ends_that_link_only(
    autojump_clock: Clock, scene: Scene
) -> None:
    liar_peer, _, me, manifest, liar, _ = scene
    piece = liar.asked()[0]
    header = Piece(length=100, manifest=manifest.id, piece=piece)
    await liar.channel.send_bytes(header, bytes(100))
    await until(lambda: me.parts.links.find(liar_peer.me) is None, "the liar's link ended")
    await finishes_from_the_good_one(scene)


@pytest.mark.trio
async def test_unsolicited_pieces_end_that_link_only(autojump_clock: Clock, scene: Scene) -> None:
    liar_peer, _, me, manifest, liar, running = scene
    asked = set(liar.asked())
    not_asked = next(piece for piece in range(40) if piece not in asked)
    header = Piece(length=PIECE, manifest=manifest.id, piece=not_asked)
    await liar.channel.send_bytes(header, bytes(PIECE))
    await until(lambda: me.parts.links.find(liar_peer.me) is None, "the link has ended")
    assert running.received == 0
    assert me.parts.store.buffers.in_use == 0
    await finishes_from_the_good_one(scene)


@pytest.mark.trio
@pytest.mark.parametrize(
    "lie",
    [
        lambda m: Holds(manifest=m, bits=b"\xff"),
        lambda m: Holds(manifest=m, bits=b"\xff" * 6),
        lambda m: Follow(manifest=m) and Piece(length=0, manifest=m, piece=0),
    ],
    ids=["short bits", "bits past the end", "empty piece"],
)
async def test_lies_end_that_link_only(autojump_clock: Clock, scene: Scene, lie: object) -> None:
    liar_peer, _, me, manifest, liar, _ = scene
    message = lie(manifest.id)  # type: ignore[operator]
    if isinstance(message, Piece):
        # Our own end refuses to say such a thing.
        sealed = liar.channel.connection._seal(encode_control(message))
        await liar.channel.stream.send_all(sealed)
    else:
        await liar.channel.send(message)
    await until(lambda: me.parts.links.find(liar_peer.me) is None, "the liar's link ended")
    await finishes_from_the_good_one(scene)


@pytest.mark.trio
async def test_hostile_indices_change_nothing(autojump_clock: Clock, scene: Scene) -> None:
    liar_peer, _, me, manifest, liar, running = scene
    await liar.channel.send(Have(manifest=manifest.id, pieces=(0, 0, 41, 262_143)))
    await liar.channel.send(NoPiece(manifest=manifest.id, piece=262_143))
    await liar.channel.send(CancelPiece(manifest=manifest.id, piece=262_143))
    await liar.channel.send(GetPiece(manifest=manifest.id, piece=262_143))
    await until(lambda: any(isinstance(m, NoPiece) for m in liar.heard), "no such piece")
    assert [running.picker.availability(piece) for piece in range(41)] == [1] * 41
    assert me.parts.links.find(liar_peer.me) is not None
    await finishes_from_the_good_one(scene)


@pytest.mark.trio
async def test_saying_no_to_everything_leaves_it_to_others(
    autojump_clock: Clock, scene: Scene
) -> None:
    _, _, _, manifest, liar, _ = scene
    for piece in range(41):
        await liar.channel.send(NoPiece(manifest=manifest.id, piece=piece))
    await finishes_from_the_good_one(scene)


@pytest.mark.trio
async def test_more_than_256_pieces_at_once_is_cut(autojump_clock: Clock, net: PeerNet) -> None:
    greedy, me = await net.start("greedy", "me")
    liar = await Liar(net, greedy, me).connect()
    await until(lambda: me.parts.links.find(greedy.me) is not None, "linked")
    # All in one write, so that the other side reads them before it answers one.
    stream = b"".join(
        liar.channel.connection.send(GetPiece(manifest=bytes([n % 256] * 32), piece=n))  # type: ignore[arg-type]
        for n in range(300)
    )
    await liar.channel.stream.send_all(stream)
    await until(lambda: me.parts.links.find(greedy.me) is None, "the greedy link is cut")


@pytest.mark.trio
async def test_what_a_source_sits_on_comes_from_another(
    autojump_clock: Clock, scene: Scene
) -> None:
    """Answering pings is life, not delivery."""
    await finishes_from_the_good_one(scene)


@pytest.mark.trio
async def test_a_source_that_does_not_say_who_else_has_it(
    autojump_clock: Clock, scene: Scene
) -> None:
    """Others are found all the same, and soon."""
    scene[4].answers_locate = False
    await finishes_from_the_good_one(scene)


@pytest.mark.trio
async def test_a_source_that_only_pings_is_let_go(autojump_clock: Clock, scene: Scene) -> None:
    liar_peer, _, me, _, _, _ = scene
    link = me.parts.links.find(liar_peer.me)
    assert link is not None
    await until(lambda: link.closed, "let go", seconds=120)


@pytest.mark.trio
async def test_pieces_are_announced_to_followers_as_they_become_durable(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, me, other = await net.start("one", "me", "other")
    manifest, _ = await one.hold(CONTENT)
    liar = await Liar(net, other, me).connect()
    await until(lambda: me.parts.links.find(other.me) is not None, "linked")
    await liar.channel.send(Follow(manifest=manifest.id))
    await until(lambda: any(isinstance(m, Holds) for m in liar.heard), "nothing yet")
    assert [m.bits for m in liar.heard if isinstance(m, Holds)] == [b""]
    recorded: Counter[int] = Counter()

    def note(content: Content, pieces: list[int]) -> None:
        assert all(piece in content.bits for piece in pieces)
        recorded.update(pieces)

    me.parts.downloads.on_recorded = note
    download = await get(me, manifest)
    assert download.error is None
    await until(
        lambda: sum(len(m.pieces) for m in liar.heard if isinstance(m, Have)) == 41, "have of all"
    )
    told = Counter(p for m in liar.heard if isinstance(m, Have) for p in m.pieces)
    assert told == recorded == Counter(range(41))
