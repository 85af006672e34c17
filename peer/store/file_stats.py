"""How a user's files looked when they were verified, without keeping millions of them in memory."""

import sqlite3
import struct
from collections.abc import Callable, Iterator, Mapping

from peer.store.splitter import FileStat
from protocol.ids import ManifestId

_PACKED = struct.Struct("<qqq")
"""Number, size and time of one file."""
GONE = FileStat(-1, -1)
"""How a file looks that is not there."""
UNSEEN = FileStat(-2, -2)
"""What no file looks like: one that is to be read again."""
NumberedStat = tuple[int, int, int]


class FileStats(Mapping[int, FileStat]):
    """Stats by number of the file in its manifest.

    Whether there are any is always known. Those of a folder may be forgotten once they are in the
    database, and are read again when somebody asks; a single file's are kept.
    """

    __slots__ = ("_known", "_read", "_some")

    def __init__(
        self,
        known: Mapping[int, FileStat] | None,
        read: Callable[[], dict[int, FileStat]] | None = None,
    ) -> None:
        """`known` None: there are some, to be had from `read`."""
        self._known = None if known is None else dict(known)
        self._read = read
        self._some = bool(self._known) or known is None

    def __bool__(self) -> bool:
        return self._some

    def __getitem__(self, number: int) -> FileStat:
        return self._all()[number]

    def find(self, number: int) -> FileStat | None:
        """As `get`, but quickly: it is asked for every file of every piece sent."""
        return self._all().get(number)

    def __iter__(self) -> Iterator[int]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def only(self) -> FileStat | None:
        """The stat of file number 0 when it is the only one."""
        return self._known.get(0) if self._known is not None and len(self._known) == 1 else None

    @property
    def loaded(self) -> bool:
        """Whether asking costs no read."""
        return self._known is not None

    def load(self, known: dict[int, FileStat]) -> None:
        """Take what was read already."""
        self._known = known

    def recorded(self, read: Callable[[], dict[int, FileStat]]) -> None:
        """They are in the database now, from where `read` has them."""
        self._read = read

    def forget(self) -> None:
        """Free the memory, unless they cannot be had again or are not worth it."""
        if self._read is not None and self._known is not None and len(self._known) > 1:
            self._known = None

    def _all(self) -> dict[int, FileStat]:
        # A local variable, as another thread may forget them meanwhile.
        known = self._known
        if known is None:
            known = self._known = self._read() if self._read else {}
        return known


def write_stats(
    connection: sqlite3.Connection, manifest: ManifestId, stats: Mapping[int, FileStat]
) -> None:
    """Record all of a content's stats, in place of what is recorded."""
    connection.execute("DELETE FROM file_stats WHERE manifest = ?", (manifest,))
    if stats:
        pack = _PACKED.pack
        packed = b"".join([pack(number, s.size, s.mtime) for number, s in stats.items()])
        row = (manifest, len(stats), packed)
        connection.execute("INSERT INTO file_stats VALUES (?, ?, ?)", row)


def read_stats(connection: sqlite3.Connection, manifest: ManifestId) -> dict[int, FileStat]:
    """All that is recorded of a content's files."""
    rows = read_rows(connection, manifest)
    return {number: FileStat(size, mtime) for number, size, mtime in rows}


def read_rows(connection: sqlite3.Connection, manifest: ManifestId) -> list[NumberedStat]:
    """The same as (number, size, mtime), without an object for each."""
    # Also outside of `Database.run`: SQLite lets any thread read, one statement at a time.
    row = connection.execute(
        "SELECT packed FROM file_stats WHERE manifest = ?", (manifest,)
    ).fetchone()
    return list(_PACKED.iter_unpack(row[0])) if row is not None else []


def recorded_stats(
    connection: sqlite3.Connection, manifest: ManifestId, read: Callable[[], dict[int, FileStat]]
) -> FileStats:
    """The stat of a single file; of more than that, only that there are some, to be `read`."""
    row = connection.execute(
        "SELECT CASE WHEN files = 1 THEN packed END FROM file_stats WHERE manifest = ?", (manifest,)
    ).fetchone()
    if row is None:
        return FileStats({}, read)
    if row[0] is None:
        return FileStats(None, read)
    number, size, mtime = _PACKED.unpack(row[0])
    return FileStats({number: FileStat(size, mtime)}, read)
