"""The piece store on a real disk: what counts, what survives, and what is never done."""
# ruff: noqa: ASYNC240 - tests touch files as users do, and may wait for them

import random
from pathlib import Path

import pytest
import trio
import trio.testing
from disks import BYTES, SIZE, Disk
from peer_net import PIECE, Clock, bytes_of, manifest_of, stats_of

from peer.errors import PeerError, PieceLostError
from protocol.manifest import Manifest


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
