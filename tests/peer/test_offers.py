"""Offering: only what changed is looked at, only what is short is offered, a few at a time."""

import math

import pytest
import trio
from peer_net import PIECE, Clock, PeerNet, TestPeer, bytes_of, manifest_of, until

from peer.swarm.offers import ASK_AGAIN, ASKED_AT_ONCE, AT_ONCE, BUSY, FULL_FOR, OfferBook
from protocol.ids import ManifestId, PeerId
from protocol.messages.peering import OfferAnswer
from protocol.ring import Ring

NAS, LAPTOP = PeerId(b"n" * 32), PeerId(b"l" * 32)


def manifests(count: int) -> list[ManifestId]:
    return [ManifestId(number.to_bytes(32)) for number in range(count)]


# The book


def test_a_few_are_due_at_a_time_in_order() -> None:
    book = OfferBook()
    many = manifests(3 * AT_ONCE)
    for each in many:
        book.want(each, [NAS])
    assert book.targets() == [NAS]
    assert book.due(NAS, 0.0) == many[:AT_ONCE]
    for each in many[:AT_ONCE]:
        book.has(NAS, each)
    assert book.due(NAS, 0.0) == many[AT_ONCE : 2 * AT_ONCE]
    assert book.confirmed(many[0]) == {NAS}


def test_what_was_confirmed_unasked_is_queued_no_more() -> None:
    book = OfferBook()
    (one,) = manifests(1)
    assert not book.is_queued(one)
    book.want(one, [NAS])
    assert book.is_queued(one)
    book.fetching(NAS, one, 0.0)
    assert book.is_queued(one)
    book.has(NAS, one)
    assert not book.is_queued(one)


def test_what_is_on_its_way_is_asked_about_again_but_not_all_of_it() -> None:
    book = OfferBook()
    many = manifests(100)
    for each in many:
        book.want(each, [NAS])
        book.fetching(NAS, each, 0.0)
    assert book.due(NAS, 0.0) == []
    assert book.next_time(NAS) == ASK_AGAIN
    asked = 0
    while due := book.due(NAS, ASK_AGAIN):
        for each in due:
            book.fetching(NAS, each, ASK_AGAIN)
            asked += 1
        book.round_ended(NAS, ASK_AGAIN)
    assert BUSY <= asked <= ASKED_AT_ONCE
    # Nobody is forgotten: the others come first the next time.
    assert book.due(NAS, 2 * ASK_AGAIN) == many[asked : asked + ASKED_AT_ONCE]


def test_while_answers_are_good_asking_goes_on() -> None:
    book = OfferBook()
    for each in manifests(100):
        book.want(each, [NAS])
        book.fetching(NAS, each, 0.0)
    while due := book.due(NAS, ASK_AGAIN):
        for each in due:
            book.has(NAS, each)
        book.round_ended(NAS, ASK_AGAIN)
    assert book.targets() == []
    assert book.next_time(NAS) == math.inf


def test_wanted_elsewhere_is_no_longer_queued() -> None:
    book = OfferBook()
    (one,) = manifests(1)
    book.want(one, [NAS])
    book.fetching(NAS, one, 0.0)
    book.want(one, [LAPTOP])
    assert book.targets() == [LAPTOP]
    book.fetching(NAS, one, 0.0)
    assert book.targets() == [LAPTOP]
    book.want(one, [])
    assert book.targets() == []


def test_an_unreachable_peer_is_left_alone_for_a_while() -> None:
    book = OfferBook()
    (one,) = manifests(1)
    book.want(one, [NAS])
    book.failed(NAS, 10.0)
    assert book.due(NAS, 10.0) == []
    assert book.due(NAS, book.next_time(NAS)) == [one]
    book.failed(NAS, 10.0)
    book.try_again(NAS)
    assert book.due(NAS, 10.0) == [one]


def test_full_is_for_this_size_and_more() -> None:
    book = OfferBook()
    one, two, three = manifests(3)
    book.full(NAS, one, 1000, 0.0)
    assert book.full_for(one, 1000, 1.0) == book.full_for(one, 10**12, 1.0) == {NAS}
    assert book.full_for(one, 999, 1.0) == frozenset()
    book.full(NAS, two, 5000, 10.0)
    assert book.full_for(one, 1000, FULL_FOR + 5.0) == {NAS}
    book.full(NAS, three, 10, 10.0)
    assert book.full_for(three, 10, 11.0) == {NAS}
    assert not book.forget_full(11.0)
    assert book.full_until() == 10.0 + FULL_FOR
    assert book.forget_full(10.0 + FULL_FOR)
    assert book.full_until() == math.inf
    # What it refused before is not asked about again while it has no room for as much.
    book.full(NAS, one, 1000, 100.0)
    assert book.full_for(three, 10, 101.0) == frozenset()
    assert book.full_for(two, 5000, 101.0) == {NAS}


def test_who_is_full_may_have_what_it_was_not_asked_about() -> None:
    book = OfferBook()
    one, two = manifests(2)
    book.full(NAS, one, 1000, 0.0)
    assert book.full_for(two, 1000, 1.0) == frozenset()
    book.has(NAS, one)
    assert book.full_for(one, 1000, 1.0) == frozenset()
    book.full(NAS, two, 1000, 2.0)
    book.fetching(NAS, two, 3.0)
    assert book.full_for(two, 1000, 4.0) == frozenset()


def test_what_a_peer_said_goes_with_its_link() -> None:
    book = OfferBook()
    (one,) = manifests(1)
    book.has(NAS, one)
    book.has(LAPTOP, one)
    book.lost(NAS)
    assert book.confirmed(one) == {LAPTOP}
    assert not book.is_confirmed(NAS, one)


# With whole peers


class Counts:
    """How often the database, the ring and the link were used."""

    def __init__(self, peer: TestPeer, patch: pytest.MonkeyPatch) -> None:
        self.database = self.ring = self.offers = 0
        run, holders = peer.parts.database.run, Ring.holders
        database = peer.parts.database

        async def counted_run(work: object) -> object:
            self.database += 1
            return await run(work)  # type: ignore[arg-type]

        def counted_holders(*arguments: object) -> object:
            self.ring += 1
            return holders(*arguments)  # type: ignore[arg-type]

        patch.setattr(database, "run", counted_run)
        patch.setattr(Ring, "holders", counted_holders)

    def watch_offers(self, link: object, patch: pytest.MonkeyPatch) -> None:
        calls = link.calls  # type: ignore[attr-defined]
        call = calls.call

        async def counted(make: object, reply: object, **more: object) -> object:
            self.offers += reply is OfferAnswer
            return await call(make, reply, **more)

        patch.setattr(calls, "call", counted)


async def hold_many(peer: TestPeer, count: int) -> list[ManifestId]:
    held = []
    for number in range(count):
        manifest, _ = await peer.hold(bytes_of(100, number), f"{number}")
        await peer.publish(manifest, f"{number}")
        held.append(manifest.id)
    return held


def holds_all(peer: TestPeer, held: list[ManifestId]) -> bool:
    found = [peer.parts.contents.get(manifest) for manifest in held]
    return all(content is not None and content.complete for content in found)


@pytest.mark.trio
async def test_an_idle_peer_reads_and_computes_nothing(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await net.start("one", "two", replicating=True)
    held = await hold_many(one, 20)
    await until(lambda: holds_all(two, held), "the copies")
    await until(lambda: all(one.parts.replication.confirmed(m) for m in held), "confirmed")
    await trio.sleep(30)
    counts = Counts(one, monkeypatch)
    link = one.parts.links.find(two.me)
    assert link is not None
    counts.watch_offers(link, monkeypatch)
    await trio.sleep(120)
    assert (counts.database, counts.ring, counts.offers) == (0, 0, 0)


@pytest.mark.trio
async def test_waking_for_one_looks_at_one(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = await net.start("one", replicating=True)
    held = await hold_many(one, 30)
    await trio.sleep(30)
    counts = Counts(one, monkeypatch)
    for _ in range(10):
        one.parts.replication.wake(held[0])
        await trio.sleep(1)
    assert counts.ring == 10
    assert counts.database == 0


@pytest.mark.trio
async def test_many_entries_are_offered_with_few_reads(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = await net.start("one", replicating=True)
    held = await hold_many(one, 100)
    counts = Counts(one, monkeypatch)
    (two,) = await net.start("two", replicating=True)
    await until(lambda: holds_all(two, held), "the copies")
    await until(lambda: all(one.parts.replication.confirmed(m) for m in held), "confirmed")
    # Serving reads each manifest, and each record is read for its offers: but not per wake-up.
    assert counts.database < 6 * len(held)
    assert counts.ring < 10 * len(held)


@pytest.mark.trio
async def test_a_full_peer_still_takes_what_is_small(autojump_clock: Clock, net: PeerNet) -> None:
    one, two = await net.start("one", "two", replicating=True, capacity={"two": 4 * PIECE})
    large, _ = await one.hold(bytes_of(9 * PIECE), "large")
    await one.publish(large, "large")
    one.parts.replication.wake()
    await trio.sleep(5)
    assert two.parts.contents.get(large.id) is None
    small, _ = await one.hold(bytes_of(PIECE), "small")
    await one.publish(small, "small")
    await until(lambda: holds_all(two, [small.id]), "the small one", seconds=20)


@pytest.mark.trio
async def test_a_changed_wish_for_copies_is_heard(autojump_clock: Clock, net: PeerNet) -> None:
    one, two = await net.start("one", "two", replicating=True)
    path = net.tmp_path / "film"
    path.write_bytes(bytes_of(PIECE))
    manifest = manifest_of(path)
    await one.share(path)
    link = await one.link_to(two)
    await trio.sleep(60)
    assert two.parts.contents.get(manifest.id) is None
    assert not link.closed
    await one.publish(manifest)
    await until(lambda: holds_all(two, [manifest.id]), "the copy", seconds=10)


def test_what_a_peer_declines_keeps_nothing_else_from_it() -> None:
    book = OfferBook()
    peer = PeerId(b"p" * 32)
    manifests = [ManifestId(bytes([number]) * 32) for number in range(2 * AT_ONCE)]
    for manifest in manifests:
        book.want(manifest, [peer])
    for manifest in book.due(peer, 0.0):
        book.declined(peer, manifest)
    assert book.due(peer, 0.0) == manifests[AT_ONCE:]
    book.want(manifests[0], [peer])
    assert manifests[0] in book.queued(peer)
