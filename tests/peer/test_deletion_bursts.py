"""Bursts of deletions between whole peers wait for a person."""

import pytest
from deletions import (
    bursts,
    decide,
    gone,
    held,
    make_admin,
    remove,
    tombstone,
    with_entries,
)
from msgspec import structs
from peer_net import Clock, PeerNet, until

from peer.errors import NotFoundError, NotPermittedError
from protocol.approval import Approval, sign_approval
from protocol.delete_brake import FEW
from protocol.errors import RemoteProtocolError
from protocol.hashing import hash_tombstone
from protocol.ids import AuthorKey
from protocol.messages.deleting import (
    RecordPassedOn,
)
from protocol.signing import Signed


@pytest.mark.trio
async def test_a_burst_is_held_at_every_peer_by_itself(autojump_clock: Clock, net: PeerNet) -> None:
    """No tracker: the author's machine has no brake at all here, and signs what it likes."""
    peers = await net.start("one", "two", "three")
    one, two, three = peers
    entries = await with_entries(peers, 60)
    link = await one.link_to(two)
    for entry in entries[:40]:
        link.put(RecordPassedOn(record=one.sign(tombstone(entry, 2))))
    await until(lambda: len(held(two, entries)) == 28, "held")
    assert await gone(two, entries) == list(range(12))
    # What is held is not passed on; what came to effect would have been, had there been a link.
    assert await gone(three, entries) == []
    (burst,) = (await bursts(two)).bursts
    assert (burst.name, burst.entries) == ("one", 28)
    assert len(set(burst.examples) & {f"{number:03}" for number in held(two, entries)}) == 3
    notices = two.parts.status.make(1).notices
    assert [n.text for n in notices] == [
        "deletions held, to be approved: 28; twofold approve lists them"
    ]


@pytest.mark.trio
async def test_an_approval_spreads_and_what_is_held_survives_a_restart(
    autojump_clock: Clock, net: PeerNet
) -> None:
    peers = await net.start("one", "two", "three")
    one, two, three = peers
    entries = await with_entries(peers, 30)
    held_here = [(await remove(one, entry)).held for entry in entries[:14]]
    assert held_here == [False] * FEW + [True] * 5
    for entry in entries[:14]:
        for peer in (two, three):
            await peer.parts.catalogue.learn(one.sign(tombstone(entry, 2)))
    await two.kill()
    two = await net.restart("two")
    assert held(two, entries) == list(range(FEW, 14))
    with pytest.raises(NotPermittedError, match="for an admin to approve"):
        await decide(one, "one")
    with pytest.raises(NotFoundError, match="no deletions by"):
        await decide(two, "three")
    link = await two.link_to(three)
    await two.link_to(one)
    done = await decide(two, "one")
    assert (done.name, done.entries, done.published) == ("one", 5, False)
    assert await gone(two, entries) == list(range(14))
    await until(lambda: not held(three, entries), "released there")
    assert await gone(three, entries) == list(range(14))
    assert (await bursts(two)).bursts == ()
    assert not link.closed


@pytest.mark.trio
async def test_who_was_away_hears_of_the_approval(autojump_clock: Clock, net: PeerNet) -> None:
    peers = await net.start("one", "two", "three")
    one, two, three = peers
    entries = await with_entries(peers, 30)
    records = [one.sign(tombstone(entry, 2)) for entry in entries[:14]]
    for record in records:
        await two.parts.catalogue.learn(record)
        await three.parts.catalogue.learn(record)
    await decide(two, "one")
    assert len(held(three, entries)) == 5
    await two.kill()
    two = await net.restart("two")
    await three.link_to(two)
    await until(lambda: not held(three, entries), "told when the link opened")
    assert await gone(three, entries) == list(range(14))


@pytest.mark.trio
async def test_with_an_admin_nobody_else_approves(autojump_clock: Clock, net: PeerNet) -> None:
    peers = await net.start("one", "two", "admin")
    one, two, admin = peers
    entries = await with_entries(peers, 30)
    await make_admin(net, admin)
    for entry in entries[:12]:
        await remove(one, entry)
    for peer in (two, admin):
        for entry in entries[:12]:
            await peer.parts.catalogue.learn(one.sign(tombstone(entry, 2)))
    with pytest.raises(NotPermittedError, match="for an admin"):
        await decide(two, "one")
    await admin.link_to(two)
    await decide(admin, "one")
    await until(lambda: not held(two, entries), "released")


@pytest.mark.trio
async def test_rejected_deletions_never_come_back(autojump_clock: Clock, net: PeerNet) -> None:
    peers = await net.start("one", "two")
    one, two = peers
    entries = await with_entries(peers, 30)
    records = [one.sign(tombstone(entry, 2)) for entry in entries[:12]]
    for record in records:
        await two.parts.catalogue.learn(record)
    assert (await decide(two, "one", approve=False)).entries == 3
    assert held(two, entries) == []
    for record in records:
        await two.parts.catalogue.learn(record)
    assert held(two, entries) == []
    assert await gone(two, entries) == list(range(FEW))


@pytest.mark.trio
async def test_a_forged_approval_releases_nothing(autojump_clock: Clock, net: PeerNet) -> None:
    peers = await net.start("one", "two")
    one, two = peers
    entries = await with_entries(peers, 30)
    for entry in entries[:12]:
        await two.parts.catalogue.learn(one.sign(tombstone(entry, 2)))
    told: list[Signed] = []
    two.parts.approvals.on_decided = told.append
    approval = Approval(
        signer=AuthorKey(one.me),
        deleter=AuthorKey(one.me),
        approved=True,
        decided=1,
        tombstones=(hash_tombstone(one.sign(tombstone(entries[10], 2)).body),),
    )
    with pytest.raises(NotPermittedError):
        await two.parts.approvals.learn(sign_approval(approval, one.identity.signing))
    lying = structs.replace(approval, signer=AuthorKey(two.me))
    with pytest.raises(RemoteProtocolError, match="signature"):
        await two.parts.approvals.learn(sign_approval(lying, one.identity.signing))
    assert held(two, entries) == [9, 10, 11]
    assert told == []


@pytest.mark.trio
async def test_an_edit_outlives_the_tombstone_that_is_held(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one, two) = await net.start("one", "two")
    entries = await with_entries([one, two], 30)
    for entry in entries[:10]:
        await two.parts.catalogue.learn(one.sign(tombstone(entry, 2)))
    assert held(two, entries) == [9]
    edit = structs.replace(entries[9], sequence=3, caption="kept after all")
    await two.parts.catalogue.learn(one.sign(edit))
    assert held(two, entries) == []
    assert await gone(two, entries) == list(range(9))
