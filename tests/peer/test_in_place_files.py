"""Files of people's own that the store reads where they lie: what a change of them means."""
# ruff: noqa: ASYNC240 - tests touch files as users do, and may wait for them

import os
from pathlib import Path

import pytest
import trio
import trio.testing
from disks import BYTES, SIZE, Disk, touch
from peer_net import PIECE, Clock, bytes_of, manifest_of, stats_of

from peer.errors import PieceLostError
from protocol.manifest import Manifest


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
