"""Manifests: content laid out so that every byte has one place; hostile ones are refused."""

import random
import tracemalloc
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import codec
from protocol.errors import RemoteProtocolError
from protocol.fields import MAX_LENGTH, MAX_PIECES
from protocol.geometry import (
    MAX_PIECE_LENGTH,
    MIN_PIECE_LENGTH,
    Geometry,
    choose_piece_length,
    pack_short,
    place_files,
    unpack_short,
)
from protocol.hashing import hash_manifest
from protocol.ids import ManifestId, PieceHash
from protocol.manifest import (
    FileRecord,
    Manifest,
    ManifestBody,
    decode_manifest_untrusted,
    make_manifest,
    pack_files,
)

KIB256 = MIN_PIECE_LENGTH
UNIT = 8
"""A piece length that makes layouts short; `place_files` takes any."""
small_sizes = st.lists(st.integers(0, 40), min_size=1, max_size=12)
real_sizes = st.lists(
    st.integers(0, 5) | st.integers(KIB256 - 2, KIB256 + 2) | st.integers(0, 4 * KIB256),
    min_size=1,
    max_size=10,
)


def hashes_of(geometry: Geometry) -> list[PieceHash]:
    source = random.Random(geometry.length)
    return [PieceHash(source.randbytes(32)) for _ in range(geometry.pieces)]


def folder_of(sizes: list[int], piece_length: int = KIB256) -> Manifest:
    offsets, geometry = place_files(sizes, piece_length)
    files = [
        FileRecord(path=f"folder/{n}", offset=offset, size=size, executable=bool(n % 2))
        for n, (offset, size) in enumerate(zip(offsets, sizes, strict=True))
    ]
    return make_manifest(geometry, hashes_of(geometry), files)


# --- geometry -------------------------------------------------------------------------------


@given(length=st.integers(0, 1 << 45))
def test_the_piece_length_is_the_least_that_gives_few_pieces(length: int) -> None:
    chosen = choose_piece_length(length)
    assert chosen & (chosen - 1) == 0
    assert MIN_PIECE_LENGTH <= chosen <= MAX_PIECE_LENGTH
    assert length <= chosen * 2000 or chosen == MAX_PIECE_LENGTH
    assert chosen == MIN_PIECE_LENGTH or length > chosen // 2 * 2000


@given(sizes=small_sizes)
@settings(max_examples=300)
def test_every_byte_of_every_file_has_one_place_in_a_piece(sizes: list[int]) -> None:
    offsets, geometry = place_files(sizes, UNIT)
    held = [
        place
        for offset, size in zip(offsets, sizes, strict=True)
        for place in range(offset, offset + size)
    ]
    in_pieces = [
        piece * UNIT + at
        for piece in range(geometry.pieces)
        for at in range(geometry.piece_size(piece))
    ]
    assert sorted(held) == in_pieces
    assert all(0 <= offset <= geometry.length for offset in offsets)
    assert all(
        offset % UNIT == 0 for offset, size in zip(offsets, sizes, strict=True) if size >= UNIT
    )


@given(sizes=small_sizes)
def test_small_files_share_pieces(sizes: list[int]) -> None:
    _, geometry = place_files(sizes, UNIT)
    large = sum(-(-size // UNIT) for size in sizes if size >= UNIT)
    small = sum(size for size in sizes if size < UNIT)
    assert geometry.pieces == large + -(-small // UNIT)


@given(sizes=small_sizes, where=st.integers(0, 200), size=st.integers(0, 60))
def test_overlapping_pieces(sizes: list[int], where: int, size: int) -> None:
    _, geometry = place_files(sizes, UNIT)
    expected = {place // UNIT for place in range(where, where + size)}
    assert set(geometry.overlapping(where, size)) == expected


@pytest.mark.parametrize("piece", [-1, 3, 1 << 40])
def test_there_is_no_other_piece(piece: int) -> None:
    geometry = Geometry(piece_length=UNIT, length=2 * UNIT + 1, short={1: 3})
    assert [geometry.piece_size(n) for n in range(3)] == [8, 3, 1]
    with pytest.raises(IndexError):
        geometry.piece_size(piece)


@given(short=st.dictionaries(st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 32) - 1)))
def test_short_pieces_round_trip(short: dict[int, int]) -> None:
    packed = pack_short(short)
    assert unpack_short(packed) == short
    assert list(unpack_short(packed)) == sorted(short)


@pytest.mark.parametrize(
    "packed", [b"\1", bytes(7), bytes(16), pack_short({2: 1}) + pack_short({1: 1})]
)
def test_short_pieces_are_whole_pairs_in_rising_order(packed: bytes) -> None:
    with pytest.raises(ValueError, match="short pieces"):
        unpack_short(packed)


# --- manifests ------------------------------------------------------------------------------


@given(sizes=real_sizes)
@settings(max_examples=60, deadline=None)
def test_any_folder_survives_the_wire(sizes: list[int]) -> None:
    made = folder_of(sizes)
    read = decode_manifest_untrusted(made.encoded, made.id)
    assert read.files == made.files
    assert read.geometry == made.geometry
    assert read.size == sum(sizes) <= read.geometry.length
    assert [read.piece_hash(n) for n in range(read.pieces)] == hashes_of(made.geometry)
    assert [(f.path, f.size, f.executable) for f in read.files] == [
        (f"folder/{n}", size, bool(n % 2)) for n, size in enumerate(sizes)
    ]
    assert not read.single


def test_an_empty_file_beside_a_large_one() -> None:
    """The large one ends in a short piece, behind which nothing is."""
    manifest = folder_of([KIB256 + 1, 0])
    assert manifest.geometry.length == KIB256 + 1
    assert [f.size for f in manifest.files] == [KIB256 + 1, 0]


@pytest.mark.parametrize("size", [0, 1, KIB256, KIB256 * 3 + 5])
def test_a_single_file(size: int) -> None:
    offsets, geometry = place_files([size], KIB256)
    files = [FileRecord(path="", offset=offsets[0], size=size)]
    manifest = make_manifest(geometry, hashes_of(geometry), files)
    assert manifest.single
    assert manifest.size == geometry.length == size
    assert manifest.geometry.short == {}
    assert decode_manifest_untrusted(manifest.encoded, manifest.id).single


def test_empty_folders_are_kept() -> None:
    files = [
        FileRecord(path="a", offset=0, size=3),
        FileRecord(path="empty/inside", offset=0, size=0, directory=True),
    ]
    geometry = place_files([3, 0], KIB256)[1]
    manifest = make_manifest(geometry, hashes_of(geometry), files)
    assert decode_manifest_untrusted(manifest.encoded, manifest.id).files == tuple(files)


def test_the_same_content_gives_the_same_id_and_other_content_another() -> None:
    assert folder_of([1, KIB256 * 2]).id == folder_of([1, KIB256 * 2]).id
    assert folder_of([1, KIB256 * 2]).id != folder_of([2, KIB256 * 2]).id


def test_thousands_of_small_files_cost_a_few_pieces() -> None:
    manifest = folder_of([100] * 10_000)
    assert manifest.pieces == 4
    assert len(manifest.encoded) < 400_000


# --- hostile manifests ----------------------------------------------------------------------

PL = KIB256
GOOD: dict[str, Any] = {
    "piece_length": PL,
    "length": 2 * PL + 10,
    "hashes": bytes(96),
    "short": b"",
    "files": [FileRecord(path="a", offset=0, size=PL), FileRecord(path="b", offset=PL, size=20)],
}


def body_of(**changes: Any) -> ManifestBody:
    fields = GOOD | changes
    if isinstance(fields["files"], list):
        fields["files"] = pack_files(fields["files"])
    return ManifestBody(**fields)


def read(body: msgspec.Struct) -> Manifest:
    encoded = codec.encode(body)
    return decode_manifest_untrusted(encoded, hash_manifest(encoded))


def files_at(*places: tuple[str, int, int]) -> list[FileRecord]:
    return [FileRecord(path=path, offset=offset, size=size) for path, offset, size in places]


def packed_file(path: bytes, *, offset: int = 0, size: int = 0, flags: int = 0) -> bytes:
    fixed = offset.to_bytes(8, "little") + size.to_bytes(8, "little") + bytes([flags])
    return (1).to_bytes(4, "little") + fixed + path + b"\0"


def test_the_good_one_is_read() -> None:
    assert [f.path for f in read(body_of()).files] == ["a", "b"]


HOSTILE: dict[str, dict[str, Any]] = {
    "one hash too few": {"hashes": bytes(64)},
    "one hash too many": {"hashes": bytes(128)},
    "half a hash": {"hashes": bytes(95)},
    "piece length 0": {"piece_length": 0},
    "piece length too small": {"piece_length": 1 << 17, "length": 1, "hashes": bytes(32)},
    "piece length too large": {"piece_length": 1 << 25, "length": 1, "hashes": bytes(32)},
    "piece length no power of two": {"piece_length": PL + 1},
    "negative length": {"length": -1},
    "endless": {"length": MAX_LENGTH + 1},
    "too many pieces": {"length": PL * (MAX_PIECES + 1), "hashes": bytes(32 * (MAX_PIECES + 1))},
    "pieces without hashes": {"length": MAX_LENGTH},
    "other version": {"version": 2},
    "no files": {"files": b"\0\0\0\0"},
    "no file list": {"files": b""},
    "half a number": {"files": b"\1"},
    "more files than bytes": {"files": b"\xff\xff\xff\xff" + bytes(100)},
    "path missing": {"files": packed_file(b"a")[:-2]},
    "path not ended": {"files": packed_file(b"a") + b"b"},
    "one path too many": {"files": packed_file(b"a") + b"b\0"},
    "only NULs": {"files": packed_file(b"a") + bytes(1000)},
    "path not UTF-8": {"files": packed_file(b"\xff\xfe")},
    "path half a surrogate pair": {"files": packed_file(b"\xed\xa0\x80")},
    "unknown flag": {"files": packed_file(b"a", flags=4)},
    "folder with bytes": {"files": packed_file(b"a", size=5, flags=2)},
    "folder without a name": {"files": packed_file(b"", flags=2)},
    "past the end": {"files": files_at(("a", 2 * PL, 11))},
    "far past the end": {"files": files_at(("a", (1 << 64) - 1, (1 << 64) - 1))},
    "empty file past the end": {"files": files_at(("a", 2 * PL + 11, 0))},
    "above": {"files": files_at(("../a", 0, 1))},
    "above inside": {"files": files_at(("b/../../a", 0, 1))},
    "absolute": {"files": files_at(("/etc/passwd", 0, 1))},
    "dot": {"files": files_at((".", 0, 1))},
    "empty part": {"files": files_at(("a//b", 0, 1))},
    "trailing slash": {"files": files_at(("a/", 0, 1))},
    "part too long": {"files": files_at(("x" * 256, 0, 1))},
    "path too long": {"files": files_at(("d/" * 3000 + "f", 0, 1))},
    "no path among several": {"files": files_at(("", 0, 1), ("a", 1, 1))},
    "same path twice": {"files": files_at(("a", 0, 1), ("a", 1, 1))},
    "file and folder": {"files": files_at(("a", 0, 1), ("a/b", 1, 1))},
    "folder and file": {"files": files_at(("a/b/c", 0, 1), ("a.b", 2, 1), ("a", 1, 1))},
    "far folder and file": {"files": files_at(("a/b/c/d/e", 0, 1), ("a/b", 1, 1))},
    "the same bytes twice": {"files": files_at(("a", 0, PL), ("b", 0, PL))},
    "one byte shared": {"files": files_at(("a", 0, 100), ("b", 99, 1))},
    "one inside the other": {"files": files_at(("a", 0, 2 * PL), ("b", 5, 1), ("c", 2 * PL, 1))},
    "longer than the content": {"files": files_at(*[(str(n), 0, 2 * PL) for n in range(50)])},
    "short piece too long": {"short": pack_short({0: PL})},
    "short piece much too long": {"short": pack_short({0: PL + 1})},
    "short piece of nothing": {"short": pack_short({0: 0})},
    "short piece that is not there": {"short": pack_short({3: 5})},
    "short piece past the end": {"short": pack_short({2: 11})},
    "short pieces in disorder": {"short": pack_short({1: 5}) + pack_short({0: 5})},
    "half a short piece": {"short": bytes(7)},
    "file over a gap": {"short": pack_short({0: 50})},
    "file into a gap": {"short": pack_short({0: 50}), "files": files_at(("a", 0, 51))},
    "file in a gap": {"short": pack_short({0: 50}), "files": files_at(("a", 60, 1))},
    "file out of a gap": {"short": pack_short({0: 50}), "files": files_at(("a", PL - 1, 2))},
    "file in the last gap": {"short": pack_short({2: 4}), "files": files_at(("a", 2 * PL, 5))},
    "file over a later gap": {"short": pack_short({1: 9}), "files": files_at(("a", 3, 2 * PL))},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_manifest_is_refused(what: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        read(body_of(**HOSTILE[what]))
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "changes",
    [
        {"short": pack_short({0: 50}), "files": files_at(("a", 0, 50), ("b", PL, 1))},
        {"short": pack_short({2: 4}), "files": files_at(("a", PL, PL + 4))},
        {"files": files_at(("a", 0, 5), ("b", 5, 5), ("e", 5, 0), ("f", 3, 0))},
        {"files": files_at(("a b", 0, 5), ("a", 5, 5), ("a.d/c", 10, 1), ("a.d/d", 12, 1))},
        {"files": files_at(("b", PL, 20), ("a", 0, PL))},
        {"length": 0, "hashes": b"", "files": files_at(("a", 0, 0))},
    ],
)
def test_odd_but_harmless_manifests_are_read(changes: dict[str, Any]) -> None:
    manifest = read(body_of(**changes))
    assert manifest.size <= manifest.geometry.length


def test_unknown_fields_are_refused() -> None:
    class Longer(ManifestBody, frozen=True, kw_only=True):
        more: bytes = b""

    with pytest.raises(RemoteProtocolError, match="unknown field"):
        read(Longer(**msgspec.structs.asdict(body_of())))


def test_a_manifest_must_hash_to_its_id() -> None:
    manifest = folder_of([5])
    with pytest.raises(RemoteProtocolError, match="hash"):
        decode_manifest_untrusted(manifest.encoded, ManifestId(bytes(32)))
    with pytest.raises(RemoteProtocolError, match="hash"):
        decode_manifest_untrusted(manifest.encoded + b"\0", manifest.id)


@given(chosen=st.data(), sizes=real_sizes)
@settings(max_examples=200, deadline=None)
def test_a_mutated_manifest_is_refused_or_sound(chosen: st.DataObject, sizes: list[int]) -> None:
    """Even with the right id: a hostile author makes its own."""
    encoded = bytearray(folder_of(sizes).encoded)
    for _ in range(chosen.draw(st.integers(1, 3))):
        at = chosen.draw(st.integers(0, len(encoded)))
        encoded[at : at + chosen.draw(st.integers(0, 3))] = chosen.draw(st.binary(max_size=3))
    changed = bytes(encoded)
    try:
        manifest = decode_manifest_untrusted(changed, hash_manifest(changed))
    except RemoteProtocolError:
        return
    check_sound(manifest)


@given(chosen=st.data())
@settings(max_examples=300, deadline=None)
def test_a_hostile_layout_is_refused_or_sound(chosen: st.DataObject) -> None:
    draw: Callable[..., Any] = chosen.draw
    edge = st.sampled_from([0, 1, 50, PL - 1, PL, PL + 1, 2 * PL, 2 * PL + 9, 3 * PL])
    short = draw(st.dictionaries(st.integers(0, 3), st.sampled_from([1, 50, PL - 1]), max_size=2))
    places = draw(st.lists(st.tuples(edge, edge), min_size=1, max_size=4))
    files = files_at(*[(str(n), *place) for n, place in enumerate(places)])
    try:
        manifest = read(body_of(short=pack_short(short), files=files))
    except RemoteProtocolError:
        return
    check_sound(manifest)


def check_sound(manifest: Manifest) -> None:
    """Every byte of every file lies in one piece, and belongs to one file."""
    geometry, filled = manifest.geometry, [0] * manifest.pieces
    for record in manifest.files:
        for piece in geometry.overlapping(record.offset, record.size):
            start = max(record.offset, piece * geometry.piece_length)
            stop = min(record.offset + record.size, (piece + 1) * geometry.piece_length)
            assert stop - piece * geometry.piece_length <= geometry.piece_size(piece)
            filled[piece] += stop - start
    assert all(count <= geometry.piece_size(piece) for piece, count in enumerate(filled))
    assert len({record.path for record in manifest.files}) == len(manifest.files)
    assert manifest.size <= geometry.length


# --- cost -----------------------------------------------------------------------------------


def test_a_long_hostile_manifest_takes_bounded_memory() -> None:
    """Fields of empty lists, and a file list of nothing but path ends."""
    lists = b"\xdc\x40\0" + b"\x90" * 16_384
    bombs = [
        b"\x86\xa7version\x01\xa5files\xdc\x01\0" + lists * 256,
        codec.encode(body_of(files=packed_file(b"a") + bytes(4 << 20))),
        codec.encode(body_of(short=bytes(4 << 20))),
    ]
    for bomb in bombs:
        manifest = hash_manifest(bomb)
        tracemalloc.start()
        try:
            with pytest.raises(RemoteProtocolError):
                decode_manifest_untrusted(bomb, manifest)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 5 * len(bomb)


def test_too_many_files_are_refused_before_they_are_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("protocol.manifest.MAX_FILES", 3)
    assert len(folder_of([1, 1, 1]).files) == 3
    with pytest.raises(ValueError, match="over the limit"):
        folder_of([1, 1, 1, 1])
