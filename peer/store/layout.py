"""Where the stored content of a manifest lies on disk: one content file, or the user's own files.

Pure arithmetic over paths; nothing is opened here.
"""

from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

from protocol.manifest import FileRecord, Manifest


@dataclass(frozen=True)
class Segment:
    """`length` bytes at `position` of file number `file`, which lies at `path`."""

    file: int
    path: Path
    position: int
    length: int


class Layout:
    """Maps runs of stored content to runs of files."""

    def __init__(self, manifest: Manifest, root: Path, *, own: bool) -> None:
        self.root = root
        self.own = own
        """Whether it is our content file: one file, stored offsets as they are."""
        self._manifest = manifest
        if own or manifest.single:
            records = [FileRecord(path="", offset=0, size=manifest.geometry.length)]
            numbers = [0]
        else:
            numbered = [(n, r) for n, r in enumerate(manifest.files) if r.size]
            numbered.sort(key=lambda pair: pair[1].offset)
            numbers = [n for n, _ in numbered]
            records = [r for _, r in numbered]
        self._records, self._numbers = records, numbers
        self._starts = [record.offset for record in records]

    def path_of(self, record: FileRecord) -> Path:
        """Where a file of the manifest lies, when it lies in the user's place."""
        return self.root / record.path if record.path else self.root

    def piece(self, piece: int) -> list[Segment]:
        """The segments of one piece, in order, covering it without gaps."""
        geometry = self._manifest.geometry
        return self.segments(piece * geometry.piece_length, geometry.piece_size(piece))

    def segments(self, offset: int, length: int) -> list[Segment]:
        """The segments of `length` bytes of stored content at `offset`."""
        found = []
        index = bisect_right(self._starts, offset) - 1
        end = offset + length
        while offset < end:
            record = self._records[index]
            size = min(end, record.offset + record.size) - offset
            if size > 0:
                path = self.path_of(record)
                position = offset - record.offset
                found.append(Segment(self._numbers[index], path, position, size))
                offset += size
            index += 1
        return found
