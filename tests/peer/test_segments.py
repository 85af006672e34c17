"""Pieces to and from many small files: how often each is opened, and whose files they are."""

import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from peer_net import PIECE, bytes_of, manifest_of

from peer.store import files, segments
from peer.store.files import FileCache
from peer.store.folder import Folder
from peer.store.layout import Layout
from peer.store.segments import Filling, read_piece, share_out, sync_pieces, write_piece
from peer.store.user_files import finish_files, prepare_files
from protocol.manifest import Manifest

FILES = 300
SMALL = 5000


class Opens:
    """Counts how often each name is opened below a folder."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        really = Folder.open

        def counted(folder: Folder, name: str, flags: int) -> int:
            self.names.append(name)
            return really(folder, name, flags)

        monkeypatch.setattr(Folder, "open", counted)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Three hundred small files in ten folders, one large file, an empty file, an empty folder."""
    root = tmp_path / "in"
    for number in range(FILES):
        path = root / f"d{number % 10}" / f"{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes_of(SMALL, number))
    (root / "d3" / "large").write_bytes(bytes_of(2 * PIECE + 77))
    (root / "d3" / "none").touch()
    (root / "empty").mkdir()
    (root / "d4" / "4").chmod(0o755)
    return root


@pytest.fixture
def manifest(tree: Path) -> Manifest:
    return manifest_of(tree)


def pieces_of(tree: Path, manifest: Manifest) -> list[memoryview]:
    cache, found = FileCache(), []
    for piece in range(manifest.pieces):
        target = memoryview(bytearray(manifest.geometry.piece_size(piece)))
        read_piece(cache, Layout(manifest, tree, own=False), piece, target)
        found.append(target)
    cache.close()
    return found


def contents_of(root: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
        for path in root.rglob("*")
    }


def test_the_packed_files_come_first_in_one_thread_only(tree: Path, manifest: Manifest) -> None:
    layout = Layout(manifest, tree, own=False)
    packed = [piece for piece in range(manifest.pieces) if layout.packs(piece)]
    assert packed == [3, 4, 5, 6, 7, 8]
    first, second, third = share_out(layout, range(manifest.pieces), 3)
    assert next(second) == 0
    assert list(first) == [*packed, 1, 2]
    assert list(second) == list(third) == []


def test_small_files_are_opened_once_for_each_piece_they_lie_in(
    tree: Path, tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(manifest, tmp_path / "out", own=False)
    parts = sum(s.packed for p in range(manifest.pieces) for s in layout.piece(p))
    assert FILES < parts < FILES + manifest.pieces
    opens = Opens(monkeypatch)
    pieces = pieces_of(tree, manifest)
    assert len(opens.names) == parts
    opens.names.clear()
    filling = prepare_files(manifest, layout)
    assert sorted(opens.names) == ["d3/large", "d3/none"]
    assert not any((tmp_path / "out" / f"d{n}" / f"{n}").exists() for n in range(10))
    opens.names.clear()
    cache = FileCache()
    for piece, content in enumerate(pieces):
        write_piece(cache, layout, piece, content, filling)
    assert len(opens.names) == parts
    opens.names.clear()
    finish_files(manifest, layout)
    cache.close()
    assert opens.names == ["d4/4"]
    assert contents_of(tmp_path / "out") == contents_of(tree)


@pytest.mark.parametrize("seed", range(4))
def test_pieces_in_any_order_and_from_several_threads(
    tree: Path, tmp_path: Path, manifest: Manifest, seed: int
) -> None:
    pieces = list(enumerate(pieces_of(tree, manifest)))
    random.Random(seed).shuffle(pieces)
    layout = Layout(manifest, tmp_path / "out", own=False)
    cache, filling = FileCache(), prepare_files(manifest, layout)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda p: write_piece(cache, layout, p[0], p[1], filling), pieces))
    sync_pieces(cache, layout, range(manifest.pieces))
    finish_files(manifest, layout)
    cache.close()
    assert contents_of(tmp_path / "out") == contents_of(tree)
    assert os.stat(tmp_path / "out" / "d4" / "4").st_mode & 0o111 == 0o111
    assert os.stat(tmp_path / "out" / "d4" / "14").st_mode & 0o111 == 0


def test_a_later_run_takes_over_what_is_there(
    tree: Path, tmp_path: Path, manifest: Manifest
) -> None:
    """The second run must write to the files of the first, of which one has grown."""
    pieces = pieces_of(tree, manifest)
    layout = Layout(manifest, tmp_path / "out", own=False)
    cache, filling = FileCache(), prepare_files(manifest, layout)
    for piece in (4, 1):
        write_piece(cache, layout, piece, pieces[piece], filling)
    shared = layout.piece(4)[-1]
    assert shared.length < SMALL
    with shared.path.open("ab") as file:
        file.write(bytes(2 * SMALL))
    again = prepare_files(manifest, layout)
    assert shared.path.stat().st_size == SMALL
    assert sum(again.made) == len(layout.piece(4)) + 2
    for piece in (5, 0, 3, 8, 7, 6, 2, 4):
        write_piece(cache, layout, piece, pieces[piece], again)
    cache.close()
    assert contents_of(tmp_path / "out") == contents_of(tree)


def put_file(path: Path, outside: Path) -> None:
    path.write_bytes(b"somebody else's")


def put_link(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "target")


def put_pipe(path: Path, outside: Path) -> None:
    os.mkfifo(path)


def replace_folder(path: Path, outside: Path) -> None:
    path.parent.rmdir()
    path.parent.symlink_to(outside)


@pytest.mark.parametrize("put", [put_file, put_link, put_pipe, replace_folder])
def test_what_others_put_there_meanwhile_is_left_alone(
    tree: Path, tmp_path: Path, manifest: Manifest, put: Callable[[Path, Path], None]
) -> None:
    layout = Layout(manifest, tmp_path / "out", own=False)
    filling = prepare_files(manifest, layout)
    outside = tmp_path / "outside"
    outside.mkdir()
    victim = layout.piece(3)[0].path
    put(victim, outside)
    before = contents_of(tmp_path / "out")
    cache = FileCache()
    with pytest.raises(OSError, match=r"exists|symbolic link leads out"):
        write_piece(cache, layout, 3, pieces_of(tree, manifest)[3], filling)
    cache.close()
    assert contents_of(tmp_path / "out") == before
    assert list(outside.iterdir()) == []


def test_a_folder_that_leads_elsewhere_is_not_read(
    tree: Path, tmp_path: Path, manifest: Manifest
) -> None:
    (tree / "d0").rename(tmp_path / "d0")
    (tree / "d0").symlink_to(tmp_path / "d0")
    with pytest.raises(OSError, match="symbolic link leads out"):
        pieces_of(tree, manifest)


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(
    tree: Path, tmp_path: Path, manifest: Manifest
) -> None:
    """Both of a packed file, and of one that is kept open."""
    layout = Layout(manifest, tree, own=False)
    cache = FileCache()
    for piece in (0, 3):
        path = layout.piece(piece)[0].path
        path.unlink()
        os.mkfifo(path)
        with pytest.raises(OSError, match="seek"):
            read_piece(cache, layout, piece, memoryview(bytearray(PIECE)))
    with pytest.raises(OSError, match="seek"):
        cache.write(layout.piece(0)[0].path, 0, memoryview(b"x"))
    cache.close()


def test_a_file_that_takes_long_to_open_holds_up_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("slow", "quick"):
        (tmp_path / name).write_bytes(name.encode())
    begun, may_go_on = threading.Event(), threading.Event()
    really = files._open

    def opened(path: Path, mode: str) -> int:
        if path.name == "slow":
            begun.set()
            assert may_go_on.wait(20)
        return really(path, mode)

    monkeypatch.setattr(files, "_open", opened)
    cache = FileCache()
    slow, quick = bytearray(4), bytearray(5)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(cache.read, tmp_path / "slow", 0, memoryview(slow))
        assert begun.wait(20)
        cache.read(tmp_path / "quick", 0, memoryview(quick))
        # It may be another file by the time it is open: then it is not kept.
        cache.forget(tmp_path / "slow")
        may_go_on.set()
        waiting.result()
    assert (slow, quick) == (b"slow", b"quick")
    assert cache.read_now(tmp_path / "slow", 0, memoryview(slow)) is None
    cache.close()


@pytest.mark.parametrize(("pieces", "whole"), [([3], True), ([0, 1], False), ([2], False)])
def test_many_files_are_synced_by_their_file_system(
    tree: Path,
    tmp_path: Path,
    manifest: Manifest,
    monkeypatch: pytest.MonkeyPatch,
    pieces: list[int],
    whole: bool,
) -> None:
    layout = Layout(manifest, tmp_path / "out", own=False)
    cache, filling = FileCache(), prepare_files(manifest, layout)
    contents = pieces_of(tree, manifest)
    for piece in pieces:
        write_piece(cache, layout, piece, contents[piece], filling)
    whole_calls: list[int] = []
    synced: list[str] = []
    really = os.fdatasync

    def fdatasync(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        really(descriptor)

    monkeypatch.setattr(segments, "sync_file_system", whole_calls.append)
    monkeypatch.setattr(os, "fdatasync", fdatasync)
    sync_pieces(cache, layout, pieces)
    cache.close()
    assert len(whole_calls) == whole
    assert set(synced) == (set() if whole else {str(tmp_path / "out" / "d3" / "large")})


def test_a_few_new_files_are_synced_with_the_names_of_their_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in" / "a" / "b").mkdir(parents=True)
    (tmp_path / "in" / "a" / "b" / "one").write_bytes(b"1")
    (tmp_path / "in" / "two").write_bytes(b"22")
    manifest = manifest_of(tmp_path / "in")
    layout = Layout(manifest, tmp_path / "out", own=False)
    cache, filling = FileCache(), prepare_files(manifest, layout)
    write_piece(cache, layout, 0, pieces_of(tmp_path / "in", manifest)[0], filling)
    synced: list[str] = []
    for name in ("fsync", "fdatasync"):
        really = getattr(os, name)

        def counted(descriptor: int, really: Callable[[int], None] = really) -> None:
            synced.append(os.path.relpath(os.readlink(f"/proc/self/fd/{descriptor}"), tmp_path))
            really(descriptor)

        monkeypatch.setattr(os, name, counted)
    sync_pieces(cache, layout, [0])
    cache.close()
    assert sorted(synced) == [".", "out", "out/a", "out/a/b", "out/a/b/one", "out/two"]


def test_no_descriptor_stays_open(tree: Path, tmp_path: Path, manifest: Manifest) -> None:
    before = len(os.listdir("/proc/self/fd"))
    layout = Layout(manifest, tmp_path / "out", own=False)
    (tmp_path / "out" / "d7").mkdir(parents=True)
    (tmp_path / "out" / "d7" / "7").mkdir()
    with pytest.raises(OSError, match="directory"):
        prepare_files(manifest, layout)
    cache = FileCache()
    with pytest.raises(OSError, match="No such file"):
        write_piece(cache, layout, 8, memoryview(bytes(PIECE)), Filling(bytearray(b"\1" * 400)))
    cache.close()
    assert len(os.listdir("/proc/self/fd")) == before
