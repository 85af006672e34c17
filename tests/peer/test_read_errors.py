"""Files that cannot be read: for now, from now on, or until a disk is back."""

import errno
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from disks import BYTES, Disk, touch
from fetching import begin
from peer_net import PIECE, Clock, PeerNet, bytes_of, manifest_of, stats_of, until

from peer.errors import PieceLostError, PieceUnreadError
from peer.store.contents import Content
from peer.store.quarantine import Quarantine
from peer.store.read_errors import LOOK_AGAIN_AFTER, Fault, fault_of
from peer.store.rechecking import Bad, Rechecking
from peer.store.second_looks import SecondLooks
from protocol.manifest import Manifest


class Looking(Disk):
    """A store whose unread pieces are looked at again."""

    def open(self) -> None:
        super().open()
        self.rechecking = Rechecking(self.store, Quarantine(self.root / "quarantine"), lambda: 0)
        self.second_looks = SecondLooks(self.contents, self.rechecking)
        self.store.on_unread = self.second_looks.note
        self.readable: list[Content] = []
        self.second_looks.on_readable = self.readable.append
        self.bad: list[Bad] = []
        self.rechecking.on_bad = self._found_bad

    async def _found_bad(self, _: Content, bad: Bad) -> None:
        self.bad.append(bad)

    async def own(self, manifest: Manifest) -> Content:
        """All of a manifest in our own content file."""
        content = await self.contents.add(manifest, None, full=False)
        await self.store.prepare(content)
        await self.write(content, list(range(manifest.pieces)))
        await self.store.make_durable(content, list(range(manifest.pieces)))
        self.store.forget(self.contents.content_file(manifest.id))
        return content


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Looking]:
    disk = Looking(tmp_path / "data")
    yield disk
    disk.store.close()
    disk.database.close()


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "stick" / "film"
    path.parent.mkdir()
    path.write_bytes(BYTES)
    return path


@contextmanager
def no_more_files() -> Iterator[None]:
    """As long as this lasts, this process may open no more files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open("/dev/null", os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def pulled_out(folder: Path) -> Iterator[None]:
    """As long as this lasts, a folder is not there."""
    aside = folder.with_name("aside")
    folder.rename(aside)
    try:
        yield
    finally:
        aside.rename(folder)


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, file: Path, number: int) -> Iterator[None]:
    """As long as this lasts, a file cannot be opened."""
    really = os.open

    def fails(path: object, *rest: object, **more: object) -> int:
        if str(path) == str(file):
            raise OSError(number, os.strerror(number), str(file))
        return really(path, *rest, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", fails)
        yield


@contextmanager
def bad_sector(monkeypatch: pytest.MonkeyPatch, at: int) -> Iterator[None]:
    """As long as this lasts, the disk gives an error at one place of every file."""
    really = os.preadv

    def fails(descriptor: int, buffers: list[memoryview], offset: int, *flags: int) -> int:
        if offset <= at < offset + sum(map(len, buffers)):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return really(descriptor, buffers, offset, *flags)

    with monkeypatch.context() as patched:
        patched.setattr(os, "preadv", fails)
        yield


def test_what_an_error_says() -> None:
    for number in (
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.EINTR,
        errno.EAGAIN,
        errno.EBADF,
    ):
        assert fault_of(OSError(number, "")) is Fault.PASSING
    assert fault_of(OSError(errno.EIO, "")) is Fault.DISK
    assert fault_of(OSError(errno.ENOENT, "")) is Fault.GONE
    for number in (errno.EACCES, errno.ESTALE, errno.ENODEV):
        assert fault_of(OSError(number, "")) is Fault.AWAY


@pytest.mark.trio
@pytest.mark.parametrize("where", ["ours", "theirs"])
async def test_with_too_many_open_files_all_goes_on_counting(
    disk: Looking, film: Path, manifest: Manifest, autojump_clock: Clock, where: str
) -> None:
    if where == "ours":
        content = await disk.own(manifest)
    else:
        content = await disk.contents.add(manifest, film, full=True, stats=stats_of(film))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(disk.second_looks.run)
        with no_more_files():
            with pytest.raises(PieceUnreadError):
                await disk.read(content, 3)
            with pytest.raises(PieceUnreadError):
                await disk.store.verify(content, lambda _: None)
            await trio.sleep(10 * LOOK_AGAIN_AFTER)
            assert disk.readable == []
        assert content.complete
        assert await disk.read(content, 3) == BYTES[3 * PIECE : 4 * PIECE]
        await until(lambda: disk.readable == [content], "told that it is here")
        nursery.cancel_scope.cancel()
    assert content.complete
    assert disk.lost == disk.bad == []


@pytest.mark.trio
async def test_a_touched_file_that_cannot_be_opened_is_read_at_a_later_look(
    disk: Looking, film: Path, manifest: Manifest, autojump_clock: Clock
) -> None:
    content = await disk.contents.add(manifest, film, full=True, stats=stats_of(film))
    told: list[tuple[set[int], set[int]]] = []

    async def looked(_: Content, changed: set[int], restored: set[int]) -> None:
        told.append((changed, restored))

    disk.watch.on_looked = looked
    touch(film)
    with no_more_files():
        await disk.watch.check(content)
    assert content.bits.count == 0
    assert disk.lost == []
    disk.crash()
    content = disk.held(manifest)
    disk.watch.on_looked = looked
    await disk.watch.check(content)
    assert content.complete
    assert told == [(set(), set()), (set(), {0})]


@pytest.mark.trio
@pytest.mark.parametrize("crash", [False, True])
async def test_a_disk_that_was_out_for_a_moment_counts_again(
    disk: Looking, film: Path, manifest: Manifest, crash: bool
) -> None:
    """It came back before the watch looked, and every file looks as it did."""
    content = await disk.contents.add(manifest, film, full=True, stats=stats_of(film))
    with pulled_out(film.parent), pytest.raises(PieceLostError):
        await disk.read(content, 3)
    assert content.bits.count == 0
    if crash:
        disk.crash()
        content = disk.held(manifest)
    await disk.watch.check(content)
    assert content.complete
    assert content.stats == stats_of(film)
    assert await disk.read(content, 3) == BYTES[3 * PIECE : 4 * PIECE]


@pytest.mark.trio
async def test_what_may_not_be_read_is_looked_at_again_and_told_once(
    disk: Looking,
    film: Path,
    manifest: Manifest,
    autojump_clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = await disk.contents.add(manifest, film, full=True, stats=stats_of(film))
    async with trio.open_nursery() as nursery:
        with failing(monkeypatch, film, errno.EACCES):
            with pytest.raises(PieceLostError):
                await disk.read(content, 3)
            nursery.start_soon(disk.watch.run)
            await trio.sleep(300)
            assert content.bits.count == 0
            assert len(disk.lost) == 1
        await until(lambda: content.complete, "it counts again", seconds=60)
        assert disk.regained == [content]
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_our_own_file_counts_again_when_it_is_back(
    disk: Looking, manifest: Manifest, autojump_clock: Clock
) -> None:
    content = await disk.own(manifest)
    folder = disk.contents.content_file(manifest.id).parent
    async with trio.open_nursery() as nursery:
        nursery.start_soon(disk.second_looks.run)
        with pulled_out(folder):
            for piece in (0, 3):
                with pytest.raises(PieceLostError):
                    await disk.read(content, piece)
            await trio.sleep(3600)
            assert content.pieces - content.bits.count == 2
        await until(lambda: content.complete, "it counts again", seconds=1200)
        nursery.cancel_scope.cancel()
    assert len(disk.lost) == 2
    disk.crash()
    assert disk.held(manifest).complete


@pytest.mark.trio
async def test_one_error_of_a_disk_costs_nothing(
    disk: Looking, manifest: Manifest, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = await disk.own(manifest)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(disk.second_looks.run)
        with bad_sector(monkeypatch, 2 * PIECE + 9), pytest.raises(PieceUnreadError):
            await disk.read(content, 2)
        await until(lambda: disk.readable == [content], "looked at again")
        nursery.cancel_scope.cancel()
    assert content.complete
    assert disk.lost == disk.bad == []


@pytest.mark.trio
@pytest.mark.parametrize("found_by", ["a reader", "the watch", "verify"])
async def test_a_place_that_the_disk_does_not_give_is_lost_and_told_once(
    disk: Looking,
    film: Path,
    manifest: Manifest,
    autojump_clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    found_by: str,
) -> None:
    content = await disk.contents.add(manifest, film, full=True, stats=stats_of(film))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(disk.second_looks.run)
        with bad_sector(monkeypatch, 2 * PIECE + 9):
            if found_by == "the watch":
                touch(film)
                await disk.watch.check(content)
            else:
                read: Callable[[], object] = partial(disk.read, content, 2)
                if found_by == "verify":
                    read = partial(disk.store.verify, content, lambda _: None)
                with pytest.raises(PieceUnreadError):
                    await read()  # type: ignore[misc]
                assert content.complete
            await trio.sleep(3600)
            assert content.pieces - content.bits.count == 1
            assert [bad.by_disk for bad in disk.bad] == [1]
            assert 2 not in content.bits
        await until(lambda: content.complete, "it counts again", seconds=1200)
        nursery.cancel_scope.cancel()
    assert [bad.pieces for bad in disk.bad] == [[2]]


@pytest.mark.trio
async def test_who_asked_at_the_wrong_moment_gets_it_later(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await net.start("one", "two")
    content_bytes = bytes_of(8 * PIECE)
    manifest, content = await one.hold(content_bytes)
    await one.publish(manifest)
    one.nursery.start_soon(one.parts.second_looks.run)
    file = one.parts.contents.content_file(manifest.id)
    one.parts.store.forget(file)
    await one.link_to(two)
    with failing(monkeypatch, file, errno.EMFILE):
        download = await begin(two, manifest, net.tmp_path / "out")
        await trio.sleep(10)
        assert download.content.bits.count == 0
        assert content.complete
    await download.closed.wait()
    assert download.error is None
    assert (net.tmp_path / "out").read_bytes() == content_bytes


@pytest.mark.trio
async def test_the_place_of_the_only_copy_is_not_given_up_while_its_disk_is_out(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, _ = await net.start("one", "two", replicating=False)
    folder = net.tmp_path / "stick"
    folder.mkdir()
    film = folder / "film"
    film.write_bytes(bytes_of(8 * PIECE))
    manifest = manifest_of(film)
    content = await one.parts.contents.add(manifest, film, full=True, stats=stats_of(film))
    await one.publish(manifest)
    one.nursery.start_soon(one.parts.replication.run)
    one.nursery.start_soon(one.parts.watch.run)
    await trio.sleep(1)
    with pulled_out(folder):
        await until(lambda: not content.bits.count, "noticed")
        await trio.sleep(300)
    await until(lambda: content.complete, "it counts again")
    assert one.parts.contents.get(manifest.id) is content
    assert content.path == film
