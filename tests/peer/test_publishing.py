"""What a machine sends of its entries: manifests with them, and what waited for the tracker."""

from collections.abc import Callable
from typing import Any

import pytest
import trio
from peer_net import PIECE, Clock, PeerNet, TestPeer, bytes_of

from peer.errors import UnreachableError
from peer.operator.publishing import AT_ONCE
from protocol.manifest import SMALL_MANIFEST
from protocol.messages.base import Done, Message
from protocol.messages.tracking import Publish, Published, PutManifest


class Tracker:
    """Answers records and manifests; `most` records were asked about at the same time."""

    def __init__(self, peer: TestPeer, patch: pytest.MonkeyPatch, away_after: int = 10**6) -> None:
        self.asked: list[Message] = []
        self.has: set[bytes] = set()
        self.most = self.most_manifests = self.refused = 0
        self._now: list[Message] = []
        self._away_after = away_after
        patch.setattr(peer.parts.tracker, "call", self._call)

    async def _call(
        self, make: Callable[[int], Message], *_: Any, **__: Any
    ) -> tuple[Message, bytes]:
        request = make(1)
        if len(self.asked) >= self._away_after:
            self.refused += 1
            raise UnreachableError("the tracker cannot be reached")
        self.asked.append(request)
        self._now.append(request)
        self.most = max(self.most, len(self._now))
        manifests = sum(isinstance(each, PutManifest) for each in self._now)
        self.most_manifests = max(self.most_manifests, manifests)
        await trio.sleep(1)
        self._now.remove(request)
        if isinstance(request, PutManifest):
            self.has.add(request.manifest)
            return Done(call=1), b""
        assert isinstance(request, Publish)
        return Published(call=1, needs_manifest=not request.manifest), b""


async def add_some(peer: TestPeer, number: int) -> None:
    for name in range(number):
        manifest, _ = await peer.hold(f"{name}".encode(), f"{name}")
        await peer.publish(manifest, f"{name}")


@pytest.mark.trio
async def test_a_new_entry_brings_its_manifest_and_an_edit_does_not(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = await net.start("one")
    tracker = Tracker(one, monkeypatch)
    manifest, _ = await one.hold(bytes_of(2 * PIECE))
    entry = await one.publish(manifest)
    await one.parts.publishing.send_unpublished()
    await one.parts.publishing.edit(entry, name="new", caption="", tags=())
    first, second = tracker.asked[0], tracker.asked[1]
    assert isinstance(first, Publish)
    assert isinstance(second, Publish)
    assert (first.manifest, second.manifest) == (manifest.encoded, b"")


@pytest.mark.trio
async def test_a_long_manifest_goes_by_itself(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = await net.start("one")
    tracker = Tracker(one, monkeypatch)
    monkeypatch.setattr("peer.operator.publishing.SMALL_MANIFEST", 50)
    await add_some(one, 1)
    await one.parts.publishing.send_unpublished()
    publish, put = tracker.asked
    assert isinstance(publish, Publish)
    assert publish.manifest == b""
    assert isinstance(put, PutManifest)
    assert 50 < put.length < SMALL_MANIFEST


@pytest.mark.trio
async def test_of_long_manifests_one_is_on_its_way_at_a_time(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = await net.start("one")
    await add_some(one, 4)
    monkeypatch.setattr("peer.operator.publishing.SMALL_MANIFEST", 50)
    tracker = Tracker(one, monkeypatch)
    await one.parts.publishing.send_unpublished()
    assert len(tracker.has) == 4
    assert tracker.most_manifests == 1


@pytest.mark.trio
async def test_what_waited_is_sent_some_at_once(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = await net.start("one")
    tracker = Tracker(one, monkeypatch)
    await add_some(one, 3 * AT_ONCE)
    await one.parts.publishing.send_unpublished()
    assert (len(tracker.asked), tracker.most) == (3 * AT_ONCE, AT_ONCE)
    assert await one.parts.catalogue.unpublished() == []


@pytest.mark.trio
async def test_a_tracker_that_goes_meanwhile_is_sent_the_rest_later(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = await net.start("one")
    await add_some(one, 3 * AT_ONCE)
    tracker = Tracker(one, monkeypatch, away_after=AT_ONCE)
    with pytest.raises(UnreachableError):
        await one.parts.publishing.send_unpublished()
    assert len(tracker.asked) == AT_ONCE
    assert 0 < tracker.refused <= AT_ONCE
    assert len(await one.parts.catalogue.unpublished()) == 2 * AT_ONCE
