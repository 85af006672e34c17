"""Deletion between whole peers: trash and back, who may, and bursts that wait for a person."""

import pytest
import trio
from msgspec import structs
from peer_net import PIECE, Clock, PeerNet, TestPeer, bytes_of, until

from peer.errors import NotFoundError, NotPermittedError, UsageError
from peer.operator.deleting import Deleting
from protocol.approval import Approval, sign_approval
from protocol.delete_brake import FEW
from protocol.entry import Entry, Tombstone, sign_record, sign_restoration
from protocol.errors import RemoteProtocolError
from protocol.hashing import hash_tombstone
from protocol.identity import generate_identity
from protocol.ids import AuthorKey
from protocol.manifest import Manifest
from protocol.messages.deleting import (
    BurstDecided,
    Bursts,
    DecideBurst,
    GetBursts,
    GetTrash,
    Purge,
    Purged,
    RecordPassedOn,
    Removed,
    Restore,
    Restored,
    TrashListed,
)
from protocol.messages.operating import Remove
from protocol.messages.tracking import EntryChanged
from protocol.signing import Signed

SIZE = 6 * PIECE + 99
BYTES = bytes_of(SIZE)


def deleting(peer: TestPeer) -> Deleting:
    return peer.parts.requests.deleting


async def remove(peer: TestPeer, entry: Entry) -> Removed:
    return await deleting(peer).remove(Remove(call=1, entry=entry.id.hex()))


async def restore(peer: TestPeer, entry: Entry) -> Restored:
    return await deleting(peer).restore(Restore(call=1, entry=entry.id.hex()))


async def trash_of(peer: TestPeer) -> TrashListed:
    return await deleting(peer).trash(GetTrash(call=1))


async def purge(peer: TestPeer, entry: Entry | None) -> Purged:
    named = entry.id.hex() if entry else None
    return await deleting(peer).purge(Purge(call=1, entry=named))


async def bursts(peer: TestPeer) -> Bursts:
    return await deleting(peer).bursts(GetBursts(call=1))


async def decide(peer: TestPeer, target: str, *, approve: bool = True) -> BurstDecided:
    return await deleting(peer).decide(DecideBurst(call=1, target=target, approve=approve))


def holds(peer: TestPeer, manifest: Manifest) -> bool:
    content = peer.parts.contents.get(manifest.id)
    return content is not None and content.complete


def in_trash(peer: TestPeer, manifest: Manifest) -> bool:
    lies_there = (peer.parts.directory.trash / manifest.id.hex()).exists()
    return lies_there and peer.parts.contents.get(manifest.id) is None


def tombstone(entry: Entry, sequence: int, by: TestPeer | None = None) -> Tombstone:
    return Tombstone(
        salt=entry.salt,
        author=entry.author,
        sequence=sequence,
        manifest=entry.manifest,
        deleted=5,
        by=AuthorKey(by.me) if by else None,
    )


async def replicated(net: PeerNet, *names: str) -> tuple[list[TestPeer], Manifest, Entry]:
    """Peers, and an entry of the first that the first two hold, and nobody else."""
    nothing = dict.fromkeys(names[2:], 0)
    peers = await net.start(*names, replicating=True, capacity=nothing)
    manifest, _ = await peers[0].hold(BYTES)
    entry = await peers[0].publish(manifest)
    peers[0].parts.replication.wake()
    await until(lambda: all(holds(peer, manifest) for peer in peers[:2]), "two copies")
    return peers, manifest, entry


async def make_admin(net: PeerNet, peer: TestPeer) -> None:
    net.swarm.change(peer.me, admin=True)
    await net.spread_roster()


# Trash


@pytest.mark.trio
async def test_deleted_everywhere_and_restored_without_moving_a_byte(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one, two), manifest, entry = await replicated(net, "one", "two")
    moved = [peer.parts.traffic.downloaded for peer in (one, two)]
    assert not (await remove(one, entry)).held
    assert in_trash(one, manifest)
    await until(lambda: in_trash(two, manifest), "the other holder's trash")
    for peer in (one, two):
        (listed,) = (await trash_of(peer)).entries
        assert (listed.id, listed.name, listed.by) == (entry.id.hex(), "film", "one")
        assert listed.size == SIZE
        assert listed.until - listed.deleted >= 30 * 86_400_000
        assert listed.path == ""
    done = await restore(one, entry)
    assert (done.name, done.here) == ("film", manifest.pieces)
    await until(lambda: holds(two, manifest), "taken back there too")
    await until(lambda: two.me in one.parts.replication.confirmed(manifest.id), "it counts")
    assert [peer.parts.traffic.downloaded for peer in (one, two)] == moved
    for peer in (one, two):
        assert peer.bytes_held(manifest) == BYTES
        assert (await trash_of(peer)).entries == ()


@pytest.mark.trio
async def test_what_was_purged_comes_from_the_other_holder(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one, two), manifest, entry = await replicated(net, "one", "two")
    moved = two.parts.traffic.downloaded
    with pytest.raises(UsageError, match="not been deleted"):
        await purge(two, entry)
    assert (await purge(two, None)).contents == 0
    assert holds(two, manifest)
    await remove(one, entry)
    await until(lambda: in_trash(two, manifest), "trash")
    done = await purge(two, entry)
    assert (done.contents, done.bytes) == (1, SIZE)
    assert not (two.parts.directory.trash / manifest.id.hex()).exists()
    with pytest.raises(NotFoundError, match="keeps nothing"):
        await purge(two, entry)
    await restore(one, entry)
    await until(lambda: holds(two, manifest), "topped up")
    assert two.parts.traffic.downloaded - moved == SIZE
    assert one.parts.traffic.downloaded == 0


@pytest.mark.trio
async def test_the_author_restores_after_emptying_its_own_trash(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one, two), manifest, entry = await replicated(net, "one", "two")
    await remove(one, entry)
    await until(lambda: in_trash(two, manifest), "trash")
    await purge(one, None)
    assert (await restore(one, entry)).here == 0
    await until(lambda: holds(two, manifest), "back there")
    await until(lambda: holds(one, manifest), "and from there back here")
    assert one.bytes_held(manifest) == BYTES


@pytest.mark.trio
async def test_trash_and_what_is_held_survive_a_restart(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one, two), manifest, entry = await replicated(net, "one", "two")
    await remove(one, entry)
    await until(lambda: in_trash(two, manifest), "trash")
    await two.kill()
    again = sign_record(structs.replace(entry, sequence=3), one.identity.signing)
    await one.parts.catalogue.learn(again, mine=True)
    await until(lambda: holds(one, manifest), "back here")
    two = await net.restart("two", replicating=True)
    await until(lambda: holds(two, manifest), "taken back when it was offered")
    assert two.parts.traffic.downloaded == 0


@pytest.mark.trio
async def test_a_stop_between_the_note_and_the_move_loses_nothing(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one,) = await net.start("one")
    manifest, _ = await one.hold(BYTES)
    entry = await one.publish(manifest)
    await one.parts.catalogue.learn(one.sign(tombstone(entry, 2)))
    await until(lambda: in_trash(one, manifest), "trash")
    own = one.parts.contents.content_file(manifest.id)
    (one.parts.directory.trash / own.name).rename(own)
    (one.parts.directory.trash / ("ab" * 32)).write_bytes(b"nobody knows of this")
    await one.kill()
    one = await net.restart("one")
    assert [path.name for path in one.parts.directory.trash.iterdir()] == [own.name]
    await restore(one, entry)
    assert holds(one, manifest)
    assert own.read_bytes() == BYTES


@pytest.mark.trio
@pytest.mark.parametrize("changed", [False, True])
async def test_files_shared_in_place_are_never_touched(
    autojump_clock: Clock, net: PeerNet, changed: bool
) -> None:
    one, two = await net.start("one", "two", replicating=True)
    path = net.tmp_path / "film"
    path.write_bytes(BYTES)
    manifest, _ = await one.share(path)
    entry = await one.publish(manifest)
    one.parts.replication.wake()
    await until(lambda: holds(two, manifest), "two copies")
    moved = two.parts.traffic.downloaded
    await remove(one, entry)
    await until(lambda: in_trash(two, manifest), "trash")
    (listed,) = (await trash_of(one)).entries
    assert listed.path == str(path)
    assert (await purge(one, None)).contents == 0
    assert path.read_bytes() == BYTES
    if changed:
        path.write_bytes(bytes_of(SIZE, 9))
    await restore(one, entry)
    await until(lambda: holds(two, manifest), "back at the other")
    await until(lambda: holds(one, manifest), "shared again, or from the other")
    content = one.parts.contents.get(manifest.id)
    assert content is not None
    assert (content.path == path) is not changed
    assert path.read_bytes() == (bytes_of(SIZE, 9) if changed else BYTES)
    assert two.parts.traffic.downloaded == moved
    assert (one.parts.traffic.downloaded > 0) == changed


@pytest.mark.trio
async def test_pieces_that_rotted_in_the_trash_are_fetched_again(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one, two), manifest, entry = await replicated(net, "one", "two")
    await remove(one, entry)
    await until(lambda: in_trash(two, manifest), "trash")
    (two.parts.directory.trash / manifest.id.hex()).unlink()
    await restore(one, entry)
    await until(lambda: two.parts.traffic.downloaded >= 2 * SIZE, "fetched anew")
    await until(lambda: holds(two, manifest), "whole")
    assert two.bytes_held(manifest) == BYTES


@pytest.mark.trio
async def test_content_that_another_entry_names_stays(autojump_clock: Clock, net: PeerNet) -> None:
    (one,) = await net.start("one")
    manifest, _ = await one.hold(BYTES)
    film, copy = await one.publish(manifest, "film"), await one.publish(manifest, "copy")
    await remove(one, film)
    assert holds(one, manifest)
    with pytest.raises(UsageError, match="same content"):
        await purge(one, film)
    await remove(one, copy)
    assert in_trash(one, manifest)
    assert {each.name for each in (await trash_of(one)).entries} == {"film", "copy"}


@pytest.mark.trio
async def test_who_was_away_hears_of_a_deletion_when_it_offers(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one, two), manifest, entry = await replicated(net, "one", "two")
    await two.kill()
    await remove(one, entry)
    two = await net.restart("two", replicating=True)
    await until(lambda: in_trash(two, manifest), "told by whom it offered to")


@pytest.mark.trio
async def test_who_was_not_linked_hears_of_it_when_a_link_opens(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, two = await net.start("one", "two")
    manifest, _ = await one.hold(BYTES)
    entry = await one.publish(manifest)
    await two.hold(BYTES)
    await two.parts.catalogue.learn(one.sign(entry))
    await remove(one, entry)
    assert holds(two, manifest)
    await two.link_to(one)
    await until(lambda: in_trash(two, manifest), "deleted")
    await two.kill()
    await restore(one, entry)
    two = await net.restart("two")
    await until(lambda: one.parts.links.find(two.me) is None, "the dead link is noticed")
    await two.link_to(one)
    await until(lambda: holds(two, manifest), "restored")


# Who may


@pytest.mark.trio
async def test_an_admin_deletes_and_restores_what_others_share(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one, two, admin), manifest, entry = await replicated(net, "one", "two", "admin")
    await admin.parts.catalogue.learn(one.sign(entry))
    await admin.link_to(one)
    await admin.link_to(two)
    with pytest.raises(NotPermittedError, match="admin"):
        await remove(admin, entry)
    await make_admin(net, admin)
    await remove(admin, entry)
    await until(lambda: in_trash(one, manifest) and in_trash(two, manifest), "trash")
    (listed,) = (await trash_of(two)).entries
    assert listed.by == "admin"
    with pytest.raises(NotPermittedError, match="admin"):
        await restore(two, entry)
    await restore(admin, entry)
    await until(lambda: holds(one, manifest) and holds(two, manifest), "restored")
    # Its author still speaks for it.
    await remove(one, entry)
    await until(lambda: in_trash(two, manifest), "deleted by its author")
    await restore(one, entry)
    await until(lambda: holds(two, manifest), "and restored by it")


@pytest.mark.trio
@pytest.mark.parametrize(
    "lie", ["another's signature", "no admin", "admin no more", "stranger", "older", "replayed"]
)
async def test_a_bad_tombstone_changes_nothing(
    autojump_clock: Clock, net: PeerNet, lie: str
) -> None:
    (one, two), manifest, entry = await replicated(net, "one", "two")
    link = await one.link_to(two)
    if lie == "another's signature":
        record = sign_record(tombstone(entry, 2), two.identity.signing)
    elif lie == "no admin":
        record = sign_record(tombstone(entry, 2, by=two), two.identity.signing)
    elif lie == "admin no more":
        await make_admin(net, two)
        net.swarm.change(two.me, admin=False)
        await net.spread_roster()
        record = sign_record(tombstone(entry, 2, by=two), two.identity.signing)
    elif lie == "stranger":
        stranger = generate_identity()
        theirs = structs.replace(tombstone(entry, 2), by=AuthorKey(stranger.peer))
        record = sign_record(theirs, stranger.signing)
    elif lie == "older":
        record = one.sign(tombstone(entry, 0))
    else:
        record = one.sign(tombstone(entry, 2))
        await one.parts.catalogue.learn(one.sign(tombstone(entry, 2)))
        await until(lambda: in_trash(one, manifest) and in_trash(two, manifest), "trash")
        await restore(one, entry)
        await until(lambda: holds(one, manifest) and holds(two, manifest), "restored")
    link.put(RecordPassedOn(record=record))
    await two.parts.tracker.take_entry(EntryChanged(change=7, record=record))
    await trio.sleep(30)
    assert holds(two, manifest)
    assert holds(one, manifest)
    assert two.parts.catalogue.copies_wanted(manifest.id) == 2
    assert not two.parts.catalogue.is_held(entry.id)


@pytest.mark.trio
async def test_what_an_admin_restored_lives_on_without_that_admin(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, two = await net.start("one", "two")
    manifest, _ = await one.hold(BYTES)
    entry = one.entry(manifest)
    again = sign_restoration(one.sign(entry), 3, two.identity.signing)
    record, fresh = await one.parts.catalogue.learn(again)
    assert (record, fresh) == (entry, True)
    assert one.parts.catalogue.copies_wanted(manifest.id) == 2


# Bursts


async def with_entries(peers: list[TestPeer], count: int) -> list[Entry]:
    """So many entries of the first peer that all peers know, of content nobody needs to hold."""
    manifest, _ = await peers[0].hold(b"little")
    entries = []
    for number in range(count):
        entry = await peers[0].publish(manifest, f"{number:03}")
        entries.append(entry)
        for peer in peers[1:]:
            await peer.parts.catalogue.learn(peers[0].sign(entry))
    return entries


def held(peer: TestPeer, entries: list[Entry]) -> list[int]:
    return [n for n, entry in enumerate(entries) if peer.parts.catalogue.is_held(entry.id)]


async def gone(peer: TestPeer, entries: list[Entry]) -> list[int]:
    found = [await peer.parts.catalogue.find(entry.id) for entry in entries]
    return [n for n, known in enumerate(found) if known and isinstance(known[0], Tombstone)]


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
