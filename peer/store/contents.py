"""What this machine holds: one Content for each manifest, kept in memory and in the database.

The invariant of the store: a bit is in the database only after the piece's bytes are durable on
disk, and in `Content.bits` only after it is in the database.
"""

import sqlite3
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import trio

from peer.database import Database
from peer.store.layout import Layout
from peer.store.splitter import FileStat
from protocol.bitfield import Bitfield, bitfield_untrusted
from protocol.hashing import hash_manifest
from protocol.ids import ManifestId
from protocol.manifest import Manifest, decode_manifest_untrusted

MANIFESTS_IN_MEMORY = 32


@dataclass
class Content:
    """One manifest's bytes on this machine. `path` is None for our own content file."""

    id: ManifestId
    pieces: int
    size: int
    path: Path | None
    bits: Bitfield
    stats: dict[int, FileStat] = field(default_factory=dict)
    """The user's files as they were when verified; empty while a download fills them."""

    @property
    def complete(self) -> bool:
        """Whether every piece is here."""
        return self.bits.full


class Contents:
    """All contents by manifest id. Methods that touch the database are async."""

    def __init__(self, database: Database, content_folder: Path) -> None:
        self._database = database
        self._folder = content_folder
        self._held: dict[ManifestId, Content] = {}
        # Two writers that each copied the bits first would lose each other's pieces.
        self._bits_lock = trio.Lock()
        self._manifests: OrderedDict[ManifestId, tuple[Manifest, Layout]] = OrderedDict()

    def load(self) -> None:
        """Read everything held at start; does not look at the files."""
        connection = self._database.connection
        rows = connection.execute(
            "SELECT manifest, pieces, size, path, bits FROM contents WHERE trashed IS NULL"
        )
        for key, pieces, size, path, bits in rows:
            manifest = ManifestId(key)
            where = Path(path) if path is not None else None
            held = bitfield_untrusted(bits, pieces)
            self._held[manifest] = Content(manifest, pieces, size, where, held)
        for key, number, size, mtime in connection.execute(
            "SELECT manifest, file, size, mtime FROM stats"
        ):
            content = self._held.get(ManifestId(key))
            if content:
                content.stats[number] = FileStat(size, mtime)

    def get(self, manifest: ManifestId) -> Content | None:
        """What is held of a manifest; None when this machine has nothing to do with it."""
        return self._held.get(manifest)

    def all(self) -> list[Content]:
        """Everything held, in no particular order."""
        return list(self._held.values())

    def stored_bytes(self) -> int:
        """Bytes kept for the group, near enough: pieces held times their length."""
        return sum(c.size * c.bits.count // c.pieces for c in self._held.values() if c.pieces)

    def content_file(self, manifest: ManifestId) -> Path:
        """Where our own copy of a manifest lies."""
        name = manifest.hex()
        return self._folder / name[:2] / name

    async def manifest(self, manifest: ManifestId) -> Manifest:
        """The manifest of something held; KeyError otherwise."""
        return (await self.opened(manifest))[0]

    async def opened(self, manifest: ManifestId) -> tuple[Manifest, Layout]:
        """The manifest and layout of something held, or lately trashed; KeyError otherwise."""
        if manifest not in self._manifests:
            encoded, path = await self._database.run(lambda c: _read_row(c, manifest))
            found = decode_manifest_untrusted(encoded, manifest)
            if manifest not in self._held:
                # Trashed under somebody who still works on it: what they do comes to nothing.
                return found, self._layout(found, Path(path) if path is not None else None)
            self._remember(found)
        self._manifests.move_to_end(manifest)
        return self._manifests[manifest]

    async def add(
        self,
        manifest: Manifest,
        path: Path | None,
        *,
        full: bool,
        stats: dict[int, FileStat] | None = None,
    ) -> Content:
        """Start holding a manifest, empty or (its bytes verified and durable) in full."""
        bits = Bitfield(manifest.pieces, full=full)
        size = manifest.geometry.length
        content = Content(manifest.id, manifest.pieces, size, path, bits, stats or {})

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR REPLACE INTO contents VALUES (?, ?, ?, ?, ?, ?, NULL)",
                (
                    manifest.id,
                    manifest.encoded,
                    str(path) if path else None,
                    manifest.pieces,
                    size,
                    bits.to_wire(),
                ),
            )
            _write_stats(connection, content)

        await self._database.run(write)
        self._held[manifest.id] = content
        self._manifests.pop(manifest.id, None)
        self._remember(manifest)
        return content

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

    async def set_stats(self, content: Content, stats: dict[int, FileStat]) -> None:
        """Remember how the user's files look now that they are verified."""
        content.stats = stats
        if self._is_held(content):
            await self._database.run(lambda connection: _write_stats(connection, content))

    async def trash(self, content: Content, now: int) -> None:
        """Stop holding a manifest; its row stays, marked, until the trash is emptied."""
        self._held.pop(content.id, None)
        self._manifests.pop(content.id, None)
        await self._database.run(
            lambda connection: connection.execute(
                "UPDATE contents SET trashed = ? WHERE manifest = ?", (now, content.id)
            )
        )

    def _is_held(self, content: Content) -> bool:
        """Whether this is still how we hold it: its row belongs to whatever has replaced it."""
        return self._held.get(content.id) is content

    async def take_old_trash(self, before: int) -> list[ManifestId]:
        """Forget what was trashed before a moment (milliseconds); its files may be deleted."""

        def take(connection: sqlite3.Connection) -> list[ManifestId]:
            rows = connection.execute(
                "DELETE FROM contents WHERE trashed < ? RETURNING manifest", (before,)
            )
            return [ManifestId(row[0]) for row in rows.fetchall()]

        return await self._database.run(take)

    async def _write_bits(self, content: Content, bits: Bitfield) -> None:
        wire = bits.to_wire()
        await self._database.run(
            lambda connection: connection.execute(
                "UPDATE contents SET bits = ? WHERE manifest = ?", (wire, content.id)
            )
        )

    def _remember(self, manifest: Manifest) -> None:
        layout = self._layout(manifest, self._held[manifest.id].path)
        self._manifests[manifest.id] = (manifest, layout)
        while len(self._manifests) > MANIFESTS_IN_MEMORY:
            self._manifests.popitem(last=False)

    def _layout(self, manifest: Manifest, path: Path | None) -> Layout:
        return Layout(manifest, path or self.content_file(manifest.id), own=path is None)


def _read_row(connection: sqlite3.Connection, manifest: ManifestId) -> tuple[bytes, str | None]:
    row = connection.execute(
        "SELECT encoded, path FROM contents WHERE manifest = ?", (manifest,)
    ).fetchone()
    if row is None or hash_manifest(row[0]) != manifest:
        raise KeyError(manifest)
    return row[0], row[1]


def _write_stats(connection: sqlite3.Connection, content: Content) -> None:
    connection.execute("DELETE FROM stats WHERE manifest = ?", (content.id,))
    connection.executemany(
        "INSERT INTO stats VALUES (?, ?, ?, ?)",
        [(content.id, number, s.size, s.mtime) for number, s in content.stats.items()],
    )
