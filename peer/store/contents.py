"""What this machine holds: one Content for each manifest, kept in memory and in the database.

The invariant of the store: a bit is in the database only after the piece's bytes are durable on
disk, and in `Content.bits` only after it is in the database.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import trio

from peer.database import Database
from peer.store.file_stats import (
    UNSEEN,
    FileStats,
    NumberedStat,
    read_rows,
    read_stats,
    recorded_stats,
    write_stats,
)
from peer.store.layout import Layout
from peer.store.recent import RecentManifests
from peer.store.splitter import FileStat
from peer.store.trash_rows import RELEASED, Trashed, forget_trashed, list_trashed, take_out
from protocol.bitfield import Bitfield, bitfield_untrusted
from protocol.hashing import hash_manifest
from protocol.ids import ManifestId
from protocol.manifest import Manifest, decode_manifest_untrusted, file_paths

FOLDER_COSTS = 10
"""Reading what is recorded of a folder costs about as much as looking at so many files."""


@dataclass(slots=True)
class Content:
    """One manifest's bytes on this machine. `path` is None for our own content file."""

    id: ManifestId
    pieces: int
    size: int
    path: Path | None
    bits: Bitfield
    stats: FileStats = field(default_factory=lambda: FileStats({}))
    """The user's files as they were when verified; empty while a download fills them."""
    passing: bool = False
    """Whether it is here only on its way to somewhere: fetched no further, and let go after."""

    @property
    def complete(self) -> bool:
        """Whether every piece is here."""
        return self.bits.full

    @property
    def held_bytes(self) -> int:
        """Bytes that are here, near enough: pieces held times their length."""
        return self.size * self.bits.count // self.pieces if self.pieces else 0


class RecordedFiles(NamedTuple):
    """A folder of the user's: the paths of all its files, and (number, size, mtime) of each."""

    content: Content
    paths: list[str]
    stats: list[NumberedStat]


class Contents:
    """All contents by manifest id. Methods that touch the database are async."""

    def __init__(self, database: Database, content_folder: Path) -> None:
        self._database = database
        self.folder = content_folder
        self._held: dict[ManifestId, Content] = {}
        self._trashed: set[ManifestId] = set()
        # Two writers that each copied the bits first would lose each other's pieces.
        self._bits_lock = trio.Lock()
        self._recent = RecentManifests(self._forget_stats)

    def load(self) -> None:
        """Read everything held at start; does not look at the files but of what is passing."""
        connection = self._database.connection
        self._trashed = {trashed.manifest for trashed in list_trashed(connection)}
        rows = connection.execute(
            "SELECT manifest, pieces, size, path, bits, passing FROM contents WHERE trashed IS NULL"
        )
        for key, pieces, size, path, bits, passing in rows:
            manifest = ManifestId(key)
            where = Path(path) if path is not None else None
            held = bitfield_untrusted(bits, pieces)
            if passing and where is None and not self.content_file(manifest).exists():
                # It was let go, and a full disk or a stop kept that from being recorded.
                held = Bitfield(pieces)
            content = Content(manifest, pieces, size, where, held, passing=bool(passing))
            self._held[manifest] = content
            if where is not None:
                read = self._stats_reader(manifest)
                content.stats = recorded_stats(connection, manifest, read)

    def get(self, manifest: ManifestId) -> Content | None:
        """What is held of a manifest; None when this machine has nothing to do with it."""
        return self._held.get(manifest)

    def all(self) -> list[Content]:
        """Everything held, in no particular order."""
        return list(self._held.values())

    def stored_bytes(self) -> int:
        """Bytes kept for the group, near enough."""
        return sum(c.held_bytes for c in self._held.values())

    def own_bytes(self) -> int:
        """Those of them that are not in users' own files, nor here for one request only."""
        own = (c for c in self._held.values() if c.path is None and not c.passing)
        return sum(c.held_bytes for c in own)

    def content_file(self, manifest: ManifestId) -> Path:
        """Where our own copy of a manifest lies."""
        name = manifest.hex()
        return self.folder / name[:2] / name

    async def manifest(self, manifest: ManifestId) -> Manifest:
        """The manifest of something held; KeyError otherwise."""
        return (await self.opened(manifest))[0]

    async def opened(self, manifest: ManifestId) -> tuple[Manifest, Layout]:
        """The manifest and layout of something held, or lately trashed; KeyError otherwise."""
        opened = self._recent.find(manifest)
        if opened is not None:
            return opened
        encoded, path, stats = await self._database.run(lambda c: self._read(c, manifest))
        found = decode_manifest_untrusted(encoded, manifest)
        content = self._held.get(manifest)
        if content is None:
            # Trashed under somebody who still works on it: what they do comes to nothing.
            return found, self._layout(found, Path(path) if path is not None else None)
        if stats is not None and not content.stats.loaded:
            content.stats.load(stats)
        return self._remember(found)

    def _read(
        self, connection: sqlite3.Connection, manifest: ManifestId
    ) -> tuple[bytes, str | None, dict[int, FileStat] | None]:
        encoded, path = _read_row(connection, manifest)
        content = self._held.get(manifest)
        wanted = content is not None and not content.stats.loaded
        return encoded, path, read_stats(connection, manifest) if wanted else None

    async def recorded(self, contents: list[Content], most: int) -> list[RecordedFiles]:
        """How the files of folders should look: of the first few, about `most` files together."""

        def read(connection: sqlite3.Connection) -> list[RecordedFiles]:
            found: list[RecordedFiles] = []
            for content in contents:
                if sum(len(each.stats) + FOLDER_COSTS for each in found) >= most:
                    break
                found.append(_read_recorded(connection, content))
            return found

        return await self._database.run(read)

    def trim(self) -> None:
        """Forget manifests that nobody has asked for since this was called last."""
        self._recent.trim()

    async def add(
        self,
        manifest: Manifest,
        path: Path | None,
        *,
        full: bool,
        stats: Mapping[int, FileStat] | None = None,
        passing: bool = False,
    ) -> Content:
        """Start holding a manifest, empty or (its bytes verified and durable) in full."""
        bits = Bitfield(manifest.pieces, full=full)
        size = manifest.geometry.length
        known = FileStats(stats or {})
        content = Content(manifest.id, manifest.pieces, size, path, bits, known, passing)

        def write(connection: sqlite3.Connection) -> None:
            _write_row(connection, manifest, content, "REPLACE")
            write_stats(connection, content.id, content.stats)

        await self._database.run(write)
        known.recorded(self._stats_reader(manifest.id))
        self._held[manifest.id] = content
        self._trashed.discard(manifest.id)
        self._remember(manifest)
        return content

    async def expect(self, manifest: Manifest) -> None:
        """Note that our own content file is about to be put in place.

        After a stop before `add` the next start finds a passing content without pieces, and so the
        file that may lie there.
        """
        bits = Bitfield(manifest.pieces)
        coming = Content(manifest.id, manifest.pieces, manifest.geometry.length, None, bits)
        coming.passing = True
        await self._database.run(lambda c: _write_row(c, manifest, coming, "IGNORE"))

    async def set_passing(self, content: Content, passing: bool) -> None:
        """Whether content is here only on its way; at once in memory, then on disk."""
        if content.passing != passing and self._is_held(content):
            content.passing = passing
            await self._database.run(
                lambda c: c.execute(
                    "UPDATE contents SET passing = ? WHERE manifest = ?", (passing, content.id)
                )
            )

    async def record(self, content: Content, pieces: list[int]) -> None:
        """Count pieces whose bytes are durable."""
        async with self._bits_lock:
            if not self._is_held(content):
                return
            bits = content.bits.copy()
            bits.update(pieces)
            await self._write_bits(content, bits)
            content.bits.update(pieces)

    async def discount(self, content: Content, pieces: list[int]) -> None:
        """Stop counting pieces that are bad or gone; at once in memory, then on disk."""
        for piece in pieces:
            content.bits.discard(piece)
        async with self._bits_lock:
            for piece in pieces:
                content.bits.discard(piece)
            if self._is_held(content):
                await self._write_bits(content, content.bits)

    async def set_stats(self, content: Content, stats: Mapping[int, FileStat]) -> None:
        """Remember how the user's files look now that they are verified."""
        known = content.stats = FileStats(stats)
        if self._is_held(content):
            await self._database.run(lambda connection: write_stats(connection, content.id, known))
            known.recorded(self._stats_reader(content.id))

    async def doubt(self, content: Content, files: Iterable[int]) -> None:
        """Have the file watch read these files again, by number, however they look."""
        doubted = {number: UNSEEN for number in files if number in content.stats}
        if any(content.stats[number] != look for number, look in doubted.items()):
            await self.set_stats(content, {**content.stats, **doubted})

    async def trash(self, content: Content, now: int) -> None:
        """Stop holding a manifest; its row stays, marked, until the trash is emptied."""
        self._held.pop(content.id, None)
        self._recent.drop(content.id)
        await self._database.run(
            lambda connection: connection.execute(
                "UPDATE contents SET trashed = ? WHERE manifest = ?", (now, content.id)
            )
        )
        if now > RELEASED:
            self._trashed.add(content.id)

    def in_trash(self, manifest: ManifestId) -> bool:
        """Whether a content may be in the trash."""
        return manifest in self._trashed

    def all_in_trash(self) -> list[ManifestId]:
        """Every content that may be in the trash."""
        return list(self._trashed)

    async def trashed(self) -> list[Trashed]:
        """Everything in the trash that was not let go for good, the newest first."""
        return await self._database.run(list_trashed)

    async def take_back(self, manifest: ManifestId) -> Content | None:
        """Hold again what is in the trash, as it was; None when it is not there.

        Our own content file must be in place already.
        """

        def take(connection: sqlite3.Connection) -> Content | None:
            row = take_out(connection, manifest)
            if row is None:
                return None
            pieces, size, path, bits = row
            where = Path(path) if path is not None else None
            taken = Content(manifest, pieces, size, where, bitfield_untrusted(bits, pieces))
            if where is not None:
                taken.stats = recorded_stats(connection, manifest, self._stats_reader(manifest))
            return taken

        content = await self._database.run(take)
        self._trashed.discard(manifest)
        if content is not None:
            self._recent.drop(manifest)
            self._held[manifest] = content
        return content

    async def forget_trashed(self, manifest: ManifestId) -> None:
        """Forget a content that is in the trash; its file may be deleted."""
        await self._database.run(lambda connection: forget_trashed(connection, manifest))
        self._trashed.discard(manifest)

    def _stats_reader(self, manifest: ManifestId) -> Callable[[], dict[int, FileStat]]:
        return lambda: self._database.read_sync(lambda c: read_stats(c, manifest))

    def _is_held(self, content: Content) -> bool:
        """Whether this is still how we hold it: its row belongs to whatever has replaced it."""
        return self._held.get(content.id) is content

    async def take_old_trash(
        self, before: int, is_wanted: Callable[[ManifestId], bool]
    ) -> list[ManifestId]:
        """Forget what was trashed before a moment (milliseconds); its files may be deleted.

        What is wanted stays, unless it was let go for good.
        """

        def take(connection: sqlite3.Connection) -> list[ManifestId]:
            rows = connection.execute(
                "SELECT manifest, trashed FROM contents WHERE trashed < ?", (before,)
            ).fetchall()
            old = [
                ManifestId(m) for m, at in rows if at == RELEASED or not is_wanted(ManifestId(m))
            ]
            connection.executemany("DELETE FROM contents WHERE manifest = ?", [(m,) for m in old])
            return old

        taken = await self._database.run(take)
        self._trashed.difference_update(taken)
        return taken

    async def _write_bits(self, content: Content, bits: Bitfield) -> None:
        wire = bits.to_wire()
        await self._database.run(
            lambda connection: connection.execute(
                "UPDATE contents SET bits = ? WHERE manifest = ?", (wire, content.id)
            )
        )

    def _remember(self, manifest: Manifest) -> tuple[Manifest, Layout]:
        return self._recent.put(manifest, self._layout(manifest, self._held[manifest.id].path))

    def _forget_stats(self, manifest: ManifestId) -> None:
        content = self._held.get(manifest)
        if content is not None:
            content.stats.forget()

    def _layout(self, manifest: Manifest, path: Path | None) -> Layout:
        return Layout(manifest, path or self.content_file(manifest.id), own=path is None)


def _read_row(connection: sqlite3.Connection, manifest: ManifestId) -> tuple[bytes, str | None]:
    row = connection.execute(
        "SELECT encoded, path FROM contents JOIN manifests USING (manifest) WHERE manifest = ?",
        (manifest,),
    ).fetchone()
    if row is None or hash_manifest(row[0]) != manifest:
        raise KeyError(manifest)
    return row[0], row[1]


def _write_row(
    connection: sqlite3.Connection,
    manifest: Manifest,
    content: Content,
    known: Literal["REPLACE", "IGNORE"],
) -> None:
    """Write the row of a content; `known` says what becomes of one that is there."""
    connection.execute(
        f"INSERT OR {known} INTO contents "
        "(manifest, path, pieces, size, bits, passing) VALUES (?, ?, ?, ?, ?, ?)",
        (
            manifest.id,
            str(content.path) if content.path else None,
            content.pieces,
            content.size,
            content.bits.to_wire(),
            content.passing,
        ),
    )
    connection.execute(
        f"INSERT OR {known} INTO manifests VALUES (?, ?)", (manifest.id, manifest.encoded)
    )


def _read_recorded(connection: sqlite3.Connection, content: Content) -> RecordedFiles:
    row = connection.execute(
        "SELECT encoded FROM manifests WHERE manifest = ?", (content.id,)
    ).fetchone()
    if row is None:
        return RecordedFiles(content, [], [])
    return RecordedFiles(content, file_paths(row[0]), read_rows(connection, content.id))
