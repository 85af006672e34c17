"""The piece store on a real disk: what counts, what survives, and what is never done."""
# ruff: noqa: ASYNC240 - tests touch files as users do, and may wait for them

import os
import random
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing
from peer_net import PIECE, Clock, aligned, bytes_of, manifest_of, stats_of

from peer.database import Database, open_database
from peer.errors import PeerError, PieceLostError
from peer.store.buffers import BufferPool
from peer.store.contents import Content, Contents
from peer.store.file_watch import FileWatch
from peer.store.piece_store import PieceStore
from peer.store.write_errors import DiskFullError
from protocol.manifest import Manifest

SIZE = 9 * PIECE + 5001
BYTES = bytes_of(SIZE)


class Disk:
    """A store that can be dropped, as in a crash, and opened again on the same disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "trash").mkdir(parents=True, exist_ok=True)
        self.database: Database
        self.open()

    def open(self) -> None:
        self.database = open_database(self.root / "peer.db")
        self.contents = Contents(self.database, self.root / "content")
        self.contents.load()
        self.store = PieceStore(self.contents, self.root / "trash")
        self.watch = FileWatch(self.contents, self.store)
        self.lost: list[tuple[Content, list[int]]] = []
        self.regained: list[Content] = []
        self.store.on_lost = lambda content, pieces, _: self.lost.append((content, pieces))
        self.store.on_regained = self.regained.append

    def crash(self) -> None:
        """Drop everything that is only in memory."""
        self.store.close()
        self.database.close()
        self.open()

    async def write(self, content: Content, pieces: list[int], source: bytes = BYTES) -> set[int]:
        views = [(p, memoryview(aligned(source[p * PIECE : (p + 1) * PIECE]))) for p in pieces]
        return await self.store.write_pieces(content, views)

    async def read(self, content: Content, piece: int) -> bytes:
        manifest = await self.contents.manifest(content.id)
        target = bytearray(manifest.geometry.piece_size(piece))
        await self.store.read_piece(content, piece, memoryview(target))
        return bytes(target)

    def held(self, manifest: Manifest) -> Content:
        content = self.contents.get(manifest.id)
        assert content is not None
        return content


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path / "data")
    yield disk
    disk.store.close()
    disk.database.close()


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film"
    path.write_bytes(BYTES)
    return path


@pytest.fixture
def manifest(film: Path) -> Manifest:
    return manifest_of(film)


def touch(path: Path) -> None:
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 10**9))


@pytest.mark.trio
@pytest.mark.parametrize("seed", range(3))
async def test_exactly_what_was_recorded_survives(
    disk: Disk, manifest: Manifest, seed: int
) -> None:
    print(f"seed={seed}")
    chance = random.Random(seed)
    content = await disk.contents.add(manifest, None, full=False)
    await disk.store.prepare(content)
    pieces = list(range(manifest.pieces))
    chance.shuffle(pieces)
    recorded, written, absent = pieces[:4], pieces[4:7], pieces[7:]
    assert await disk.write(content, recorded[:2]) == set()
    assert await disk.write(content, recorded[2:] + written) == set()
    assert list(content.bits) == []
    await disk.store.make_durable(content, recorded)
    assert set(content.bits) == set(recorded)
    disk.crash()
    again = disk.held(manifest)
    assert again is not content
    assert set(again.bits) == set(recorded)
    assert not again.complete
    for piece in recorded:
        assert await disk.read(again, piece) == BYTES[piece * PIECE : (piece + 1) * PIECE]
    await disk.write(again, written + absent)
    await disk.store.make_durable(again, written + absent)
    assert again.complete
    disk.crash()
    assert disk.held(manifest).complete
    assert disk.contents.content_file(manifest.id).read_bytes() == BYTES


@pytest.mark.trio
async def test_two_that_record_at_once_lose_nothing(disk: Disk, manifest: Manifest) -> None:
    content = await disk.contents.add(manifest, None, full=False)
    async with trio.open_nursery() as nursery:
        for piece in range(manifest.pieces):
            nursery.start_soon(disk.contents.record, content, [piece])
        nursery.start_soon(disk.contents.discount, content, [3])
    kept = set(content.bits)
    disk.crash()
    assert set(disk.held(manifest).bits) == kept >= set(range(manifest.pieces)) - {3}


@pytest.mark.trio
async def test_bad_pieces_are_refused_and_never_written(disk: Disk, manifest: Manifest) -> None:
    content = await disk.contents.add(manifest, None, full=False)
    await disk.store.prepare(content)
    wrong = bytearray(BYTES)
    wrong[2 * PIECE + 17] ^= 1
    assert await disk.write(content, [1, 2, 3], bytes(wrong)) == {2}
    lying = disk.contents.content_file(manifest.id).read_bytes()
    assert lying[2 * PIECE : 3 * PIECE] == bytes(PIECE)
    assert lying[3 * PIECE : 4 * PIECE] == BYTES[3 * PIECE : 4 * PIECE]


@pytest.mark.trio
@pytest.mark.parametrize(
    "how", ["edited", "deleted", "replaced", "cut", "a folder now", "a pipe now"]
)
async def test_a_changed_file_is_refused_before_a_wrong_byte(
    disk: Disk, film: Path, manifest: Manifest, how: str
) -> None:
    content = await disk.contents.add(manifest, film, full=True, stats=stats_of(film))
    assert await disk.read(content, 0) == BYTES[:PIECE]
    if how == "edited":
        with film.open("r+b") as file:
            file.write(b"edited")
        touch(film)
    elif how == "cut":
        os.truncate(film, PIECE)
        touch(film)
    else:
        film.unlink()
        if how == "replaced":
            film.write_bytes(bytes_of(SIZE, 2))
        elif how == "a folder now":
            film.mkdir()
        elif how == "a pipe now":
            # Nothing is ever read from it: opening and reading must not wait for that.
            os.mkfifo(film)
            disk.store.forget(film)
    with pytest.raises(PieceLostError):
        await disk.read(content, 0)
    assert content.bits.count == 0
    assert disk.lost == [(content, list(range(manifest.pieces)))]
    disk.crash()
    assert disk.held(manifest).bits.count == 0


@pytest.mark.trio
async def test_only_the_changed_file_of_a_folder_is_in_doubt(disk: Disk, tmp_path: Path) -> None:
    root = tmp_path / "folder"
    root.mkdir()
    for name, size in (("a", 2 * PIECE), ("b", 2 * PIECE + 3), ("c", 10), ("d", 20)):
        (root / name).write_bytes(bytes_of(size, ord(name)))
    manifest = manifest_of(root)
    content = await disk.contents.add(manifest, root, full=True, stats=stats_of(root))
    (root / "b").write_bytes(bytes_of(2 * PIECE + 3, 99))
    touch(root / "b")
    records = {record.path: record for record in manifest.files}
    overlapping = manifest.geometry.overlapping(records["b"].offset, records["b"].size)
    await disk.watch.check(content)
    assert set(content.bits) == set(range(manifest.pieces)) - set(overlapping)
    assert await disk.read(content, 0) == (root / "a").read_bytes()[:PIECE]


@pytest.mark.trio
async def test_a_download_of_many_files_goes_on_after_a_crash(disk: Disk, tmp_path: Path) -> None:
    root, out = tmp_path / "folder", tmp_path / "out"
    root.mkdir()
    for number in range(200):
        (root / f"{number}").write_bytes(bytes_of(3 * 1999, number))
    manifest = manifest_of(root)
    whole = b"".join((root / record.path).read_bytes() for record in manifest.files)
    content = await disk.contents.add(manifest, out, full=False)
    await disk.store.prepare(content)
    await disk.write(content, [3, 1], whole)
    await disk.store.make_durable(content, [3, 1])
    disk.crash()
    again = disk.held(manifest)
    assert await disk.read(again, 3) == whole[3 * PIECE : 4 * PIECE]
    # Nothing was prepared in this run.
    await disk.write(again, [0, 2, 4], whole)
    await disk.store.make_durable(again, [0, 2, 4])
    await disk.store.finish(again)
    assert again.complete
    assert again.stats == stats_of(out)
    assert manifest_of(out).id == manifest.id


@pytest.mark.trio
async def test_a_touched_file_counts_again(disk: Disk, film: Path, manifest: Manifest) -> None:
    content = await disk.contents.add(manifest, film, full=True, stats=stats_of(film))
    touch(film)
    await disk.watch.check(content)
    assert content.complete
    assert disk.lost == []
    assert disk.regained == [content]
    assert content.stats == stats_of(film)
    assert await disk.read(content, 5) == BYTES[5 * PIECE : 6 * PIECE]
    disk.crash()
    assert disk.held(manifest).complete
    assert disk.held(manifest).stats == stats_of(film)


@pytest.mark.trio
async def test_a_replaced_file_of_the_same_bytes_counts_again(
    disk: Disk, film: Path, manifest: Manifest, tmp_path: Path
) -> None:
    content = await disk.contents.add(manifest, film, full=True, stats=stats_of(film))
    await disk.read(content, 0)
    (tmp_path / "new").write_bytes(BYTES)
    os.replace(tmp_path / "new", film)
    with pytest.raises(PieceLostError):
        await disk.read(content, 0)
    await disk.watch.check(content)
    assert content.complete
    assert await disk.read(content, 0) == BYTES[:PIECE]


@pytest.mark.trio
async def test_a_file_that_stays_edited_is_read_again_only_once(
    disk: Disk, film: Path, manifest: Manifest
) -> None:
    content = await disk.contents.add(manifest, film, full=True, stats=stats_of(film))
    film.write_bytes(bytes_of(SIZE, 3))
    touch(film)
    await disk.watch.check(content)
    assert content.bits.count == 0
    assert len(disk.lost) == 1
    await disk.watch.check(content)
    film.unlink()
    await disk.watch.check(content)
    lost = len(disk.lost)
    await disk.watch.check(content)
    assert len(disk.lost) == lost <= 2
    film.write_bytes(BYTES)
    await disk.watch.check(content)
    assert content.complete


@pytest.mark.trio
async def test_rehome_never_writes_to_the_users_file(
    disk: Disk, film: Path, manifest: Manifest
) -> None:
    content = await disk.contents.add(manifest, film, full=True, stats=stats_of(film))
    edited = bytearray(BYTES)
    edited[3 * PIECE + 1] ^= 1
    film.write_bytes(edited)
    touch(film)
    await disk.watch.check(content)
    assert set(content.bits) == set(range(manifest.pieces)) - {3}
    stamp = film.stat().st_mtime_ns
    moved = await disk.store.rehome(content)
    assert moved.path is None
    assert set(moved.bits) == set(content.bits)
    await disk.write(moved, [3])
    await disk.store.make_durable(moved, [3])
    await disk.store.finish(moved)
    assert moved.complete
    assert (film.read_bytes(), film.stat().st_mtime_ns) == (bytes(edited), stamp)
    assert disk.contents.content_file(manifest.id).read_bytes() == BYTES
    assert disk.store.buffers.in_use == 0
    # Whoever still holds the old one cannot change the books any more.
    await disk.contents.discount(content, [0, 1])
    await disk.contents.record(content, [2])
    await disk.contents.set_stats(content, stats_of(film))
    disk.crash()
    again = disk.held(manifest)
    assert again.path is None
    assert again.complete
    assert again.stats == {}


@pytest.mark.trio
async def test_a_stop_before_the_first_look_at_finished_files(
    disk: Disk, film: Path, manifest: Manifest, autojump_clock: Clock
) -> None:
    """Complete by the books, but how the files looked was not noted: they must be watched."""
    content = await disk.contents.add(manifest, film, full=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(disk.watch.run)
        await trio.sleep(1)
        assert content.stats == stats_of(film)
        assert content.complete
        film.write_bytes(bytes_of(SIZE, 4))
        touch(film)
        await trio.sleep(60)
        assert content.bits.count == 0
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_verify_finds_every_flipped_bit(disk: Disk, manifest: Manifest) -> None:
    content = await disk.contents.add(manifest, None, full=False)
    await disk.store.prepare(content)
    await disk.write(content, list(range(manifest.pieces)))
    await disk.store.make_durable(content, list(range(manifest.pieces)))
    assert await disk.store.verify(content, lambda _: None) == []
    path = disk.contents.content_file(manifest.id)
    rotten = bytearray(BYTES)
    for piece in (0, 4, manifest.pieces - 1):
        rotten[piece * PIECE + 100] ^= 0x10
    path.write_bytes(rotten)
    seen: list[int] = []
    assert await disk.store.verify(content, seen.append) == [0, 4, 9]
    assert (sum(seen), len(seen)) == (SIZE, manifest.pieces)
    assert set(content.bits) == {1, 2, 3, 5, 6, 7, 8}
    disk.crash()
    assert set(disk.held(manifest).bits) == {1, 2, 3, 5, 6, 7, 8}


@pytest.mark.trio
async def test_verify_leaves_alone_what_arrives_meanwhile(
    disk: Disk, manifest: Manifest, autojump_clock: Clock
) -> None:
    content = await disk.contents.add(manifest, None, full=False)
    await disk.store.prepare(content)
    await disk.write(content, [0, 1, 2])
    await disk.store.make_durable(content, [0, 1])

    def arrives(_: int) -> None:
        content.bits.add(2)

    assert await disk.store.verify(content, arrives) == []
    assert set(content.bits) == {0, 1, 2}


@pytest.mark.trio
async def test_trash_keeps_ours_and_leaves_theirs(
    disk: Disk, film: Path, manifest: Manifest, tmp_path: Path
) -> None:
    own = tmp_path / "spooled"
    own.write_bytes(bytes_of(PIECE, 7))
    other = manifest_of(own)
    ours = await disk.store.adopt(own, other)
    assert not own.exists()
    theirs = await disk.contents.add(manifest, film, full=True, stats=stats_of(film))
    await disk.store.trash(ours, 1)
    await disk.store.trash(theirs, 1)
    assert film.read_bytes() == BYTES
    assert disk.contents.all() == []
    assert (disk.root / "trash" / other.id.hex()).read_bytes() == bytes_of(PIECE, 7)
    disk.crash()
    assert disk.contents.all() == []
    with pytest.raises(PeerError):
        await disk.read(ours, 0)


@pytest.mark.trio
async def test_copy_out_is_the_file_again(disk: Disk, manifest: Manifest, tmp_path: Path) -> None:
    own = tmp_path / "spooled"
    own.write_bytes(BYTES)
    content = await disk.store.adopt(own, manifest)
    await disk.store.copy_out(content, tmp_path / "out" / "film")
    assert (tmp_path / "out" / "film").read_bytes() == BYTES
    with pytest.raises(PeerError, match="cannot write"):
        await disk.store.copy_out(content, Path("/proc/nothing/here"))


@pytest.mark.trio
async def test_a_full_disk_says_so(disk: Disk, manifest: Manifest) -> None:
    """/dev/full takes no byte, whoever runs the tests."""
    content = await disk.contents.add(manifest, Path("/dev/full"), full=False)
    with pytest.raises(DiskFullError, match="no room on the disk of /dev/full"):
        await disk.write(content, [0])
    assert content.bits.count == 0


_LIMITED = """
import resource, signal, sys, trio
from pathlib import Path
sys.path[:0] = [sys.argv[2], sys.argv[3]]
from peer_net import PIECE, bytes_of, manifest_of
from test_piece_store import BYTES, Disk
async def main():
    disk = Disk(Path(sys.argv[1]) / "data")
    film = Path(sys.argv[1]) / "film"
    manifest = manifest_of(film)
    content = await disk.contents.add(manifest, None, full=False)
    await disk.store.prepare(content)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * PIECE, 2 * PIECE))
    try:
        await disk.write(content, [0, 5])
    except Exception as error:
        print(type(error).__name__, error)
    print(content.bits.count)
trio.run(main)
"""


def test_a_write_cut_short_by_the_system_is_an_error(tmp_path: Path, film: Path) -> None:
    here = Path(__file__)
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, tmp_path, here.parent, here.parents[1] / "support"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "PeerError cannot write" in done.stdout, done.stderr
    assert done.stdout.endswith("\n0\n")
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 2 * PIECE


@pytest.mark.trio
async def test_the_database_on_a_full_disk_is_an_error_and_not_a_crash(
    disk: Disk, manifest: Manifest
) -> None:
    (pages,) = disk.database.connection.execute("PRAGMA page_count").fetchone()
    disk.database.connection.execute(f"PRAGMA max_page_count = {pages}")
    filler = bytes(1 << 20)
    with pytest.raises(PeerError, match=r"database cannot be written.*full"):
        await disk.database.run(
            lambda c: c.execute("INSERT INTO facts VALUES ('filler', ?)", (filler,))
        )
    assert await disk.database.run(
        lambda c: c.execute("SELECT count(*) FROM facts").fetchone()
    ) == (0,)


@pytest.mark.trio
async def test_any_of_many_manifests_can_be_had(disk: Disk, tmp_path: Path) -> None:
    for number in range(40):
        path = tmp_path / f"{number}"
        path.write_bytes(bytes_of(10, number))
        manifest = manifest_of(path)
        await disk.contents.add(manifest, path, full=True, stats=stats_of(path))
    for content in disk.contents.all():
        assert (await disk.contents.manifest(content.id)).id == content.id
    with pytest.raises(KeyError):
        await disk.contents.manifest(bytes(32))  # type: ignore[arg-type]
    assert disk.contents.stored_bytes() == 400


@pytest.mark.trio
async def test_the_pool_is_bounded_and_wakes_who_waits(autojump_clock: Clock) -> None:
    pool = BufferPool(10 * PIECE)
    taken = [await pool.take(PIECE) for _ in range(10)]
    got: list[int] = []

    async def taker(size: int) -> None:
        buffer = await pool.take(size)
        got.append(len(buffer))
        pool.give_back(buffer)

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(taker, PIECE)
        nursery.start_soon(taker, 2 * PIECE)
        await trio.testing.wait_all_tasks_blocked()
        assert got == []
        assert pool.in_use == 10
        pool.give_back(taken.pop())
        pool.give_back(taken.pop())
        await trio.testing.wait_all_tasks_blocked()
        for buffer in taken:
            pool.give_back(buffer)
    assert sorted(got) == [PIECE] * 5 + [2 * PIECE]
    assert pool.in_use == 0
    pool.trim()
    assert pool._allocated == 0


@pytest.mark.trio
async def test_a_cancelled_taker_takes_nothing(autojump_clock: Clock) -> None:
    pool = BufferPool(3 * PIECE)
    taken = [await pool.take(PIECE) for _ in range(3)]
    with trio.move_on_after(1):
        await pool.take(PIECE)
    assert pool.in_use == 3
    for buffer in taken:
        pool.give_back(buffer)
    assert pool.in_use == 0


@pytest.mark.trio
async def test_copying_out_checks_every_piece(disk: Disk, tmp_path: Path) -> None:
    spooled = tmp_path / "spooled"
    spooled.write_bytes(bytes_of(3 * PIECE + 77, 7))
    original = spooled.read_bytes()
    manifest = manifest_of(spooled)
    content = await disk.store.adopt(spooled, manifest)
    await disk.store.copy_out(content, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == original

    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "mine").write_text("mine")
    for taken in (precious, precious / "mine"):
        with pytest.raises(PeerError, match="exists already"):
            await disk.store.copy_out(content, taken)
    assert (precious / "mine").read_text() == "mine"

    with disk.contents.content_file(manifest.id).open("r+b") as rotting:
        rotting.seek(PIECE + 5)
        rotting.write(b"\0rot\0")
    with pytest.raises(PieceLostError, match="damaged"):
        await disk.store.copy_out(content, tmp_path / "again")
    assert not (tmp_path / "again").exists()
    assert set(content.bits) == {0, 2, 3}
    assert disk.store.buffers.in_use == 0
