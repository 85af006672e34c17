"""What the page spooled becomes the store's own: files by their name, folders by a copy."""

import os
import shutil
from pathlib import Path

import pytest
from peer_net import PIECE, Clock, PeerNet, TestPeer, bytes_of
from test_importing import FILES, copied, make_folder, nothing

from peer.errors import PeerError, UsageError
from peer.store import taking_in
from protocol.messages.operating import Add, Added


async def add_owned(peer: TestPeer, path: Path, name: str = "name") -> Added:
    request = Add(call=1, path=str(path), name=name, owned=True)
    added = await peer.parts.requests.answer(request, nothing)
    assert isinstance(added, Added)
    return added


def spooled(peer: TestPeer, content: bytes) -> Path:
    path = peer.parts.directory.spool / "abc.part"
    path.write_bytes(content)
    return path


@pytest.mark.trio
async def test_an_owned_file_is_in_both_places_until_its_giver_removes_it(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one,) = await net.start("one")
    content = bytes_of(2 * PIECE + 5)
    path = spooled(one, content)
    added = await add_owned(one, path)
    (held,) = one.parts.contents.all()
    stored = one.parts.contents.content_file(held.id)
    assert (stored.read_bytes(), path.stat().st_ino) == (content, stored.stat().st_ino)
    again = await add_owned(one, path)  # the answer was lost
    assert again.entry.id == added.entry.id
    path.unlink()
    assert stored.read_bytes() == content
    assert len(list(one.parts.directory.content.rglob("*/*"))) == 1
    path = spooled(one, content)
    assert (await add_owned(one, path)).entry.id == added.entry.id


@pytest.mark.trio
async def test_an_owned_file_where_there_are_no_hard_links(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(taking_in.os, "link", refuse)
    (one,) = await net.start("one")
    content = bytes_of(100)
    path = spooled(one, content)
    await add_owned(one, path)
    (held,) = one.parts.contents.all()
    assert one.parts.contents.content_file(held.id).read_bytes() == content
    assert not path.exists()


@pytest.mark.trio
async def test_an_owned_folder_is_copied_and_may_go(autojump_clock: Clock, net: PeerNet) -> None:
    (one,) = await net.start("one")
    folder = make_folder(one.parts.directory.spool / "abc.tree")
    added = await add_owned(one, folder, "holiday")
    assert (added.entry.kind, added.entry.name) == ("folder", "holiday")
    assert (await add_owned(one, folder, "holiday")).entry.id == added.entry.id
    shutil.rmtree(folder)
    (held,) = one.parts.contents.all()
    manifest = await one.parts.contents.manifest(held.id)
    assert copied(one.parts.contents.content_file(held.id), manifest) == FILES
    assert os.listdir(one.parts.directory.spool) == []
    assert held.path is None


@pytest.mark.trio
async def test_an_owned_file_that_could_not_be_published_is_still_spooled(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise PeerError("the tracker refuses")

    (one,) = await net.start("one")
    path = spooled(one, bytes_of(1000))
    with monkeypatch.context() as patch:
        patch.setattr(one.parts.requests.adding._publishing, "publish", refuse)
        with pytest.raises(PeerError, match="refuses"):
            await add_owned(one, path)
    assert one.parts.contents.all() == []
    assert path.read_bytes() == bytes_of(1000)
    assert (await add_owned(one, path)).entry.size == 1000


@pytest.mark.trio
async def test_only_the_spool_is_taken(autojump_clock: Clock, net: PeerNet) -> None:
    (one,) = await net.start("one")
    folder = make_folder(net.tmp_path / "mine")
    for path in (folder, folder / "empty"):
        with pytest.raises(UsageError, match="spool"):
            await add_owned(one, path)
