"""An idle daemon costs next to nothing, whatever it holds: memory by account, work by counting."""

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
import trio
from peer_net import Clock, PeerNet, TestPeer, bytes_of, manifest_of, stats_of

from peer.lean import ABSENT
from peer.memory import MemoryKeeper
from peer.store import recent
from peer.store.contents import Content, Contents
from peer.store.file_stats import GONE, FileStats
from peer.store.file_watch import FILES_A_SECOND, LOOK_EVERY
from peer.store.splitter import FileStat
from protocol.bitfield import Bitfield
from protocol.geometry import MIN_PIECE_LENGTH, Geometry
from protocol.ids import PieceHash
from protocol.manifest import FileRecord, Manifest, make_manifest

ROOT = Path(__file__).parents[2]


def manifest_with(pieces: int, number: int = 0) -> Manifest:
    length = pieces * MIN_PIECE_LENGTH - number
    hashes = [PieceHash((number << 64 | n).to_bytes(32)) for n in range(pieces)]
    return make_manifest(
        Geometry(piece_length=MIN_PIECE_LENGTH, length=length, short={}),
        hashes,
        [FileRecord(path="", offset=0, size=length)],
    )


def with_one_missing(pieces: int) -> Bitfield:
    field = Bitfield(pieces, full=True)
    field.discard(0)
    return field


# Memory


def test_a_million_pieces_held_in_full_cost_no_bits() -> None:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        many = [Bitfield(250_000, full=True) for _ in range(100)]
        assert tracemalloc.get_traced_memory()[0] - before < 20_000
        many.append(with_one_missing(250_000))
        assert tracemalloc.get_traced_memory()[0] - before < 60_000
    finally:
        tracemalloc.stop()
    assert all(len(bits.to_bytes()) == 31_250 for bits in many)


@pytest.mark.trio
async def test_a_million_pieces_loaded_take_less_than_two_kilobytes_an_entry(net: PeerNet) -> None:
    (one,) = await net.start("one")
    entries = 500
    pieces = 2_000
    for number in range(entries):
        manifest = manifest_with(pieces, number)
        path = net.tmp_path / "films" / f"{number}"
        stats = {0: FileStat(manifest.size, number)}
        await one.parts.contents.add(manifest, path, full=True, stats=stats)
    tracemalloc.start()
    try:
        again = Contents(one.parts.database, one.parts.directory.content)
        again.load()
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert sum(content.bits.count for content in again.all()) == entries * pieces
    assert all(content.stats.only() for content in again.all())
    assert taken < 2_000 * entries


@pytest.mark.trio
async def test_manifests_in_memory_are_bounded_by_bytes_and_by_time(
    net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "MANIFEST_BYTES", 200_000)
    (one,) = await net.start("one")
    contents = one.parts.contents
    for number in range(8):
        # 64 KB each, so that three fit.
        await contents.add(manifest_with(2_000, number), None, full=True)
    kept = contents._recent
    assert len(kept._opened) == 3
    assert kept._bytes <= 200_000
    first, *others = contents.all()
    await contents.manifest(first.id)
    contents.trim()
    await contents.manifest(first.id)
    contents.trim()
    assert list(kept._opened) == [first.id]
    contents.trim()
    assert not kept._opened
    assert kept._bytes == 0
    assert (await contents.manifest(others[0].id)).pieces == 2_000


@pytest.mark.trio
async def test_one_that_is_larger_than_the_bound_is_kept_while_in_use(
    net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "MANIFEST_BYTES", 10)
    (one,) = await net.start("one")
    content = await one.parts.contents.add(manifest_with(100), None, full=True)
    first = await one.parts.contents.manifest(content.id)
    assert await one.parts.contents.manifest(content.id) is first


@pytest.mark.trio
async def test_stats_of_folders_are_read_when_asked_for(net: PeerNet) -> None:
    (one,) = await net.start("one")
    contents = one.parts.contents
    folder = net.tmp_path / "folder"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}").write_bytes(bytes_of(100, number))
    _, content = await one.share(folder)
    for _ in range(2):
        contents.trim()
    assert not content.stats.loaded
    assert content.stats
    await contents.opened(content.id)
    assert content.stats.loaded
    assert content.stats == stats_of(folder)
    again = Contents(one.parts.database, one.parts.directory.content)
    again.load()
    loaded = again.get(content.id)
    assert loaded is not None
    assert not loaded.stats.loaded
    assert loaded.stats
    # Whoever asks without opening gets them too.
    assert loaded.stats.get(3) == content.stats[3]


def test_stats_not_yet_in_the_database_are_never_forgotten() -> None:
    known = {0: FileStat(1, 2), 1: FileStat(3, 4)}
    stats = FileStats(known)
    stats.forget()
    assert stats == known
    stats.recorded(lambda: dict(known))
    stats.forget()
    assert not stats.loaded
    assert stats == known
    assert not FileStats({})
    assert FileStats({0: GONE}).only() == GONE
    assert FileStats(known).only() is None


# The file watch


def film_paths(folder: Path, count: int) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"{number}" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes_of(50, number))
    return paths


async def share_files(one: TestPeer, folder: Path, count: int) -> list[Content]:
    return [(await one.share(path))[1] for path in film_paths(folder, count)]


@pytest.mark.trio
async def test_watching_files_reads_no_database_and_opens_no_manifest(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = await net.start("one")
    await share_files(one, net.tmp_path / "films", 50)
    (net.tmp_path / "album").mkdir()
    for number in range(4):
        (net.tmp_path / "album" / f"{number}").write_bytes(bytes_of(10, number))
    await one.share(net.tmp_path / "album")
    for _ in range(2):
        one.parts.contents.trim()
    reads = 0
    run = one.parts.database.run

    async def counted(work: object) -> object:
        nonlocal reads
        reads += 1
        return await run(work)  # type: ignore[arg-type]

    monkeypatch.setattr(one.parts.database, "run", counted)
    passes = 4
    with trio.move_on_after(passes * LOOK_EVERY - 1):
        await one.parts.watch.run()
    # One read for all folders together in each pass.
    assert reads <= passes + 1
    assert not one.parts.contents._recent._opened


@pytest.mark.trio
@pytest.mark.parametrize("shape", ["file", "folder of one", "folder"])
@pytest.mark.parametrize("change", ["edited", "gone"])
async def test_the_watch_still_notices(
    autojump_clock: Clock, net: PeerNet, shape: str, change: str
) -> None:
    (one,) = await net.start("one")
    root = net.tmp_path / "shared"
    files = [root]
    if shape != "file":
        root.mkdir()
        files = [root / f"{number}" for number in range(1 if shape == "folder of one" else 3)]
    for number, path in enumerate(files):
        path.write_bytes(bytes_of(1000, number))
    _, content = await one.share(root)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.parts.watch.run)
        await trio.sleep(2.5 * LOOK_EVERY)
        assert content.complete
        if change == "gone":
            os.unlink(files[-1])
        else:
            files[-1].write_bytes(b"other")
        await trio.sleep(1.5 * LOOK_EVERY)
        assert not content.complete
        before = content.stats[len(files) - 1]
        await trio.sleep(3 * LOOK_EVERY)
        assert content.stats[len(files) - 1] == before
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_more_files_than_a_moment_allows_are_looked_at_in_turn(
    autojump_clock: Clock, net: PeerNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("peer.store.file_watch.FILES_A_SECOND", 2)
    (one,) = await net.start("one")
    shared = await share_files(one, net.tmp_path / "films", 100)
    looked: list[float] = []
    changed = one.parts.watch._changed_files

    def noted(portion: list[Content]) -> list[Content]:
        looked.append(len(portion))
        return changed(portion)

    monkeypatch.setattr(one.parts.watch, "_changed_files", noted)
    with trio.move_on_after(99):
        await one.parts.watch.run()
    # All at start, then all again in 50 s, and again.
    assert sum(looked) == pytest.approx(3 * len(shared), abs=4)
    assert max(looked) == 2
    assert FILES_A_SECOND > 2


def test_memory_is_tidied_once_when_a_busy_time_is_over() -> None:
    spent = 0.0
    keeper = MemoryKeeper(lambda: spent)
    assert keeper.look()
    assert not keeper.look()
    spent += 5.0
    assert not keeper.look()
    spent += 0.001
    assert keeper.look()
    assert not keeper.look()


# The process


def test_the_daemons_process_leaves_out_what_it_never_uses() -> None:
    program = (
        "import sys; sys.argv = ['x']; import peer.lean; peer.lean.leave_out();"
        "import peer.cli.endings, peer.cli.output, peer.daemon_process, peer.daemon;"
        "print(*(name for name, module in sys.modules.items()"
        " if module is not None))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = {name.partition(".")[0] for name in done.stdout.split()}
    heavy = {"cyclopts", "email", "multiprocessing", "sqlalchemy", "aiohttp"}
    assert found & (heavy | set(ABSENT)) == set()
    assert "trio" in found


def test_the_version_is_that_of_the_package() -> None:
    import tomllib

    from peer.version import VERSION

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION


def test_a_manifest_knows_no_hash_past_its_last_piece(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes_of(10))
    manifest = manifest_of(path)
    with pytest.raises(IndexError):
        manifest.piece_hash(1)
