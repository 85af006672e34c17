"""Where the stored content of a manifest lies on disk: one content file, or the user's own files.

Pure arithmetic over paths; nothing is opened here.
"""

from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple, Protocol

from protocol.geometry import Geometry
from protocol.manifest import FileRecord


class Segment(NamedTuple):
    """`length` bytes at `position` of file number `file`, which is `name` below `root`."""

    file: int
    root: Path
    name: str
    """ "" where the root is the file."""
    position: int
    length: int
    packed: bool
    """Whether the file is smaller than a piece, one of many: opened, used once and closed."""

    @property
    def path(self) -> Path:
        """Where the file lies. Slow for thousands of them."""
        return self.root / self.name if self.name else self.root


class Outline(Protocol):
    """What of a manifest says where its bytes lie."""

    @property
    def geometry(self) -> Geometry:
        """Where pieces lie."""

    @property
    def files(self) -> Sequence[FileRecord]:
        """Where files lie."""

    @property
    def single(self) -> bool:
        """Whether it is one file rather than a folder."""


class Layout:
    """Maps runs of stored content to runs of files."""

    def __init__(self, manifest: Outline, root: Path, *, own: bool) -> None:
        self.root = root
        self.own = own
        """Whether it is our content file: one file, stored offsets as they are."""
        self.folder = not own and not manifest.single
        """Whether it is a folder of the user's."""
        self._geometry = manifest.geometry
        if self.folder:
            files = [(r.offset, r.size, n, r.path) for n, r in enumerate(manifest.files) if r.size]
            files.sort(key=itemgetter(0))
        else:
            files = [(0, self._geometry.length, 0, "")]
        self._files = files
        self._starts = [file[0] for file in files]

    def path_of(self, record: FileRecord) -> Path:
        """Where a file of the manifest lies, when it lies in the user's place."""
        return self.root / record.path if record.path else self.root

    def is_packed(self, size: int) -> bool:
        """Whether a file of that size shares its pieces with others."""
        return self.folder and size < self._geometry.piece_length

    def packs(self, piece: int) -> bool:
        """Whether a piece begins with a packed file; more of them follow then."""
        at = bisect_right(self._starts, piece * self._geometry.piece_length) - 1
        return self.is_packed(self._files[at][1])

    def piece(self, piece: int) -> list[Segment]:
        """The segments of one piece, in order, covering it without gaps."""
        geometry = self._geometry
        return self.segments(piece * geometry.piece_length, geometry.piece_size(piece))

    def segments(self, offset: int, length: int) -> list[Segment]:
        """The segments of `length` bytes of stored content at `offset`."""
        found = []
        index = bisect_right(self._starts, offset) - 1
        end = offset + length
        while offset < end:
            start, size, number, name = self._files[index]
            run = min(end, start + size) - offset
            if run > 0:
                packed = self.is_packed(size)
                found.append(Segment(number, self.root, name, offset - start, run, packed))
                offset += run
            index += 1
        return found
