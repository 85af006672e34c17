"""Renditions of pictures: entries of their own, found by id, gone and back with their picture."""

import pytest
from deletions import make_admin, remove, restore, trash_of
from peer_net import Clock, PeerNet, TestPeer, bytes_of, until

from peer.database import _MIGRATIONS, open_database
from peer.errors import NotFoundError, UsageError
from protocol.delete_brake import FEW
from protocol.entry import Entry, Tombstone
from protocol.ids import EntryId, ManifestId
from protocol.messages.deleting import Purge
from protocol.messages.operating import Add, Added, EntryView, Find, Found, Show, Shown
from protocol.pictures import QUALITIES, Picture, Quality, rendition_ids


async def add(peer: TestPeer, name: str, content: bytes, picture: Picture | None) -> EntryView:
    """Share what lies in the spool, as the page does."""
    path = peer.parts.directory.spool / "upload.part"
    path.write_bytes(content)
    request = Add(call=1, path=str(path), name=name, owned=True, picture=picture)
    added = await peer.parts.requests.answer(request, lambda _: None)
    assert isinstance(added, Added)
    path.unlink()
    return added.entry


async def add_rendition(peer: TestPeer, of: EntryView, quality: Quality, seed: int) -> EntryView:
    number = EntryId(bytes.fromhex(of.id))
    picture = Picture(width=40, height=30, quality=quality, of=number)
    return await add(peer, f"sea ({quality}).jpg", bytes_of(500, seed), picture)


async def picture_with_renditions(peer: TestPeer) -> tuple[EntryView, list[EntryView]]:
    picture = await add(peer, "sea.jpg", bytes_of(900), Picture(width=400, height=300))
    made = [await add_rendition(peer, picture, q, n) for n, q in enumerate(QUALITIES, 2)]
    return picture, made


async def look(peer: TestPeer, number: str) -> EntryView:
    shown = await peer.parts.requests.answer(Show(call=1, entry=number), lambda _: None)
    assert isinstance(shown, Shown)
    return shown.entry


async def listed(peer: TestPeer, words: str = "") -> Found:
    found = await peer.parts.requests.answer(Find(call=1, words=words), lambda _: None)
    assert isinstance(found, Found)
    return found


async def entry_of(peer: TestPeer, view: EntryView) -> Entry | Tombstone:
    found = await peer.parts.catalogue.find(EntryId(bytes.fromhex(view.id)))
    assert found is not None
    return found[0]


@pytest.mark.trio
async def test_a_picture_tells_of_its_renditions_and_searches_do_not(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one,) = await net.start("one")
    picture, made = await picture_with_renditions(one)
    found = await listed(one)
    assert [view.id for view in found.entries] == [picture.id]
    assert found.total == 1
    assert (await listed(one, "very high")).entries == ()
    for view in (found.entries[0], await look(one, picture.id)):
        assert view.picture is not None
        assert (view.picture.width, view.picture.quality) == (400, "original")
        assert [r.quality for r in view.renditions] == list(QUALITIES)
        assert [r.id for r in view.renditions] == [view.id for view in made]
        assert {(r.width, r.height, r.size) for r in view.renditions} == {(40, 30, 500)}
    low = await look(one, made[-1].id)
    assert low.picture is not None
    assert (low.picture.quality, low.picture.of, low.copies.want) == ("low", picture.id, 2)
    assert low.renditions == ()


@pytest.mark.trio
async def test_made_twice_it_is_the_same_entry(autojump_clock: Clock, net: PeerNet) -> None:
    (one,) = await net.start("one")
    picture = await add(one, "sea.jpg", bytes_of(900), None)
    first = await add_rendition(one, picture, "low", 2)
    again = await add_rendition(one, picture, "low", 2)
    assert (again.id, again.version) == (first.id, 1)
    other = await add_rendition(one, picture, "low", 3)
    assert (other.id, other.version) == (first.id, 2)
    assert [r.version for r in (await look(one, picture.id)).renditions] == [2]


@pytest.mark.trio
async def test_only_an_own_picture_has_renditions(autojump_clock: Clock, net: PeerNet) -> None:
    one, two = await net.start("one", "two")
    picture, made = await picture_with_renditions(one)
    for peer, of, error in (
        (two, picture, NotFoundError),
        (one, made[0], UsageError),
    ):
        with pytest.raises(error):
            await add_rendition(peer, of, "low", 9)
    with pytest.raises(UsageError):
        await add_rendition(one, picture, "original", 9)
    entry = await entry_of(one, picture)
    await remove(one, entry)  # type: ignore[arg-type]
    with pytest.raises(NotFoundError, match="no entry of this machine any more"):
        await add_rendition(one, picture, "low", 9)


@pytest.mark.trio
async def test_they_go_and_come_back_with_their_picture(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, two = await net.start("one", "two", replicating=True)
    picture, made = await picture_with_renditions(one)
    entries = [await entry_of(one, view) for view in (picture, *made)]

    def all_held(peer: TestPeer) -> bool:
        contents = [peer.parts.contents.get(entry.manifest) for entry in entries]
        return all(content is not None and content.complete for content in contents)

    await until(lambda: all_held(two), "two copies of each")
    await remove(one, entries[0])  # type: ignore[arg-type]

    def all_gone(peer: TestPeer) -> bool:
        return all(peer.parts.contents.in_trash(entry.manifest) for entry in entries)

    for peer in (one, two):
        await until(lambda peer=peer: all_gone(peer), "all in the trash")  # type: ignore[misc]
        trash = await trash_of(peer)
        assert [view.id for view in trash.entries] == [picture.id]
        assert trash.total == 1
    await restore(one, entries[0])  # type: ignore[arg-type]
    for peer in (one, two):
        await until(lambda peer=peer: all_held(peer), "all back")  # type: ignore[misc]
    assert len((await look(one, picture.id)).renditions) == 4
    await remove(one, await entry_of(one, picture))  # type: ignore[arg-type]
    await until(lambda: all_gone(one), "all in the trash again")
    request = Purge(call=1, entry=picture.id)
    assert (await one.parts.requests.deleting.purge(request)).contents == 5


@pytest.mark.trio
async def test_what_was_deleted_just_before_a_stop_is_finished(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one,) = await net.start("one")
    picture, made = await picture_with_renditions(one)
    entries = [await entry_of(one, view) for view in made]
    one.parts.renditions.mark = lambda _: None  # type: ignore[method-assign]
    await remove(one, await entry_of(one, picture))  # type: ignore[arg-type]
    await one.kill()
    again = await net.restart("one")
    await until(
        lambda: all(again.parts.contents.in_trash(entry.manifest) for entry in entries),
        "the renditions too",
    )


@pytest.mark.trio
async def test_the_brake_counts_pictures_and_not_their_renditions(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one,) = await net.start("one")
    pictures = []
    for number in range(FEW + 1):
        view = await add(one, f"{number}.png", bytes_of(100, number), None)
        for quality in QUALITIES:
            await add_rendition(one, view, quality, number)
        pictures.append(await entry_of(one, view))
    held = [(await remove(one, entry)).held for entry in pictures]  # type: ignore[arg-type]
    assert held == [False] * FEW + [True]
    ids = list(rendition_ids(pictures[0]).values())  # type: ignore[arg-type]

    def dead() -> bool:
        live = one.parts.database.read_sync(
            lambda c: c.execute("SELECT count(*) FROM records WHERE dead = 0 AND rendition")
        )
        return live.fetchone()[0] == len(ids)

    await until(dead, "only those of the one that is held are left")


def test_an_older_database_has_none(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    with monkeypatch.context() as before:
        before.setattr("peer.database._MIGRATIONS", _MIGRATIONS[:9])
        old = open_database(tmp_path / "peer.db")
    old.connection.execute("INSERT INTO records VALUES (x'00', x'01', 1, 0, 2, 1, x'02', x'03')")
    old.close()
    new = open_database(tmp_path / "peer.db")
    assert new.connection.execute("SELECT entry, rendition FROM records").fetchall() == [(b"\0", 0)]
    new.close()


@pytest.mark.trio
async def test_an_admin_deletes_and_restores_them_too(autojump_clock: Clock, net: PeerNet) -> None:
    one, two = await net.start("one", "two", replicating=True)
    await make_admin(net, two)
    picture, made = await picture_with_renditions(one)
    entries = [await entry_of(one, view) for view in (picture, *made)]
    for entry in entries:
        await until(
            lambda entry=entry: holds(two, entry.manifest),  # type: ignore[misc]
            "a copy of each",
        )
    await one.kill()
    await remove(two, entries[0])  # type: ignore[arg-type]
    await until(
        lambda: all(two.parts.contents.in_trash(entry.manifest) for entry in entries),
        "all in the trash",
    )
    await restore(two, entries[0])  # type: ignore[arg-type]
    await until(lambda: all(holds(two, entry.manifest) for entry in entries), "all back")


def holds(peer: TestPeer, manifest: ManifestId) -> bool:
    content = peer.parts.contents.get(manifest)
    return content is not None and content.complete
