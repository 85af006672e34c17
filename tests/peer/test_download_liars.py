"""A download from a member that speaks the protocol by hand, to do harm: it ends its link only."""

from collections import Counter
from contextlib import suppress

import pytest
from fetching import CONTENT, Liar, begin, get, nothing_leaks
from peer_net import PIECE, Clock, PeerNet, TestPeer, manifest_of, until

from peer.limits.rates import Rates
from peer.store.contents import Content
from peer.swarm.download import Download
from protocol.codec import encode_control
from protocol.drivers.on_trio import ConnectionLostError
from protocol.ids import ManifestId
from protocol.manifest import Manifest
from protocol.messages.peering import CancelPiece, Follow, GetPiece, Have, Holds, NoPiece, Piece


@pytest.fixture
async def scene(net: PeerNet) -> tuple[TestPeer, TestPeer, TestPeer, Manifest, Liar, Download]:
    """A download with a liar as its only source; the good source holds the content later."""
    liar_peer, good, me = await net.start("liar", "good", "me")
    path = good.parts.directory.spool / "film"
    path.write_bytes(CONTENT)
    manifest = manifest_of(path)
    liar = await Liar(net, liar_peer, me).connect()
    await until(lambda: me.parts.links.find(liar_peer.me) is not None, "linked")
    running = await begin(me, manifest)
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
    link = me.parts.links.find(liar_peer.me)
    assert link is not None
    assert running.picker.has_all(link)
    assert not running.picker.has(link, 41)
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
    """While one goes out slowly, the others wait in line; a line has an end."""
    greedy, me = await net.start("greedy", "me")
    manifest, _ = await me.hold(CONTENT)
    me.parts.pacing.set_limits(Rates(up=50_000), {}, frozenset())
    liar = await Liar(net, greedy, me).connect()
    await until(lambda: me.parts.links.find(greedy.me) is not None, "linked")
    link = me.parts.links.find(greedy.me)
    assert link is not None
    await liar.channel.send(GetPiece(manifest=manifest.id, piece=0))
    await until(lambda: liar.channel.connection.due > 0, "the first is on its way")
    with suppress(ConnectionLostError):
        for n in range(300):
            await liar.channel.send(GetPiece(manifest=ManifestId(bytes([n % 256] * 32)), piece=n))
    await until(lambda: link.closed, "the greedy link is cut")
    assert "more than 256 pieces" in link.reason
    nothing_leaks(me)


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
