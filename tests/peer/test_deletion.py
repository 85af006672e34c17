"""Deletion between whole peers: trash and back, and who may."""

import pytest
import trio
from deletions import (
    BYTES,
    SIZE,
    holds,
    in_trash,
    make_admin,
    purge,
    remove,
    replicated,
    restore,
    tombstone,
    trash_of,
)
from msgspec import structs
from peer_net import Clock, PeerNet, bytes_of, until

from peer.errors import NotFoundError, NotPermittedError, UsageError
from protocol.entry import sign_record, sign_restoration
from protocol.identity import generate_identity
from protocol.ids import AuthorKey
from protocol.messages.deleting import (
    RecordPassedOn,
)
from protocol.messages.tracking import EntryChanged

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
