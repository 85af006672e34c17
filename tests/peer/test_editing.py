"""Editing an entry: its author only, the next number each time, the same content."""

import pytest
from msgspec import structs
from peer_net import PIECE, Clock, PeerNet, TestPeer, bytes_of

from peer.errors import NotPermittedError, UsageError
from protocol.entry import Entry, RestoredEntry, Tombstone, sign_restoration
from protocol.messages.editing import Edit, Edited
from protocol.messages.operating import Add, Added, Remove

BYTES = bytes_of(2 * PIECE + 5)


def nothing(_: object) -> None:
    return None


async def edit(peer: TestPeer, entry: Entry, **changes: object) -> Edited:
    request = Edit(call=7, entry=entry.id.hex(), **changes)  # type: ignore[arg-type]
    reply = await peer.parts.requests.answer(request, nothing)
    assert isinstance(reply, Edited)
    assert reply.call == 7
    return reply


async def known(peer: TestPeer, entry: Entry) -> Entry:
    found = await peer.parts.catalogue.find(entry.id)
    assert found is not None
    assert isinstance(found[0], Entry)
    return found[0]


async def shared(net: PeerNet, peer: TestPeer) -> Entry:
    manifest, _ = await peer.hold(BYTES, "film")
    return await peer.publish(manifest)


@pytest.mark.trio
async def test_an_edit_changes_what_is_said_and_nothing_else(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one,) = await net.start("one")
    before = await shared(net, one)
    reply = await edit(one, before, caption=" At the sea ", tags=("sun", " sun", "", "sand "))
    view = reply.entry
    assert (view.caption, view.tags, view.name) == ("At the sea", ("sun", "sand"), "film")
    assert (view.version, view.created, reply.published) == (2, before.created, False)
    assert view.edited > 0
    after = await known(one, before)
    same = {"caption": "", "tags": (), "sequence": 1, "edited": 0}
    assert structs.replace(after, **same) == before
    reply = await edit(one, before, name="new/\u202ename.mkv")
    assert (reply.entry.name, reply.entry.caption) == ("new__name.mkv", "At the sea")
    reply = await edit(one, before, caption="", tags=())
    assert (reply.entry.caption, reply.entry.tags, reply.entry.version) == ("", (), 4)
    # What says nothing new takes no number.
    assert (await edit(one, before, name="new__name.mkv")).entry.version == 4


@pytest.mark.trio
async def test_an_edit_waits_for_the_tracker(autojump_clock: Clock, net: PeerNet) -> None:
    (one,) = await net.start("one")
    before = await shared(net, one)
    await one.parts.catalogue.mark_published(before)
    assert await one.parts.catalogue.unpublished() == []
    assert not (await edit(one, before, caption="new")).published
    (waiting,) = await one.parts.catalogue.unpublished()
    found = await one.parts.catalogue.find(before.id)
    assert found is not None
    assert waiting == found[1]


@pytest.mark.trio
async def test_only_the_author_may_edit(autojump_clock: Clock, net: PeerNet) -> None:
    one, two = await net.start("one", "two")
    entry = await shared(net, one)
    await two.parts.catalogue.learn(one.sign(entry))
    with pytest.raises(NotPermittedError, match="only the machine that added"):
        await edit(two, entry, caption="mine")
    assert await known(two, entry) == entry


@pytest.mark.trio
async def test_edits_that_cannot_be_are_refused(autojump_clock: Clock, net: PeerNet) -> None:
    (one,) = await net.start("one")
    entry = await shared(net, one)
    with pytest.raises(UsageError, match="say what to change"):
        await edit(one, entry)
    with pytest.raises(UsageError, match="64 characters"):
        await edit(one, entry, tags=("x" * 65,))
    assert await known(one, entry) == entry
    # The longest that fits its fields fits a record, too.
    await edit(one, entry, caption="\U0001f600" * 4096, tags=tuple(f"{n:064}" for n in range(32)))
    assert (await known(one, entry)).sequence == 2


@pytest.mark.trio
async def test_what_an_admin_restored_is_the_authors_again(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, two = await net.start("one", "two")
    entry = await shared(net, one)
    net.swarm.change(two.me, admin=True)
    await net.spread_roster()
    dead = Tombstone(
        salt=entry.salt, author=entry.author, sequence=2, manifest=entry.manifest, deleted=1
    )
    await one.parts.catalogue.learn(one.sign(dead))
    signed = sign_restoration(one.sign(entry), 3, two.identity.signing)
    await one.parts.catalogue.learn(signed)
    assert isinstance(await known(one, entry), RestoredEntry)
    show = await one.parts.lookup.view(entry.id.hex())
    assert show.restored_by == "two"
    view = (await edit(one, entry, caption="again")).entry
    assert (view.version, view.restored_by, view.caption) == (4, "", "again")
    assert type(await known(one, entry)) is Entry


@pytest.mark.trio
async def test_adding_the_same_again_counts_as_an_edit(autojump_clock: Clock, net: PeerNet) -> None:
    (one,) = await net.start("one")
    film = net.tmp_path / "film"
    film.write_bytes(BYTES)
    first = await one.parts.requests.answer(Add(call=1, path=str(film)), nothing)
    again = Add(call=2, path=str(film), caption="said later")
    second = await one.parts.requests.answer(again, nothing)
    assert isinstance(first, Added)
    assert isinstance(second, Added)
    assert (first.entry.edited, first.entry.version) == (0, 1)
    assert second.entry.edited >= second.entry.created
    assert second.entry.version == 2


@pytest.mark.trio
async def test_what_is_deleted_is_not_edited(autojump_clock: Clock, net: PeerNet) -> None:
    (one,) = await net.start("one")
    entry = await shared(net, one)
    await one.parts.requests.answer(Remove(call=1, entry=entry.id.hex()), nothing)
    with pytest.raises(Exception, match=r"deleted|not seen"):
        await edit(one, entry, caption="too late")
