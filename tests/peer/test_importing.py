"""`add --import`: the store has a copy of its own, exactly of the bytes that were hashed."""

import errno
import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from peer_net import PIECE, Clock, PeerNet, TestPeer, bytes_of, manifest_of

from peer.errors import NotPermittedError, PeerError
from peer.operator import adding
from peer.parts import now_ms
from peer.store import importing
from peer.store.files import FileCache
from peer.store.importing import ImportedCopy
from peer.store.splitter import split, survey
from protocol.manifest import Manifest
from protocol.messages.operating import Add, Added, Fetch

FILES = {
    "big/one.bin": bytes_of(3 * PIECE + 100, 1),
    "big/two.bin": bytes_of(2 * PIECE, 2),
    "small/a.txt": bytes_of(1000, 3),
    "small/b.txt": bytes_of(PIECE - 500, 4),
    "empty": b"",
}


def nothing(_: object) -> None:
    return None


def make_folder(root: Path) -> Path:
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


async def add(peer: TestPeer, path: Path, *, keep: bool = True, tell: Any = nothing) -> Added:
    added = await peer.parts.requests.answer(Add(call=1, path=str(path), keep=keep), tell)
    assert isinstance(added, Added)
    return added


def left_over(peer: TestPeer) -> list[Path]:
    """Files of the store beside what counts."""
    directory = peer.parts.directory
    counting = {
        peer.parts.contents.content_file(c.id) for c in peer.parts.contents.all() if c.bits.count
    }
    folders = (directory.content, directory.spool, directory.trash)
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [path for path in found if path not in counting]


def copied(content: Path, manifest: Manifest) -> dict[str, bytes]:
    """The files as they lie in a content file."""
    stored = content.read_bytes()
    return {r.path: stored[r.offset : r.offset + r.size] for r in manifest.files}


@pytest.mark.trio
async def test_a_file_may_go_after_its_import(autojump_clock: Clock, net: PeerNet) -> None:
    one, two = await net.start("one", "two")
    film = net.tmp_path / "film"
    content = bytes_of(3 * PIECE + 1)
    film.write_bytes(content)
    added = await add(one, film)
    assert added.seconds >= 0
    manifest = manifest_of(film)
    film.unlink()
    assert one.bytes_held(manifest) == content
    assert left_over(one) == []
    held = one.parts.contents.get(manifest.id)
    assert held is not None
    assert (held.path, held.passing, held.complete) == (None, False, True)
    (record,) = await one.parts.catalogue.naming(manifest.id)
    await two.parts.catalogue.learn(record)
    out = net.tmp_path / "out"
    await two.parts.requests.answer(Fetch(call=2, entry=added.entry.link, path=str(out)), nothing)
    assert out.read_bytes() == content
    await one.kill()
    one = await net.restart("one")
    await one.parts.letting_go.tidy(now_ms())
    assert one.bytes_held(manifest) == content


@pytest.mark.trio
async def test_a_folder_is_copied_in_the_layout_of_its_manifest(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one,) = await net.start("one")
    folder = make_folder(net.tmp_path / "folder")
    (folder / "link").symlink_to("empty")
    added = await add(one, folder)
    assert added.skipped == ("link",)
    manifest = manifest_of(folder)
    path = one.parts.contents.content_file(manifest.id)
    assert copied(path, manifest) == FILES
    assert path.stat().st_size == manifest.geometry.length
    held = one.parts.contents.get(manifest.id)
    assert held is not None
    assert await one.parts.store.verify(held, nothing) == []


@pytest.mark.trio
async def test_the_same_twice_and_what_was_shared_in_place_before(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one,) = await net.start("one")
    folder = make_folder(net.tmp_path / "folder")
    first = await add(one, folder, keep=False)
    manifest = manifest_of(folder)
    assert one.parts.contents.stored_bytes() == manifest.geometry.length
    second = await add(one, folder)
    third = await add(one, folder)
    assert first.entry.id == second.entry.id == third.entry.id
    held = one.parts.contents.get(manifest.id)
    assert held is not None
    assert (held.path, held.stats) == (None, {})
    assert left_over(one) == []
    (folder / "big/one.bin").unlink()
    await one.parts.watch.check(held)
    assert held.complete
    assert await one.parts.store.verify(held, nothing) == []


@pytest.mark.trio
async def test_a_copy_in_the_place_of_a_partial_one_is_what_is_read(
    autojump_clock: Clock, net: PeerNet
) -> None:
    """Through a descriptor still open on the older file, its holes would be sent."""
    one, two = await net.start("one", "two")
    film = net.tmp_path / "film"
    film.write_bytes(bytes_of(4 * PIECE))
    manifest, _ = await two.hold(film.read_bytes())
    download = await one.parts.downloads.fetch(
        manifest, path=None, wanted=[1], purpose="get", name="film"
    )
    await download.closed.wait()
    buffer = memoryview(bytearray(PIECE))
    await one.parts.store.read_piece(download.content, 1, buffer)
    await add(one, film)
    held = one.parts.contents.get(manifest.id)
    assert held is not None
    await one.parts.store.read_piece(held, 2, buffer)
    assert buffer == film.read_bytes()[2 * PIECE : 3 * PIECE]


@pytest.mark.trio
@pytest.mark.parametrize("when", ["before", "while"])
async def test_no_room_leaves_nothing(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    (one,) = await net.start("one")
    folder = make_folder(net.tmp_path / "folder")
    if when == "before":
        usage = type("Usage", (), {"free": PIECE})
        monkeypatch.setattr(importing.shutil, "disk_usage", lambda _: usage)
    else:
        write = FileCache.write
        written: list[int] = []

        def full(cache: FileCache, path: Path, position: int, content: memoryview) -> None:
            written.append(position)
            if len(written) > 3:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            write(cache, path, position, content)

        monkeypatch.setattr(FileCache, "write", full)
    with pytest.raises(PeerError, match="no room"):
        await add(one, folder)
    assert one.parts.contents.all() == []
    assert await one.parts.catalogue.live_after(b"", 10) == []
    assert left_over(one) == []


@pytest.mark.trio
async def test_a_file_that_changes_meanwhile_is_refused(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = await net.start("one")
    folder = make_folder(net.tmp_path / "folder")

    def changing(found: Any, **rest: Any) -> Manifest:
        (folder / "small/a.txt").write_bytes(bytes_of(1000, 99))
        return split(found, **rest)

    monkeypatch.setattr(adding, "split", changing)
    with pytest.raises(PeerError, match="changed while it was read"):
        await add(one, folder)
    assert left_over(one) == []
    assert one.parts.contents.all() == []


@pytest.mark.trio
async def test_an_operator_that_goes_leaves_nothing(
    autojump_clock: Clock, threads: None, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = await net.start("one")
    folder = make_folder(net.tmp_path / "folder")
    begun = threading.Event()

    def slow(found: Any, *, cancelled: Callable[[], bool], **rest: Any) -> Manifest:
        begun.set()
        pause = threading.Event()
        while not cancelled():
            pause.wait(0.001)
        return split(found, cancelled=cancelled, **rest)

    monkeypatch.setattr(adding, "split", slow)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(add, one, folder)
        await trio.to_thread.run_sync(begun.wait, 30)
        assert len(left_over(one)) == 1
        nursery.cancel_scope.cancel()
    assert left_over(one) == []


@pytest.mark.trio
async def test_a_copy_whose_entry_was_not_made_goes_again(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = await net.start("one")
    folder = make_folder(net.tmp_path / "folder")

    async def refuse(*_: object) -> None:
        raise NotPermittedError("not now")

    monkeypatch.setattr(one.parts.publishing, "publish", refuse)
    with pytest.raises(PeerError, match="not now"):
        await add(one, folder)
    assert one.parts.contents.all() == []
    assert left_over(one) == []
    # What is shared in place is still the user's.
    with pytest.raises(PeerError, match="not now"):
        await add(one, folder, keep=False)
    assert (folder / "empty").exists()


@pytest.mark.trio
@pytest.mark.parametrize("step", ["copying", "moving", "publishing"])
async def test_a_stop_leaves_nothing_that_counts(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """As after kill -9: what there is at each step is what the next start finds."""
    (one,) = await net.start("one")
    folder = make_folder(net.tmp_path / "folder")
    manifest = manifest_of(folder)
    spooled = one.parts.directory.spool / "import-half"
    spooled.write_bytes(b"half")
    if step != "copying":
        await one.parts.contents.expect(manifest)
        target = one.parts.contents.content_file(manifest.id)
        target.parent.mkdir()
        target.write_bytes(bytes(manifest.geometry.length))
    if step == "publishing":
        await one.parts.contents.add(manifest, None, full=True, passing=True)
    await one.kill()
    one = await net.restart("one", replicating=True)
    assert not spooled.exists()
    await one.parts.letting_go.tidy(now_ms())
    assert one.parts.contents.all() == []
    assert left_over(one) == []


# Sharing extents, by a double: few file systems can


def clone_double(tails: list[int]) -> Callable[..., int]:
    """FICLONERANGE as XFS has it, by copying; notes where each range ends in the target."""

    def clone(target: int, request: int, argument: bytes) -> int:
        source, start, length, offset = importing._RANGE.unpack(argument)
        assert request == 0x4020940D
        assert offset % 4096 == 0
        size = os.fstat(target).st_size
        if length % 4096 and offset + length < size:
            raise OSError(errno.EINVAL, "the end of a file must be the end of the target")
        os.pwrite(target, os.pread(source, length, start), offset)
        tails.append(offset + length)
        return 0

    return clone


@pytest.mark.parametrize("able", [True, False])
def test_extents_are_shared_where_that_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, able: bool
) -> None:
    folder = make_folder(tmp_path / "folder")
    found = survey(folder)
    tails: list[int] = []
    if able:
        monkeypatch.setattr(importing.fcntl, "ioctl", clone_double(tails))
    copy = ImportedCopy(found, tmp_path / "copy")
    copy.begin()
    written: list[int] = []
    write = FileCache.write

    def noted(cache: FileCache, path: Path, position: int, content: memoryview) -> None:
        written.append(position // PIECE)
        write(cache, path, position, content)

    monkeypatch.setattr(FileCache, "write", noted)
    never: Callable[[], bool] = lambda: False  # noqa: E731
    manifest = split(found, progress=lambda *_: None, cancelled=never, read=copy.read)
    assert manifest.id == manifest_of(folder).id
    assert copied(copy.path, manifest) == FILES
    big = {
        p
        for r in manifest.files
        if r.size >= PIECE
        for p in manifest.geometry.overlapping(r.offset, r.size)
    }
    everything = set(range(manifest.pieces))
    assert set(written) == (everything - big if able else everything)
    assert len(tails) == (2 if able else 0)


def test_bytes_that_changed_after_their_extents_were_shared_are_not_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy says what it is, though somebody set the file's time back."""
    film = tmp_path / "film"
    film.write_bytes(bytes_of(2 * PIECE))
    before = manifest_of(film)
    found = survey(film)
    monkeypatch.setattr(fcntl, "ioctl", clone_double([]))
    copy = ImportedCopy(found, tmp_path / "copy")
    copy.begin()
    status = film.stat()
    film.write_bytes(bytes_of(2 * PIECE, 77))
    os.utime(film, ns=(status.st_atime_ns, status.st_mtime_ns))
    manifest = split(found, progress=lambda *_: None, cancelled=lambda: False, read=copy.read)
    assert manifest.id == before.id
    assert copied(copy.path, manifest) == {"": bytes_of(2 * PIECE)}
