"""The beginning of a `get`: what is asked of whom before the first byte, and in what order."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from peer_net import PIECE, Clock, PeerNet, TestPeer, bytes_of

from peer.errors import UnreachableError
from peer.swarm.downloads import FEW
from protocol.drivers.on_trio import ConnectionLostError
from protocol.entry import Entry
from protocol.manifest import Manifest
from protocol.messages.base import Message, Reply
from protocol.messages.operating import Fetch, Fetched
from protocol.messages.shared import GetManifest, Holder, Locate, Located, ManifestDocument
from protocol.messages.tracking import GetEntry, HolderSummary, Listing, Listings
from protocol.signing import Signed

TURN = 1.0
"""Seconds to the tracker and back."""
CONTENT = bytes_of(5 * PIECE + 7)


class FarTracker:
    """Answers one peer, a turn later, what a tracker would of one entry and its holders."""

    def __init__(
        self, net: PeerNet, manifest: Manifest, entry: Entry, record: Signed, *holders: TestPeer
    ) -> None:
        self.net, self.manifest, self.entry, self.record = net, manifest, entry, record
        self.holders = holders
        self.asked: list[tuple[str, float]] = []
        """What was asked, and when."""
        self.dials_at: dict[str, int] = {}
        """How often anybody had dialled when an answer of a kind left."""

    async def call(self, make: Callable[[int], Message], *_: Any, **__: Any) -> tuple[Reply, bytes]:
        request = make(1)
        name = type(request).__name__
        self.asked.append((name, trio.current_time()))
        await trio.sleep(TURN)
        self.dials_at.setdefault(name, self.net.dials)
        match request:
            case GetEntry():
                told = tuple(
                    HolderSummary(peer=holder.me, pieces=self.manifest.pieces, state="live")
                    for holder in self.holders
                )
                listing = Listing(record=self.record, have=len(told), holders=told)
                return Listings(call=1, listings=(listing,), total=1), b""
            case GetManifest():
                encoded = self.manifest.encoded
                header = ManifestDocument(call=1, length=len(encoded), manifest=self.manifest.id)
                return header, encoded
            case Locate():
                found = tuple(
                    Holder(peer=holder.me, state="live", addresses=(f"{holder.name}:1",), bits=None)
                    for holder in self.holders
                )
                return Located(call=1, holders=found), b""
        raise UnreachableError("not in this test")


async def far_tracker(
    net: PeerNet, monkeypatch: pytest.MonkeyPatch, taker: TestPeer, *holders: TestPeer
) -> FarTracker:
    """Give the taker a tracker that knows of one entry, and that everybody is there."""
    manifest, _ = await holders[0].hold(CONTENT)
    for other in holders[1:]:
        await other.hold(CONTENT)
    entry = holders[0].entry(manifest)
    tracker = FarTracker(net, manifest, entry, holders[0].sign(entry), *holders)
    monkeypatch.setattr(taker.parts.tracker, "call", tracker.call)
    for peer in net.peers.values():
        if peer is not taker:
            taker.parts.presence.tell(peer.me, "live")
    return tracker


async def get(taker: TestPeer, tracker: FarTracker, path: Path) -> Fetched:
    """`get`, as the command line asks for it."""
    request = Fetch(call=1, entry=tracker.entry.id.hex(), path=str(path))
    return await taker.parts.requests.fetching.fetch(request, lambda _: None)


@pytest.mark.trio
async def test_few_machines_are_dialled_while_the_tracker_is_asked(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    taker, holder, other = await net.start("taker", "holder", "other")
    tracker = await far_tracker(net, monkeypatch, taker, holder)
    began = trio.current_time()
    got = await get(taker, tracker, tmp_path / "film")
    assert (tmp_path / "film").read_bytes() == CONTENT
    assert got.sources == ("holder",)
    assert tracker.dials_at["GetEntry"] == 2
    assert net.dials == 2, "nobody is dialled twice"
    assert tracker.asked[:3] == [
        ("GetEntry", began),
        ("GetManifest", began + TURN),
        ("Locate", began + TURN),
    ]
    assert other.parts.links.find(taker.me) is not None


@pytest.mark.trio
async def test_two_turns_to_the_tracker_are_all_that_passes_before_pieces_come(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    taker, holder = await net.start("taker", "holder")
    tracker = await far_tracker(net, monkeypatch, taker, holder)
    began = trio.current_time()
    await get(taker, tracker, tmp_path / "film")
    assert trio.current_time() - began == pytest.approx(2 * TURN, abs=0.2)
    assert [name for name, _ in tracker.asked] == ["GetEntry", "GetManifest", "Locate"]


@pytest.mark.trio
async def test_of_many_machines_only_holders_are_dialled_once_they_are_known(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    others = [f"other{number}" for number in range(FEW)]
    taker, holder, *_ = await net.start("taker", "holder", *others)
    tracker = await far_tracker(net, monkeypatch, taker, holder)
    await get(taker, tracker, tmp_path / "film")
    assert tracker.dials_at == {"GetEntry": 0, "GetManifest": 1, "Locate": 1}
    assert net.dials == 1


@pytest.mark.trio
async def test_a_machine_that_is_dialled_in_vain_holds_nothing_up(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    taker, holder, dead = await net.start("taker", "holder", "dead")
    tracker = await far_tracker(net, monkeypatch, taker, dead, holder)
    await dead.kill()
    began = trio.current_time()
    got = await get(taker, tracker, tmp_path / "film")
    assert got.sources == ("holder",)
    assert trio.current_time() - began == pytest.approx(2 * TURN, abs=0.2)


@pytest.mark.trio
async def test_what_this_machine_remembers_is_located_while_the_tracker_is_asked(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    others = [f"other{number}" for number in range(FEW)]
    taker, holder, *_ = await net.start("taker", "holder", *others)
    tracker = await far_tracker(net, monkeypatch, taker, holder)
    await taker.parts.catalogue.learn(tracker.record)
    began = trio.current_time()
    await get(taker, tracker, tmp_path / "film")
    assert sorted(tracker.asked[:2]) == [("GetEntry", began), ("Locate", began)]
    assert tracker.dials_at["GetManifest"] == net.dials == 1


@pytest.mark.trio
async def test_a_link_that_ends_while_a_manifest_is_asked_for_is_dialled_again(
    autojump_clock: Clock, net: PeerNet, tmp_path: Path
) -> None:
    """Two that dial each other at once keep one link; what was asked on the other is lost."""
    taker, holder = await net.start("taker", "holder")
    manifest, _ = await holder.hold(CONTENT)
    entry = holder.entry(manifest)
    await taker.parts.catalogue.learn(holder.sign(entry))
    link = await taker.parts.links.connect(holder.me)

    call = link.calls.call

    async def lost(*asked: Any) -> Any:
        link.cut("replaced by a newer connection")
        return await call(*asked)

    link.calls.call = lost  # type: ignore[method-assign]
    request = Fetch(call=1, entry=entry.id.hex(), path=str(tmp_path / "film"))
    got = await taker.parts.requests.fetching.fetch(request, lambda _: None)
    assert got.sources == ("holder",)
    assert (tmp_path / "film").read_bytes() == CONTENT
    assert net.dials == 2


@pytest.mark.trio
async def test_who_cannot_be_dialled_but_has_dialled_us_is_reached(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    taker, holder = await net.start("taker", "holder")

    async def crossed(*_: Any) -> Any:
        await holder.parts.links.connect(taker.me)
        await trio.sleep(1)
        raise ConnectionLostError("another connection is kept")

    monkeypatch.setattr(taker.parts.links, "_dial", crossed)
    link = await taker.parts.links.connect(holder.me)
    assert link is taker.parts.links.find(holder.me)
    assert net.dials == 1


@pytest.mark.trio
async def test_a_manifest_is_asked_of_who_dials_us_while_our_own_dial_fails(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What two that start together may meet: each turns away what the other opened."""
    taker, holder = await net.start("taker", "holder")
    manifest, _ = await holder.hold(CONTENT)
    entry = holder.entry(manifest)
    await taker.parts.catalogue.learn(holder.sign(entry))
    dials = 0

    async def turned_away(*_: Any) -> Any:
        nonlocal dials
        dials += 1
        raise ConnectionLostError("another connection is kept")

    async def dial_soon() -> None:
        await trio.sleep(0.1)
        await holder.parts.links.connect(taker.me)

    monkeypatch.setattr(taker.parts.links, "_dial", turned_away)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(dial_soon)
        request = Fetch(call=1, entry=entry.id.hex(), path=str(tmp_path / "film"))
        await taker.parts.requests.fetching.fetch(request, lambda _: None)
    assert (tmp_path / "film").read_bytes() == CONTENT
    assert dials > 0
