"""The immutable description of content: geometry, piece hashes, file list. Its id is its hash.

Long columns are packed bytes rather than msgpack arrays, so that a stranger's manifest costs no
more memory than its own length. The geometry stands apart from the file list, which sealed
content will encrypt.
"""

import struct
from bisect import bisect_left
from itertools import pairwise
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from protocol import codec
from protocol.errors import RemoteProtocolError
from protocol.fields import MAX_PIECES, ByteLength
from protocol.geometry import (
    MAX_PIECE_LENGTH,
    MIN_PIECE_LENGTH,
    SHORT_LENGTH,
    Geometry,
    pack_short,
    unpack_short,
)
from protocol.hashing import hash_manifest
from protocol.ids import HASH_LENGTH, ManifestId, PieceHash
from protocol.paths import check_relative_path

MAX_MANIFEST = 64 << 20
SMALL_MANIFEST = 16 << 10
"""Bytes of one that is sent with the entry that names it: both fit into one message."""
MAX_FILES = 1 << 20
_SIZES = struct.Struct("<QQB")
_EXECUTABLE = 1
_DIRECTORY = 2


class ManifestBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is hashed and sent. `short` and `files` are packed; see `pack_short`, `pack_files`."""

    version: Literal[1] = 1
    piece_length: Annotated[int, Meta(ge=MIN_PIECE_LENGTH, le=MAX_PIECE_LENGTH)]
    length: ByteLength
    hashes: Annotated[bytes, Meta(max_length=MAX_PIECES * HASH_LENGTH)]
    short: Annotated[bytes, Meta(max_length=MAX_PIECES * SHORT_LENGTH)]
    files: bytes


class FileRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One file of a manifest: `size` bytes at `offset` of the stored content.

    `path` is "" for content that is a single file (its name is in the entry). An empty directory
    is a record of its own with `directory` set.
    """

    path: str
    offset: int
    size: int
    executable: bool = False
    directory: bool = False


class Manifest:
    """A checked manifest: every path is safe to join, every byte of every file lies in a piece, and
    no two files share one: together they are at most as long as the content."""

    def __init__(self, encoded: bytes, body: ManifestBody) -> None:
        self.encoded = encoded
        self.id: ManifestId = hash_manifest(encoded)
        self.geometry = Geometry(
            piece_length=body.piece_length, length=body.length, short=unpack_short(body.short)
        )
        # No second copy of what can be megabytes: they lie in the encoded form as they are.
        self._hashes = memoryview(encoded)[encoded.index(body.hashes) :]
        self.files: tuple[FileRecord, ...] = _unpack_files(body.files, self.geometry.length)
        """The file list, in the order of the manifest."""
        _check(self.geometry, body.hashes)
        _check_places(self.geometry, self.files)

    @property
    def pieces(self) -> int:
        """How many pieces there are."""
        return self.geometry.pieces

    @property
    def size(self) -> int:
        """Bytes of all files together, without gaps."""
        return sum(record.size for record in self.files)

    @property
    def single(self) -> bool:
        """Whether this is one file rather than a folder."""
        return len(self.files) == 1 and self.files[0].path == ""

    def piece_hash(self, piece: int) -> PieceHash:
        """The hash that piece must have."""
        if not 0 <= piece < self.pieces:
            raise IndexError(f"piece {piece} of {self.pieces}")
        return PieceHash(bytes(self._hashes[piece * HASH_LENGTH : (piece + 1) * HASH_LENGTH]))


def make_manifest(geometry: Geometry, hashes: list[PieceHash], files: list[FileRecord]) -> Manifest:
    """Build a manifest from parts already worked out; ValueError when they do not fit together."""
    body = ManifestBody(
        piece_length=geometry.piece_length,
        length=geometry.length,
        hashes=b"".join(hashes),
        short=pack_short(geometry.short),
        files=pack_files(files),
    )
    return Manifest(codec.encode(body), body)


def decode_manifest_untrusted(encoded: bytes, expected: ManifestId) -> Manifest:
    """Read a manifest that should have id `expected`; RemoteProtocolError for anything else."""
    if hash_manifest(encoded) != expected:
        raise RemoteProtocolError("the manifest does not hash to its id")
    body: ManifestBody = codec.decode_flat_untrusted(encoded, ManifestBody, limit=MAX_MANIFEST)
    try:
        return Manifest(encoded, body)
    except (ValueError, struct.error) as error:
        raise RemoteProtocolError(f"manifest refused: {error}") from None


def file_paths(encoded: bytes) -> list[str]:
    """The paths in a manifest of our own, one that was checked before; unlike all else, quickly."""
    body: ManifestBody = codec.decode_flat_untrusted(encoded, ManifestBody, limit=MAX_MANIFEST)
    number = int.from_bytes(body.files[:4], "little")
    return body.files[4 + number * _SIZES.size :].decode().split("\0")[:-1]


def pack_files(files: list[FileRecord]) -> bytes:
    """17 bytes a file (offset, size, flags), preceded by their number, then NUL-ended paths."""
    fixed = b"".join(
        _SIZES.pack(f.offset, f.size, f.executable * _EXECUTABLE | f.directory * _DIRECTORY)
        for f in files
    )
    return (
        len(files).to_bytes(4, "little") + fixed + b"".join(f.path.encode() + b"\0" for f in files)
    )


def _unpack_files(packed: bytes, length: int) -> tuple[FileRecord, ...]:
    number = int.from_bytes(packed[:4], "little")
    paths_at = 4 + number * _SIZES.size
    if len(packed) < paths_at + number or number == 0:
        raise ValueError("the file list is cut short")
    if number > MAX_FILES:
        raise ValueError(f"{number} files are over the limit of {MAX_FILES}")
    if packed.count(b"\0", paths_at) != number:
        raise ValueError("the file list names too few or too many paths")
    paths = packed[paths_at:].decode().split("\0")
    if paths.pop():
        raise ValueError("the file list ends in the middle of a path")
    records = []
    for (offset, size, flags), path in zip(
        _SIZES.iter_unpack(packed[4:paths_at]), paths, strict=True
    ):
        if path or number > 1:
            check_relative_path(path)
        if offset + size > length:
            raise ValueError(f"file {path!r} lies outside the content")
        if flags & ~(_EXECUTABLE | _DIRECTORY):
            raise ValueError(f"file {path!r} has unknown flags")
        if flags & _DIRECTORY and (size or not path):
            raise ValueError(f"folder {path!r} has no name, or bytes of its own")
        records.append(
            FileRecord(
                path=path,
                offset=offset,
                size=size,
                executable=bool(flags & _EXECUTABLE),
                directory=bool(flags & _DIRECTORY),
            )
        )
    _check_tree(records)
    return tuple(records)


def _check_tree(records: list[FileRecord]) -> None:
    """Two files of one path, or a file where another needs a folder, could overwrite each other."""
    # NUL sorts before all else, so whatever lies in a folder comes right behind its name.
    paths = sorted(record.path.replace("/", "\0") for record in records)
    for path, following in pairwise(paths):
        if path == following:
            raise ValueError("two files have the same path")
        if following.startswith(path + "\0"):
            raise ValueError("a path is a file and a folder at once")


def _check_places(geometry: Geometry, records: tuple[FileRecord, ...]) -> None:
    """Overlapping files could fill a disk from a few pieces; a gap is never verified."""
    short = sorted(geometry.short)
    end = 0
    for record in sorted((r for r in records if r.size), key=lambda r: r.offset):
        if record.offset < end:
            raise ValueError(f"file {record.path!r} overlaps another")
        end = record.offset + record.size
        at = bisect_left(short, record.offset // geometry.piece_length)
        if at < len(short):
            full_until = short[at] * geometry.piece_length + geometry.short[short[at]]
            if end > full_until:
                raise ValueError(f"file {record.path!r} lies where no piece is")


def _check(geometry: Geometry, hashes: bytes) -> None:
    if geometry.piece_length & (geometry.piece_length - 1):
        raise ValueError("the piece length is not a power of two")
    if geometry.pieces > MAX_PIECES or len(hashes) != geometry.pieces * HASH_LENGTH:
        raise ValueError("the number of piece hashes does not match the length")
    for piece, size in geometry.short.items():
        if piece >= geometry.pieces or not 0 < size < geometry.piece_length:
            raise ValueError(f"short piece {piece} of {size} bytes is out of bounds")
        if piece * geometry.piece_length + size > geometry.length:
            raise ValueError(f"short piece {piece} reaches past the end")
