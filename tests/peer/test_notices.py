"""The owner of shared files is told when they are not what was shared any more."""

from pathlib import Path

import pytest
from peer_net import Clock, PeerNet, TestPeer, bytes_of, manifest_of

from peer.notices import LONGEST
from peer.store.splitter import survey
from protocol import codec
from protocol.messages.operating import Add, Added, GetStatus, Remove, Status


def nothing(_: object) -> None:
    return None


async def share(peer: TestPeer, path: Path, *, keep: bool = False) -> Added:
    added = await peer.parts.requests.answer(Add(call=1, path=str(path), keep=keep), nothing)
    assert isinstance(added, Added)
    return added


async def notices(peer: TestPeer) -> list[str]:
    for content in peer.parts.contents.all():
        await peer.parts.watch.check(content)
    status = await peer.parts.requests.answer(GetStatus(call=1), nothing)
    assert isinstance(status, Status)
    assert all(notice.when > 1_700_000_000_000 for notice in status.notices)
    return [notice.text for notice in status.notices]


def make_folder(root: Path) -> Path:
    root.mkdir()
    for number in range(40):
        (root / f"{number:02}.jpg").write_bytes(bytes_of(10_000, number))
    (root / "empty").touch()
    return root


@pytest.mark.trio
async def test_changed_files_are_counted_and_named(autojump_clock: Clock, net: PeerNet) -> None:
    (one,) = await net.start("one")
    folder = make_folder(net.tmp_path / "photos")
    entry = (await share(one, folder)).entry
    assert await notices(one) == []
    assert entry.notice == ""
    (folder / "07.jpg").write_bytes(b"edited")
    (text,) = await notices(one)
    start = f"1 of 41 files in {folder} changed or went away since it was shared"
    assert text == f"{start}: 07.jpg"
    (folder / "07.jpg").write_bytes(b"edited again")
    (folder / "09.jpg").unlink()
    (folder / "empty").write_bytes(b"not any more")
    (text,) = await notices(one)
    assert text.startswith("3 of 41 files")
    assert text.endswith(": 07.jpg, 09.jpg, empty")
    for number in range(20, 30):
        (folder / f"{number}.jpg").unlink()
    (text,) = await notices(one)
    assert text.startswith("13 of 41 files")
    assert text.endswith(": 07.jpg, 09.jpg, 20.jpg, …")
    assert (await one.parts.requests.lookup.view(entry.id)).notice == text
    await one.kill()
    one = await net.restart("one")
    assert await notices(one) == [text]
    await one.parts.requests.answer(Remove(call=2, entry=entry.id), nothing)
    assert await notices(one) == []


@pytest.mark.trio
async def test_files_that_are_back_are_forgotten(autojump_clock: Clock, net: PeerNet) -> None:
    (one,) = await net.start("one")
    film = net.tmp_path / "film"
    film.write_bytes(bytes_of(100_000))
    await share(one, film)
    aside = film.rename(net.tmp_path / "aside")
    assert await notices(one) == [f"{film} changed or went away since it was shared"]
    aside.rename(film)
    assert await notices(one) == []
    await one.kill()
    one = await net.restart("one")
    assert await notices(one) == []


@pytest.mark.trio
@pytest.mark.parametrize("keep", [True, False])
async def test_adding_again_settles_it(autojump_clock: Clock, net: PeerNet, keep: bool) -> None:
    (one,) = await net.start("one")
    film = net.tmp_path / "film"
    film.write_bytes(bytes_of(100_000))
    await share(one, film)
    film.write_bytes(b"edited")
    assert len(await notices(one)) == 1
    film.write_bytes(bytes_of(100_000))
    await share(one, film, keep=keep)
    assert await notices(one) == []


@pytest.mark.trio
async def test_many_long_notices_fit_a_status(autojump_clock: Clock, net: PeerNet) -> None:
    (one,) = await net.start("one")
    for number in range(60):
        folder = net.tmp_path / ("ü" * 120 + str(number)) / ("ö" * 120)
        folder.mkdir(parents=True)
        (folder / "a").write_bytes(bytes_of(100, number))
        (folder / "b").write_bytes(bytes_of(100, 100 + number))
        found, manifest = survey(folder), manifest_of(folder)
        stats = dict(enumerate(found.stats))
        content = await one.parts.contents.add(manifest, folder, full=True, stats=stats)
        await one.parts.notices.note(content, manifest, {0}, set(), 1_800_000_000_000 + number)
    status = one.parts.status.make(1)
    assert len(status.notices) == 20
    assert status.notices[0].when == 1_800_000_000_059
    assert all(len(notice.text) <= LONGEST for notice in status.notices)
    assert len(codec.encode(status)) < codec.MAX_CONTROL
