"""From real files to manifests, and back through both layouts: every byte, and once."""

import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from peer_net import PIECE, aligned, bytes_of, manifest_of, stats_of

from peer.errors import NotFoundError, PeerError, UsageError
from peer.store.files import FileCache
from peer.store.layout import Layout
from peer.store.segments import read_piece, write_piece
from peer.store.splitter import split, survey
from peer.store.user_files import finish_files, prepare_files
from protocol.geometry import Geometry
from protocol.hashing import hash_piece
from protocol.manifest import FileRecord, Manifest, decode_manifest_untrusted, make_manifest

AROUND = [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 77]


def read_all(layout: Layout, manifest: Manifest) -> list[bytes]:
    """All pieces through a layout."""
    cache, found = FileCache(), []
    for piece in range(manifest.pieces):
        target = bytearray(manifest.geometry.piece_size(piece))
        read_piece(cache, layout, piece, memoryview(target))
        found.append(bytes(target))
    cache.close()
    return found


def write_all(layout: Layout, manifest: Manifest, pieces: list[bytes]) -> None:
    filling = prepare_files(manifest, layout)
    cache = FileCache()
    order = list(range(manifest.pieces))
    random.Random(len(order)).shuffle(order)
    for piece in order:
        write_piece(cache, layout, piece, memoryview(aligned(pieces[piece])), filling)
    cache.close()


def same_tree(one: Path, other: Path) -> bool:
    names = {p.relative_to(one) for p in one.rglob("*")}
    assert names == {p.relative_to(other) for p in other.rglob("*")}
    return all(
        (one / n).read_bytes() == (other / n).read_bytes() for n in names if (one / n).is_file()
    )


@pytest.mark.parametrize("size", AROUND)
def test_a_single_file(tmp_path: Path, size: int) -> None:
    path = tmp_path / "film"
    content = bytes_of(size)
    path.write_bytes(content)
    manifest = manifest_of(path)
    assert manifest.single
    assert manifest.size == manifest.geometry.length == size
    assert manifest.pieces == -(-size // PIECE)
    parts = [content[at : at + PIECE] for at in range(0, size, PIECE)]
    assert read_all(Layout(manifest, path, own=False), manifest) == parts
    assert [manifest.piece_hash(n) for n in range(manifest.pieces)] == list(map(hash_piece, parts))
    assert decode_manifest_untrusted(manifest.encoded, manifest.id).files == manifest.files


def make_folder(root: Path, sizes: list[int], seed: int) -> None:
    root.mkdir(parents=True)
    for number, size in enumerate(sizes):
        path = root / f"d{number % 3}" / f"{number}" if number % 2 else root / f"{number}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes_of(size, seed + number))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    sizes=st.lists(
        st.sampled_from([*AROUND, 5, 4096, 100_000]) | st.integers(0, PIECE * 2),
        min_size=1,
        max_size=9,
    ),
    seed=st.integers(0, 1000),
)
@example(sizes=[0], seed=0)
@example(sizes=[PIECE + 1, PIECE + 1], seed=0)
@example(sizes=[1] * 9, seed=0)
def test_a_folder_survives_both_layouts(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], seed: int
) -> None:
    """The user's folder -> pieces -> content file -> pieces -> another folder: the same bytes."""
    print(f"sizes={sizes} seed={seed}")
    base = tmp_path_factory.mktemp("folder")
    make_folder(base / "in", sizes, seed)
    manifest = manifest_of(base / "in")
    theirs = Layout(manifest, base / "in", own=False)
    pieces = read_all(theirs, manifest)
    assert [hash_piece(p) for p in pieces] == [
        manifest.piece_hash(n) for n in range(manifest.pieces)
    ]
    assert sum(map(len, pieces)) == sum(sizes) == manifest.size
    own = Layout(manifest, base / "own" / "content", own=True)
    write_all(own, manifest, pieces)
    assert own.root.stat().st_size == manifest.geometry.length
    assert read_all(own, manifest) == pieces
    out = Layout(manifest, base / "out", own=False)
    write_all(out, manifest, read_all(own, manifest))
    finish_files(manifest, out)
    assert same_tree(base / "in", base / "out")


@pytest.mark.parametrize("own", [True, False])
def test_each_piece_is_covered_exactly(tmp_path: Path, own: bool) -> None:
    make_folder(tmp_path / "in", [*AROUND, 9, 0, 300_000, 12], 3)
    manifest = manifest_of(tmp_path / "in")
    layout = Layout(manifest, tmp_path / "x", own=own)
    seen: dict[Path, list[tuple[int, int]]] = {}
    for piece in range(manifest.pieces):
        segments = layout.piece(piece)
        assert sum(s.length for s in segments) == manifest.geometry.piece_size(piece)
        assert all(s.length > 0 for s in segments)
        for segment in segments:
            seen.setdefault(segment.path, []).append((segment.position, segment.length))
    if own:
        assert set(seen) == {tmp_path / "x"}
        return
    for record in manifest.files:
        at = 0
        for position, length in sorted(seen.get(tmp_path / "x" / record.path, [])):
            assert position == at
            at += length
        assert at == record.size


def test_modes_empty_folders_and_what_is_skipped(tmp_path: Path) -> None:
    root = tmp_path / "in"
    (root / "empty" / "deeper").mkdir(parents=True)
    (root / "tool").write_bytes(b"#!/bin/sh\n")
    (root / "tool").chmod(0o755)
    (root / "plain").write_bytes(b"plain")
    (root / "link").symlink_to("/etc/passwd")
    (root / "folder-link").symlink_to("/etc")
    (root / "broken").symlink_to("nowhere")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(root / "socket"))
        found = survey(root)
    assert found.skipped == ["broken", "folder-link", "link", "pipe", "socket"]
    manifest = manifest_of(root)
    records = {record.path: record for record in manifest.files}
    assert set(records) == {"empty/deeper", "plain", "tool"}
    assert records["empty/deeper"].directory
    assert records["tool"].executable
    assert not records["plain"].executable
    out = Layout(manifest, tmp_path / "out", own=False)
    write_all(out, manifest, read_all(Layout(manifest, root, own=False), manifest))
    stats = finish_files(manifest, out)
    assert (tmp_path / "out" / "empty" / "deeper").is_dir()
    assert (tmp_path / "out" / "tool").stat().st_mode & 0o111
    assert not (tmp_path / "out" / "plain").stat().st_mode & 0o111
    assert stats == stats_of(tmp_path / "out")


def test_files_come_before_the_folders_beside_them(tmp_path: Path) -> None:
    """The order is part of a manifest's id: the same folder must always give the same."""
    for name in ("b/z", "b/a/x", "c", "a/y", "B", "b/k", "a-", "b.c/1"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(name)
    names = [record.path for record in survey(tmp_path / "in").files]
    assert names == ["B", "a-", "c", "a/y", "b/k", "b/z", "b/a/x", "b.c/1"]


def test_a_skipped_name_that_is_not_utf8_can_still_be_told(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_bytes(b"a")
    os.symlink("nowhere", os.fsencode(tmp_path / "in") + b"/bad\xff")
    (name,) = survey(tmp_path / "in").skipped
    assert name.encode() == b"bad?"


def test_a_name_that_is_not_utf8_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/bad\xff")).write_bytes(b"x")
    with pytest.raises(UsageError, match="not valid Unicode; rename it"):
        survey(tmp_path / "in")


@pytest.mark.parametrize(
    ("what", "error", "text"),
    [
        ("nothing", NotFoundError, "there is no"),
        ("empty", UsageError, "empty folder"),
        ("pipe", UsageError, "neither a file nor a folder"),
    ],
)
def test_what_cannot_be_shared(
    tmp_path: Path, what: str, error: type[PeerError], text: str
) -> None:
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(error, match=text):
        survey(tmp_path / what)


@pytest.mark.parametrize("how", ["grown", "cut", "rewritten", "deleted"])
def test_a_file_that_changes_while_it_is_hashed(tmp_path: Path, how: str) -> None:
    path = tmp_path / "film"
    path.write_bytes(bytes_of(3 * PIECE))
    found = survey(path)
    done = False

    def change(*_: int) -> None:
        nonlocal done
        if done:
            return
        done = True
        if how == "grown":
            with path.open("ab") as file:
                file.write(b"more")
        elif how == "cut":
            os.truncate(path, 10)
        elif how == "deleted":
            path.unlink()
        else:
            path.write_bytes(bytes_of(3 * PIECE, 2))
            os.utime(path, ns=(0, 12345))

    with pytest.raises(PeerError, match=r"changed while|cut while|went away"):
        split(found, progress=change, cancelled=lambda: False)
    assert done


def test_a_file_that_is_gone_when_it_is_to_be_hashed(tmp_path: Path) -> None:
    path = tmp_path / "film"
    path.write_bytes(bytes_of(PIECE))
    found = survey(path)
    path.unlink()
    with pytest.raises(PeerError, match="film went away while it was read"):
        split(found, progress=lambda *_: None, cancelled=lambda: False)


def test_stopping_half_way_is_an_error_and_not_a_manifest(tmp_path: Path) -> None:
    path = tmp_path / "film"
    path.write_bytes(bytes_of(10 * PIECE))
    calls = []
    with pytest.raises(PeerError, match="stopped"):
        split(
            survey(path),
            progress=lambda *a: calls.append(a),
            cancelled=lambda: len(calls) >= 2,
        )
    assert 2 <= len(calls) < 10


@pytest.mark.parametrize("what", ["file", "folder"])
def test_unreadable_is_a_clear_error(tmp_path: Path, what: str) -> None:
    """In a process that may not read everything, as root may."""
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if not parent.stat().st_mode & 0o001 and parent.stat().st_uid == os.getuid():
            parent.chmod(parent.stat().st_mode | 0o011)
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "sub" / "a").write_bytes(b"a")
    closed = tmp_path / "in" / "sub" / ("a" if what == "file" else "")
    closed.chmod(0)
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from peer.errors import PeerError\n"
        "from peer.store.splitter import split, survey\n"
        "if os.getuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        "try: split(survey(Path(sys.argv[1])), progress=print, cancelled=lambda: False)\n"
        "except PeerError as error: print('PeerError', error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "in")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    closed.chmod(0o755)
    assert "PeerError cannot read" in done.stdout, done.stderr
    assert str(closed) in done.stdout


def test_five_thousand_small_files_cost_a_few_pieces(tmp_path: Path) -> None:
    chance = random.Random(5)
    root = tmp_path / "in"
    for number in range(5000):
        folder = root / f"{number % 50}"
        if number < 50:
            folder.mkdir(parents=True)
        (folder / f"{number}").write_bytes(chance.randbytes(chance.randrange(400)))
    manifest = manifest_of(root)
    assert len(manifest.files) == 5000
    assert manifest.pieces == -(-manifest.size // PIECE) <= 8
    own = Layout(manifest, tmp_path / "own", own=True)
    write_all(own, manifest, read_all(Layout(manifest, root, own=False), manifest))
    out = Layout(manifest, tmp_path / "out", own=False)
    prepare_files(manifest, out)
    write_all(out, manifest, read_all(own, manifest))
    assert same_tree(root, tmp_path / "out")


# Files in the user's place


def hostile_folder(tmp_path: Path) -> Manifest:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "sub" / "file").write_bytes(b"theirs")
    (tmp_path / "in" / "top").write_bytes(b"theirs")
    return manifest_of(tmp_path / "in")


def test_a_symbolic_link_never_leads_a_download_out(tmp_path: Path) -> None:
    manifest = hostile_folder(tmp_path)
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").symlink_to(outside)
    with pytest.raises(OSError, match="symbolic link leads out"):
        prepare_files(manifest, Layout(manifest, tmp_path / "out", own=False))
    assert list(outside.iterdir()) == []


def test_a_file_that_is_a_symbolic_link_is_not_written_through(tmp_path: Path) -> None:
    manifest = hostile_folder(tmp_path)
    target = tmp_path / "precious"
    target.write_bytes(b"mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "top").symlink_to(target)
    with pytest.raises(OSError, match=r"[Ss]ymbolic link"):
        prepare_files(manifest, Layout(manifest, tmp_path / "out", own=False))
    assert target.read_bytes() == b"mine"


@pytest.mark.parametrize("path", ["../up", "/etc/x", "a/../../b", "a//b", ".", "a\0b"])
def test_no_manifest_names_a_place_outside(path: str) -> None:
    with pytest.raises(ValueError, match=r"path|NUL|name"):
        make_manifest(
            Geometry(piece_length=PIECE, length=0, short={}),
            [],
            [FileRecord(path=path, offset=0, size=0), FileRecord(path="b", offset=0, size=0)],
        )


def test_a_file_already_there_is_cut_to_size_and_kept_if_it_fits(tmp_path: Path) -> None:
    path = tmp_path / "film"
    path.write_bytes(bytes_of(PIECE))
    manifest = manifest_of(path)
    layout = Layout(manifest, tmp_path / "out", own=False)
    (tmp_path / "out").write_bytes(bytes_of(PIECE))
    prepare_files(manifest, layout)
    assert (tmp_path / "out").read_bytes() == bytes_of(PIECE)
    (tmp_path / "out").write_bytes(b"short")
    prepare_files(manifest, layout)
    assert (tmp_path / "out").stat().st_size == PIECE


def test_descriptors_are_bounded_and_closed(tmp_path: Path) -> None:
    cache = FileCache()
    before = len(os.listdir("/proc/self/fd"))
    for number in range(200):
        cache.write(tmp_path / str(number), 0, memoryview(b"x" * 10))
    assert len(os.listdir("/proc/self/fd")) - before <= 64
    target = bytearray(10)
    cache.read(tmp_path / "3", 0, memoryview(target))
    assert target == b"x" * 10
    with pytest.raises(EOFError):
        cache.read(tmp_path / "3", 5, memoryview(target))
    cache.close()
    assert len(os.listdir("/proc/self/fd")) == before


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 40) | st.just(32),
            st.sampled_from([1, 4095, 4096, 4097, 65536, 65537, 131072, 200_001]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_direct_and_ordinary_writes_are_one_file(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.mktemp("direct") / "file"
    cache, expected = FileCache(), bytearray()
    for number, (page, size) in enumerate(writes):
        position = page * 4096 + (page % 3 == 1)
        buffer = aligned(bytes_of(size, number))
        cache.write(path, position, memoryview(buffer))
        expected.extend(bytes(max(0, position + size - len(expected))))
        expected[position : position + size] = buffer[:]
    cache.sync_all({path})
    cache.close()
    assert path.read_bytes() == expected
