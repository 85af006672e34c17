"""The scrub: finds rot in what is held and has it healed, at a pace that yields to transfers."""

import ctypes
import errno
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from fetching import begin
from peer_net import PIECE, Clock, PeerNet, TestPeer, Way, bytes_of, until

from peer.store.contents import Content
from peer.store.scrub_pace import DAY, LEAST, MOST, TRICKLE, Pace, Round
from protocol.manifest import Manifest
from protocol.messages.base import Done
from protocol.messages.operating import GetStatus, Status
from protocol.messages.scrubbing import Scrub

PIECES = 200
SINCE_1970 = 1_800_000_000_000


def flip(path: Path, pieces: list[int], *, keep_times: bool = True) -> None:
    """Change one bit in each of some pieces of a content file, as a disk would."""
    found = path.stat()
    with path.open("r+b") as file:
        for piece in pieces:
            file.seek(piece * PIECE + 1000 + piece)
            (byte,) = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ 0x10]))
    if keep_times:
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def scrub(peer: TestPeer, days: float = 7.0) -> None:
    """Run a peer's scrub, by the test's clock."""
    peer.parts.wall = lambda: SINCE_1970 + int(1000 * trio.current_time())
    peer.parts.scrubbing.set_days(days)
    peer.nursery.start_soon(peer.parts.scrubbing.run)


async def status(peer: TestPeer) -> Status:
    found = await peer.parts.requests.answer(GetStatus(call=1), lambda _: None)
    assert isinstance(found, Status)
    return found


async def pair(net: PeerNet, size: int = PIECES * PIECE) -> tuple[TestPeer, TestPeer, Manifest]:
    """Two peers that hold the same."""
    one, two = await net.start("one", "two", replicating=True)
    manifest, _ = await one.hold(bytes_of(size))
    await two.hold(bytes_of(size))
    await one.publish(manifest)
    for signed in await one.parts.catalogue.naming(manifest.id):
        await two.parts.catalogue.learn(signed)
    return one, two, manifest


def content_of(peer: TestPeer, manifest: Manifest) -> Content:
    content = peer.parts.contents.get(manifest.id)
    assert content is not None
    return content


@pytest.mark.trio
async def test_finds_and_heals_exactly_what_rotted(autojump_clock: Clock, net: PeerNet) -> None:
    one, two, manifest = await pair(net)
    file = one.parts.contents.content_file(manifest.id)
    good = file.read_bytes()
    rotten = [0, 3, 4, 77, 150, PIECES - 1]
    flip(file, rotten)
    damaged = file.read_bytes()
    lost: list[int] = []
    tied = one.parts.store.on_lost
    one.parts.store.on_lost = lambda c, pieces, why: (lost.extend(pieces), tied(c, pieces, why))[1]
    scrub(one)
    await until(lambda: one.parts.rechecking.healed == len(rotten), "healed", 8 * 86_400)
    await until(lambda: one.parts.scrubbing.view().completed > 0, "read through", 8 * 86_400)
    assert sorted(lost) == rotten
    assert file.read_bytes() == good
    assert content_of(one, manifest).complete
    assert one.parts.traffic.downloaded == len(rotten) * PIECE
    view = (await status(one)).scrub
    assert (view.bad, view.healed, view.days) == (len(rotten), len(rotten), 7)
    assert view.bytes >= PIECES * PIECE
    aside = {path.name.split("-")[1]: path for path in one.parts.directory.quarantine.iterdir()}
    assert sorted(map(int, aside)) == rotten
    assert aside["77"].read_bytes() == damaged[77 * PIECE : 78 * PIECE]
    texts = [notice.text for notice in (await status(one)).notices]
    assert any("6 damaged pieces of 'film' were found" in text for text in texts)
    assert any("gave 6 errors" in text and "replace it" in text for text in texts)
    assert [disk.errors for disk in (await status(one)).disks] == [6]
    assert two.parts.rechecking.bad == 0


@pytest.mark.trio
async def test_one_rotten_piece_does_not_condemn_a_disk(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, _, manifest = await pair(net, 8 * PIECE)
    flip(one.parts.contents.content_file(manifest.id), [5])
    scrub(one)
    await until(lambda: one.parts.rechecking.healed == 1, "healed")
    assert (await status(one)).disks == ()
    assert len((await status(one)).notices) == 1


@pytest.mark.trio
async def test_reads_everything_once_in_the_time_it_has(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one,) = await net.start("one")
    for seed in range(3):
        await one.hold(bytes_of(20 * PIECE, seed), f"{seed}")
    scrub(one, 0.01)
    everything = 60 * PIECE
    await trio.sleep(400)
    assert one.parts.rechecking.bytes == everything
    await trio.sleep(400)
    assert one.parts.rechecking.bytes == everything
    await trio.sleep(470)
    assert one.parts.rechecking.bytes == 2 * everything


@pytest.mark.trio
async def test_goes_on_after_a_restart(autojump_clock: Clock, net: PeerNet) -> None:
    (one,) = await net.start("one")
    manifests = [(await one.hold(bytes_of(100 * PIECE, n), str(n)))[0] for n in range(3)]
    scrub(one)
    everything = 300 * PIECE
    await until(lambda: one.parts.rechecking.bytes > everything // 2, "half")
    before = one.parts.rechecking.bytes
    await one.kill()
    one = await net.restart("one")
    scrub(one)
    await until(lambda: one.parts.scrubbing.view().completed > 0, "read through")
    again = before + one.parts.rechecking.bytes - everything
    # At most what was read since progress was written down.
    assert 0 <= again <= 61 * LEAST + (4 << 20)
    assert len(manifests) == 3


@pytest.mark.trio
async def test_does_not_begin_anew_at_each_start(autojump_clock: Clock, net: PeerNet) -> None:
    (one,) = await net.start("one")
    await one.hold(bytes_of(4 * PIECE))
    scrub(one)
    await until(lambda: one.parts.scrubbing.view().completed > 0, "read through")
    await one.kill()
    one = await net.restart("one")
    scrub(one)
    await trio.sleep(86_400)
    assert one.parts.rechecking.bytes == 0
    assert one.parts.scrubbing.view().completed > 0


@pytest.mark.trio
async def test_yields_while_transfers_move_bytes(autojump_clock: Clock, net: PeerNet) -> None:
    one, two = await net.start("one", "two")
    await one.hold(bytes_of(PIECES * PIECE, 5), "held")
    manifest, _ = await one.hold(bytes_of(400 * PIECE, 6), "asked for")
    scrub(one)
    net.ways["one"] = Way(8 << 20)
    await begin(two, manifest)
    await until(lambda: one.parts.traffic.uploaded > 16 << 20, "it runs")
    # As fast as a scrub may.
    one.parts.scrubbing.start_now()
    before, sent = one.parts.rechecking.bytes, one.parts.traffic.uploaded
    await trio.sleep(8)
    assert one.parts.traffic.uploaded - sent > 48 << 20
    assert one.parts.rechecking.bytes - before <= 8 * TRICKLE + (8 << 20)
    await until(lambda: content_of(two, manifest).complete, "fetched")
    await until(lambda: one.parts.scrubbing.view().completed > 0, "at full pace again", 10)


@pytest.mark.trio
async def test_no_days_no_scrub(autojump_clock: Clock, net: PeerNet) -> None:
    (one,) = await net.start("one")
    manifest, _ = await one.hold(bytes_of(4 * PIECE))
    flip(one.parts.contents.content_file(manifest.id), [1])
    scrub(one, 0)
    await trio.sleep(30 * 86_400)
    assert one.parts.rechecking.bytes == 0
    # A person can still ask for one.
    assert await one.parts.requests.answer(Scrub(call=3), lambda _: None) == Done(call=3)
    await until(lambda: one.parts.rechecking.bad == 1, "found")
    await trio.sleep(86_400)
    assert one.parts.rechecking.bytes <= 5 * PIECE
    one.parts.scrubbing.set_days(7)
    await trio.sleep(86_400)
    assert one.parts.scrubbing.view().days == 7


@pytest.mark.trio
async def test_a_users_file_that_rots_is_told_and_restored_elsewhere(
    autojump_clock: Clock, net: PeerNet
) -> None:
    one, two = await net.start("one", "two", replicating=True)
    path = net.tmp_path / "film"
    path.write_bytes(bytes_of(20 * PIECE))
    manifest, _ = await one.share(path)
    await one.publish(manifest)
    one.parts.replication.wake()
    await until(lambda: manifest.id in {c.id for c in two.parts.contents.all() if c.complete})
    flip(path, [7])
    rotten = path.read_bytes()
    scrub(one)
    await until(lambda: one.parts.rechecking.bad == 1, "found")
    await until(lambda: content_of(one, manifest).complete, "restored")
    assert content_of(one, manifest).path is None
    assert one.bytes_held(manifest) == bytes_of(20 * PIECE)
    assert path.read_bytes() == rotten
    assert one.parts.traffic.downloaded == PIECE
    (notice,) = (await status(one)).notices
    assert notice.text.startswith(f"{path} has rotted on the disk: 1 piece of it")


@pytest.mark.trio
async def test_a_users_edit_is_no_rot(autojump_clock: Clock, net: PeerNet) -> None:
    (one,) = await net.start("one")
    folder = net.tmp_path / "folder"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number}").write_bytes(bytes_of(20_000, number))
    (folder / "large").write_bytes(bytes_of(3 * PIECE + 5, 99))
    manifest, content = await one.share(folder)
    flip(folder / "large", [1], keep_times=False)
    (folder / "3").write_bytes(b"edited")
    (folder / "4").unlink()
    scrub(one)
    await until(lambda: one.parts.scrubbing.view().completed > 0, "read through")
    assert content.complete
    assert one.parts.rechecking.bad == 0
    sizes = [manifest.geometry.piece_size(piece) for piece in range(manifest.pieces)]
    assert one.parts.rechecking.bytes == sum(sizes)
    assert (await status(one)).notices == ()


@pytest.mark.trio
async def test_packed_files_that_rot_are_found(autojump_clock: Clock, net: PeerNet) -> None:
    (one,) = await net.start("one")
    folder = net.tmp_path / "folder"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number}").write_bytes(bytes_of(20_000, number))
    manifest, content = await one.share(folder)
    assert manifest.pieces > 2
    flip(folder / "39", [0])
    scrub(one)
    await until(lambda: one.parts.rechecking.bad == 1, "found")
    assert content.pieces - content.bits.count == 1


@pytest.fixture
def bad_sectors(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[int]]:
    """Positions at which the disk gives an error, at the border to the kernel."""
    bad: set[int] = set()
    preadv = os.preadv

    def failing(descriptor: int, buffers: list[memoryview], offset: int, *flags: int) -> int:
        if any(offset <= at < offset + sum(map(len, buffers)) for at in bad):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return preadv(descriptor, buffers, offset, *flags)

    monkeypatch.setattr(os, "preadv", failing)
    yield bad
    bad.clear()


@pytest.mark.trio
async def test_a_disk_that_cannot_read_is_flagged(
    autojump_clock: Clock, net: PeerNet, bad_sectors: set[int]
) -> None:
    one, _, manifest = await pair(net, 12 * PIECE)
    bad_sectors.update({2 * PIECE + 4096, 5 * PIECE, 9 * PIECE + 9})
    # Another peer of this process reads the same places, of its own file.
    served = bytes_of(12 * PIECE)
    one.parts.replication.refetch = lambda _: None  # type: ignore[method-assign]
    scrub(one)
    await until(lambda: one.parts.rechecking.bad == 3, "found")
    bad_sectors.clear()
    found = await status(one)
    assert [disk.errors for disk in found.disks] == [3]
    assert found.disks[0].path == str(one.parts.directory.content)
    one.parts.replication._nursery.start_soon(  # type: ignore[union-attr]
        one.parts.replication._complete, content_of(one, manifest)
    )
    await until(lambda: one.parts.rechecking.healed == 3, "healed")
    assert one.bytes_held(manifest) == served
    await one.kill()
    one = await net.restart("one")
    assert [disk.errors for disk in (await status(one)).disks] == [3]


@pytest.mark.trio
@pytest.mark.parametrize("what", ["gone", "cut", "a directory"])
async def test_a_content_file_that_is_not_whole_is_made_whole(
    autojump_clock: Clock, net: PeerNet, what: str
) -> None:
    one, _, manifest = await pair(net, 12 * PIECE)
    file = one.parts.contents.content_file(manifest.id)
    if what == "cut":
        os.truncate(file, 7 * PIECE + 1)
    else:
        file.unlink()
    if what == "a directory":
        file.mkdir()
    lost = 5 if what == "cut" else 12
    scrub(one)
    await until(lambda: one.parts.rechecking.bad == lost, "found")
    assert (await status(one)).disks == ()
    if what == "a directory":
        return
    await until(lambda: content_of(one, manifest).complete, "made whole")
    assert file.read_bytes() == bytes_of(12 * PIECE)


@pytest.mark.trio
async def test_what_cannot_be_opened_now_still_counts(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = await net.start("one")
    manifest, content = await one.hold(bytes_of(4 * PIECE))
    file = str(one.parts.contents.content_file(manifest.id))
    really = os.open

    def failing(path: object, *rest: object, **more: object) -> int:
        if str(path) == file:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), file)
        return really(path, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", failing)
    scrub(one)
    await until(lambda: one.parts.scrubbing.view().completed > 0, "read through")
    assert content.complete


def cached(path: Path) -> int:
    """How many pages of a file are in the page cache: mincore(2), which reads none."""
    size = path.stat().st_size
    found = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
    with path.open("rb") as file, mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY) as mapped:
        start = ctypes.c_char.from_buffer(mapped)
        address = ctypes.c_void_p(ctypes.addressof(start))
        assert ctypes.CDLL(None).mincore(address, ctypes.c_size_t(size), found) == 0
        del start
    return sum(page & 1 for page in found)


@pytest.mark.trio
async def test_the_page_cache_is_neither_used_nor_touched(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one,) = await net.start("one")
    files = []
    for seed in range(2):
        manifest, _ = await one.hold(bytes_of(64 * PIECE + 77, seed), f"{seed}")
        files.append(one.parts.contents.content_file(manifest.id))
    wanted, other = files
    descriptor = os.open(other, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
    if cached(other):
        pytest.skip("this file system lives in the page cache")
    wanted.read_bytes()
    scrub(one)
    await until(lambda: one.parts.scrubbing.view().completed > 0, "read through")
    assert one.parts.rechecking.bytes == 2 * (64 * PIECE + 77)
    assert one.parts.rechecking.bad == 0
    assert cached(wanted) == 64 * PIECE // mmap.PAGESIZE + 1
    assert cached(other) == 0


# The pace


def test_the_pace_is_even_between_its_bounds() -> None:
    pace = Pace()
    assert pace.rate(700 << 30, 7 * 86_400) == (700 << 30) / (7 * 86_400)
    assert pace.rate(1000, 7 * 86_400) == LEAST
    assert pace.rate(1 << 50, 86_400) == MOST
    assert pace.rate(1000, 0) == MOST
    assert pace.rate(1000, -5) == MOST


def test_the_pace_falls_to_a_trickle_while_bytes_move() -> None:
    pace = Pace()
    pace.look(0, 0.0)
    pace.look(5 << 20, 0.1)
    assert pace.rate(1 << 40, 1) == TRICKLE
    assert pace.rate(1, 86_400) == LEAST
    pace.look(10 << 20, 1.1)
    assert pace.busy
    pace.look(11 << 20, 2.2)
    assert not pace.busy


def test_what_is_late_gets_a_day() -> None:
    round_ = Round()
    assert round_.is_over()
    assert round_.next_at(7) == 7 * DAY
    round_.begin(100 * DAY, 7)
    assert round_.due == 107 * DAY
    assert not round_.is_over()
    round_.change(103 * DAY, 7)
    assert round_.due == 107 * DAY
    round_.change(103 * DAY, 4)
    assert round_.due == 104 * DAY
    round_.change(120 * DAY, 7)
    assert round_.due == 121 * DAY
    round_.ended(120 * DAY)
    assert round_.is_over()
    assert round_.next_at(7) == 107 * DAY
