"""Audits: who only claims to hold something is found, told, reported, and done without."""

import errno
import random
from collections.abc import Callable
from typing import Any

import pytest
import trio
from fetching import Liar, begin
from peer_net import PIECE, Clock, PeerNet, TestPeer, bytes_of, manifest_of, until
from test_read_errors import failing
from test_scrub import flip

from peer.errors import UnreachableError
from peer.swarm.audits import (
    AUDIT_EVERY,
    EXCUSES,
    Question,
)
from protocol.hashing import hash_audit
from protocol.ids import ManifestId
from protocol.manifest import Manifest
from protocol.messages.base import Failed, Message
from protocol.messages.keeping import MAX_AUDIT, Audit, Audited, Doubt
from protocol.messages.peering import Offer, OfferAnswer
from protocol.messages.tracking import Report
from protocol.placement import spans_of

FILM = ManifestId(b"f" * 32)
PIECES = 8
Answer = Callable[[Audit], Message | None]


class Claimer(Liar):
    """Says that it holds whatever it is offered, and answers audits as told."""

    answer: Answer = staticmethod(lambda _: None)

    async def connect(self) -> "Claimer":
        await super().connect()
        self.me.nursery.start_soon(self._claim)
        return self

    async def _claim(self) -> None:
        seen = 0
        while True:
            for message in self.heard[seen:]:
                seen += 1
                reply: Message | None = None
                if isinstance(message, Offer):
                    reply = OfferAnswer(call=message.call, answer="have")
                elif isinstance(message, Audit):
                    reply = self.answer(message)
                if reply is not None:
                    await self.channel.send(reply)
            await trio.sleep(0.1)

    def count(self, kind: type[Message]) -> int:
        return sum(isinstance(message, kind) for message in self.heard)


def digest_of(content: bytes, audit: Audit, nonce: bytes | None = None) -> Audited:
    start = audit.piece * PIECE + audit.start
    part = content[start : start + audit.length]
    return Audited(call=audit.call, digest=hash_audit(nonce or audit.nonce, part))


def lacks(audit: Audit) -> Message:
    return Failed(call=audit.call, kind="not_found", text="not here")


def refuses(audit: Audit) -> Message:
    return Failed(call=audit.call, kind="refused", text="too many audits")


def guesses(audit: Audit) -> Message:
    return Audited(call=audit.call, digest=bytes(32))


def is_silent(_: Audit) -> None:
    return None


def holds(peer: TestPeer, manifest: Manifest) -> bool:
    content = peer.parts.contents.get(manifest.id)
    return content is not None and content.complete


async def placed_on(one: TestPeer, other: TestPeer) -> tuple[Manifest, bytes]:
    """Content that `one` holds and that the ring places on these two."""
    for seed in range(200):
        content = bytes_of(PIECES * PIECE, seed)
        path = one.parts.directory.spool / f"{seed}"
        path.write_bytes(content)
        manifest = manifest_of(path)
        (span,) = spans_of(manifest.id, manifest.geometry)
        if set(one.parts.rosters.ring.holders(span.partition, 2)) == {one.me, other.me}:
            await one.hold(content, f"{seed}")
            return manifest, content
    raise AssertionError("no such content")


async def claimed(net: PeerNet) -> tuple[TestPeer, TestPeer, Claimer, Manifest, bytes]:
    """One has content that a member says it has too; three is there, and audits are seeded."""
    (liar,) = await net.start("liar")
    one, three = await net.start("one", "three", replicating=True)
    claimer = await Claimer(net, liar, one).connect()
    manifest, content = await placed_on(one, liar)
    await one.publish(manifest)
    one.parts.replication.wake()
    confirmed = one.parts.replication.confirmed
    await until(lambda: liar.me in confirmed(manifest.id), "believed")
    one.parts.auditing._book._chance = random.Random(7)
    one.nursery.start_soon(one.parts.auditing.run)
    return one, three, claimer, manifest, content


def reports_of(peer: TestPeer) -> list[Report]:
    """What a peer would tell its tracker, which is away."""
    reports: list[Report] = []

    async def call(make: Callable[[int], Message], *_: Any, **__: Any) -> None:
        message = make(0)
        if isinstance(message, Report):
            reports.append(message)
        raise UnreachableError("the tracker cannot be reached")

    peer.parts.tracker.call = call  # type: ignore[method-assign, assignment]
    return reports


@pytest.mark.trio
async def test_an_honest_holder_passes(autojump_clock: Clock, net: PeerNet) -> None:
    one, two = await net.start("one", "two", replicating=True)
    manifest, _ = await one.hold(bytes_of(PIECES * PIECE + 99))
    await one.publish(manifest)
    one.parts.replication.wake()
    await until(lambda: holds(two, manifest), "the copy")
    await until(lambda: two.me in one.parts.replication.confirmed(manifest.id), "confirmed")
    reports = reports_of(one)
    asked: list[Audit] = []
    answer = two.parts.proving.audited
    two.parts.proving.audited = lambda link, audit: (  # type: ignore[method-assign]
        asked.append(audit),
        answer(link, audit),
    )[1]
    one.nursery.start_soon(one.parts.auditing.run)
    await trio.sleep(40 * AUDIT_EVERY)
    assert len(asked) > 30
    assert len({audit.piece for audit in asked}) > PIECES // 2
    assert reports == []
    assert one.parts.faults.notices(0) == []
    assert two.me in one.parts.replication.confirmed(manifest.id)
    assert two.parts.rechecking.bytes == 0


@pytest.mark.trio
@pytest.mark.parametrize(
    ("answer", "audits", "doubts"),
    [(lacks, 3, 3), (refuses, 2 * EXCUSES, 2), (guesses, 2, 2), (is_silent, 4, 2)],
)
async def test_who_only_claims_is_found_and_replaced(
    autojump_clock: Clock, net: PeerNet, answer: Answer, audits: int, doubts: int
) -> None:
    one, three, claimer, manifest, content = await claimed(net)
    claimer.answer = answer
    reports = reports_of(one)
    assert not holds(three, manifest)
    await until(lambda: holds(three, manifest), "repaired by a third", 30 * AUDIT_EVERY)
    assert three.bytes_held(manifest) == content
    liar = claimer.me.me
    assert liar not in one.parts.replication.confirmed(manifest.id)
    assert claimer.count(Audit) <= audits
    assert claimer.count(Doubt) == doubts
    assert [(r.peer, r.manifest) for r in reports] == [(liar, manifest.id)] * 2
    (notice,) = one.parts.status.make(1).notices
    assert notice.text.startswith("liar failed an audit")


@pytest.mark.trio
async def test_who_has_half_is_found_soon(autojump_clock: Clock, net: PeerNet) -> None:
    _, three, claimer, manifest, content = await claimed(net)
    claimer.answer = lambda a: guesses(a) if a.piece % 2 else digest_of(content, a)
    await until(lambda: claimer.count(Doubt) > 0, "found")
    assert claimer.count(Audit) <= 8
    await until(lambda: holds(three, manifest), "repaired by a third")
    assert claimer.count(Audit) <= 10


@pytest.mark.trio
async def test_an_old_answer_is_no_answer(autojump_clock: Clock, net: PeerNet) -> None:
    one, three, claimer, manifest, content = await claimed(net)
    first: list[Audit] = []

    def replays(audit: Audit) -> Message:
        first.append(audit)
        reply = digest_of(content, first[0])
        return Audited(call=audit.call, digest=reply.digest)

    claimer.answer = replays
    # Even for the very same bytes.
    one.parts.auditing._book.question = (  # type: ignore[method-assign]
        lambda _, manifest, *__: Question(manifest, 3, 5, 1000, random.randbytes(16))
    )
    await until(lambda: len(first) == 2, "asked twice")
    await until(lambda: claimer.count(Doubt) == 1, "found")
    assert (first[0].piece, first[0].start) == (first[1].piece, first[1].start)
    await until(lambda: holds(three, manifest), "repaired by a third")


@pytest.mark.trio
async def test_a_holder_that_did_not_know_heals_and_is_believed_again(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, two, three = await net.start("one", "two", "three", replicating=True)
    manifest, content = await placed_on(one, two)
    await one.publish(manifest)
    one.parts.replication.wake()
    confirmed = one.parts.replication.confirmed
    await until(lambda: two.me in confirmed(manifest.id), "the copy")
    file = two.parts.contents.content_file(manifest.id)
    damaged = bytearray(content)
    damaged[2 * PIECE : 3 * PIECE] = bytes(PIECE)
    file.write_bytes(damaged)
    one.nursery.start_soon(one.parts.auditing.run)
    await until(lambda: two.parts.rechecking.healed == 1, "healed", 100 * AUDIT_EVERY)
    assert file.read_bytes() == content
    await until(lambda: two.me in confirmed(manifest.id), "believed again")
    await trio.sleep(5 * AUDIT_EVERY)
    assert two.me in confirmed(manifest.id)
    assert not holds(three, manifest)


@pytest.mark.trio
async def test_our_own_rot_is_not_held_against_others(autojump_clock: Clock, net: PeerNet) -> None:
    one, two = await net.start("one", "two", replicating=True)
    manifest, _ = await one.hold(bytes_of(2 * PIECE))
    await one.publish(manifest)
    one.parts.replication.wake()
    await until(lambda: two.me in one.parts.replication.confirmed(manifest.id), "the copy")
    one.parts.contents.content_file(manifest.id).write_bytes(bytes(2 * PIECE))
    reports = reports_of(one)
    one.nursery.start_soon(one.parts.auditing.run)
    await until(lambda: one.parts.rechecking.bad > 0, "found", 10 * AUDIT_EVERY)
    assert reports == []
    assert two.parts.rechecking.bytes == 0
    assert two.me in one.parts.replication.confirmed(manifest.id)


@pytest.mark.trio
async def test_our_own_rot_makes_nobody_fail_whatever_it_says(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, three, claimer, manifest, _ = await claimed(net)
    claimer.answer = lacks
    one.parts.contents.content_file(manifest.id).write_bytes(bytes(PIECES * PIECE))
    reports = reports_of(one)
    await until(lambda: one.parts.rechecking.bad > 0, "found", 20 * AUDIT_EVERY)
    await trio.sleep(AUDIT_EVERY)
    assert reports == []
    assert [n for n in one.parts.status.make(1).notices if "audit" in n.text] == []
    assert not holds(three, manifest)


@pytest.mark.trio
async def test_who_is_busy_for_some_minutes_is_believed(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, three, claimer, manifest, content = await claimed(net)
    reports = reports_of(one)

    def is_busy(audit: Audit) -> Message:
        busy = claimer.count(Audit) % EXCUSES
        return refuses(audit) if busy else digest_of(content, audit)

    claimer.answer = is_busy
    await until(lambda: claimer.count(Audit) == 4 * EXCUSES, "asked", 60 * AUDIT_EVERY)
    await trio.sleep(1)
    assert reports == []
    assert claimer.count(Doubt) == 0
    assert claimer.me.me in one.parts.replication.confirmed(manifest.id)
    assert not holds(three, manifest)


@pytest.mark.trio
async def test_who_cannot_open_files_for_now_is_believed(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await net.start("one", "two", replicating=True)
    manifest, _ = await one.hold(bytes_of(2 * PIECE))
    await one.publish(manifest)
    one.parts.replication.wake()
    await until(lambda: two.me in one.parts.replication.confirmed(manifest.id), "the copy")
    reports = reports_of(one)
    asked = 0
    answer = two.parts.proving._answer

    async def counting(link: Any, audit: Audit) -> None:
        nonlocal asked
        await answer(link, audit)
        asked += 1

    two.parts.proving._answer = counting  # type: ignore[method-assign]
    with failing(monkeypatch, two.parts.contents.content_file(manifest.id), errno.EMFILE):
        one.nursery.start_soon(one.parts.auditing.run)
        await until(lambda: asked == EXCUSES - 1, "asked", 20 * AUDIT_EVERY)
    await trio.sleep(5 * AUDIT_EVERY)
    assert asked > EXCUSES
    assert reports == []
    assert two.me in one.parts.replication.confirmed(manifest.id)
    content = two.parts.contents.get(manifest.id)
    assert content is not None
    assert content.complete


@pytest.mark.trio
async def test_a_claim_that_was_true_once_is_no_failure(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, two = await net.start("one", "two", replicating=True)
    manifest, _ = await one.hold(bytes_of(PIECES * PIECE))
    await one.publish(manifest)
    one.parts.replication.wake()
    confirmed = one.parts.replication.confirmed
    await until(lambda: two.me in confirmed(manifest.id), "the copy")
    content = two.parts.contents.get(manifest.id)
    assert content is not None
    # It has not been able to say so.
    await two.parts.contents.discount(content, list(range(PIECES)))
    reports = reports_of(one)
    one.nursery.start_soon(one.parts.auditing.run)
    await until(lambda: two.me not in confirmed(manifest.id), "noticed", 10 * AUDIT_EVERY)
    await until(lambda: two.me in confirmed(manifest.id), "it has it again")
    assert holds(two, manifest)
    await trio.sleep(5 * AUDIT_EVERY)
    assert reports == []
    assert one.parts.status.make(1).notices == ()
    assert two.me in confirmed(manifest.id)


@pytest.mark.trio
async def test_a_flood_of_audits_is_answered_now_and_then(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (liar,) = await net.start("liar")
    (one,) = await net.start("one")
    manifest, _ = await one.hold(bytes_of(PIECES * PIECE))
    flooding = await Liar(net, liar, one).connect()
    read = 0
    really = one.parts.rechecking.read_part

    async def counting(*arguments: Any) -> bytes:
        nonlocal read
        read += 1
        return await really(*arguments)

    one.parts.rechecking.read_part = counting  # type: ignore[method-assign]
    for call in range(500):
        await flooding.channel.send(
            Audit(
                call=call,
                manifest=manifest.id,
                piece=call % PIECES,
                start=0,
                length=MAX_AUDIT,
                nonce=bytes(16),
            )
        )
    await until(lambda: len(flooding.heard) >= 500, "answered")
    assert read <= 8
    refused = [m for m in flooding.heard if isinstance(m, Failed)]
    assert len(refused) >= 492
    assert {m.text for m in refused} == {"too many audits"}


@pytest.mark.trio
async def test_odd_audits_are_refused(autojump_clock: Clock, net: PeerNet) -> None:
    (liar,) = await net.start("liar")
    (one,) = await net.start("one")
    manifest, content = await one.hold(bytes_of(PIECES * PIECE + 10))
    await one.parts.contents.discount(content, [3])
    odd = await Liar(net, liar, one).connect()
    for call, (about, piece, start) in enumerate(
        [(FILM, 0, 0), (manifest.id, 3, 0), (manifest.id, PIECES, 0), (manifest.id, 1, PIECE)]
    ):
        await odd.channel.send(
            Audit(call=call, manifest=about, piece=piece, start=start, length=11, nonce=bytes(16))
        )
    await until(lambda: len(odd.heard) >= 4, "answered")
    kinds = {m.call: m.kind for m in odd.heard if isinstance(m, Failed)}
    assert kinds == {0: "not_found", 1: "not_found", 2: "failed", 3: "failed"}
    assert content.bits.count == PIECES


@pytest.mark.trio
async def test_a_doubt_makes_the_holder_look_but_not_often(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, two = await net.start("one", "two", replicating=True)
    manifest, _ = await one.hold(bytes_of(20 * PIECE))
    await one.publish(manifest)
    one.parts.replication.wake()
    await until(lambda: holds(two, manifest), "the copy")
    flip(two.parts.contents.content_file(manifest.id), [6])
    marked: list[ManifestId] = []
    two.parts.announcer.mark = marked.append  # type: ignore[method-assign]
    link = await one.link_to(two)
    link.put(Doubt(manifest=FILM, piece=0))
    link.put(Doubt(manifest=manifest.id, piece=6))
    await until(lambda: two.parts.rechecking.healed == 1, "healed")
    assert two.bytes_held(manifest) == bytes_of(20 * PIECE)
    assert manifest.id in marked
    for _ in range(200):
        link.put(Doubt(manifest=manifest.id, piece=7))
    await trio.sleep(5)
    assert two.parts.rechecking.bytes <= 5 * PIECE


@pytest.mark.trio
async def test_who_sends_a_rotten_piece_is_told(autojump_clock: Clock, net: PeerNet) -> None:
    one, two, three = await net.start("one", "two", "three", replicating=True)
    manifest, _ = await two.hold(bytes_of(30 * PIECE))
    await two.publish(manifest)
    flip(two.parts.contents.content_file(manifest.id), [11])
    download = await begin(three, manifest, net.tmp_path / "out")
    await until(lambda: two.parts.rechecking.bad == 1, "it looked")
    assert not three.parts.shunned(two.me)
    assert download.error is None
    await one.hold(bytes_of(30 * PIECE))
    await download.closed.wait()
    assert download.error is None
    assert (net.tmp_path / "out").read_bytes() == bytes_of(30 * PIECE)
    await until(lambda: two.parts.rechecking.healed == 1, "healed")
    assert two.bytes_held(manifest) == bytes_of(30 * PIECE)
