"""How far the scrub has come, remembered over restarts; written now and then, not for a piece."""

import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from peer.database import Database
from peer.store.contents import Content
from peer.store.scrub_pace import Round
from protocol.ids import ManifestId

_FACT = "scrub"


class _Kept(msgspec.Struct):
    began: int
    due: int
    completed: int
    manifest: bytes
    piece: int


class ScrubProgress:
    """When each content was last read through, and where the round is."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.round = Round()
        self.at: tuple[ManifestId, int] | None = None
        """The content that is being read, and the first piece of it that has not been."""
        self._read: dict[ManifestId, int] = {}
        self._unsaved: dict[ManifestId, int] = {}

    def load(self) -> None:
        """Read what an earlier run left."""
        connection = self._database.connection
        rows = connection.execute("SELECT manifest, read FROM scrubbed").fetchall()
        self._read = {ManifestId(manifest): read for manifest, read in rows}
        row = connection.execute("SELECT value FROM facts WHERE name = ?", (_FACT,)).fetchone()
        if row is not None:
            kept = msgspec.msgpack.decode(row[0], type=_Kept)
            self.round = Round(kept.began, kept.due, kept.completed)
            self.at = (ManifestId(kept.manifest), kept.piece) if kept.manifest else None

    def read_through(self, manifest: ManifestId, now: int) -> None:
        """All of a content has been read."""
        self._read[manifest] = self._unsaved[manifest] = now
        self.at = None

    def left(self, contents: Sequence[Content], now: int) -> list[Content]:
        """What the round has still to read: the one begun first, then what waits longest."""
        # What a clock that was set back since has said means nothing.
        last = {c.id: read if (read := self._read.get(c.id, 0)) <= now else 0 for c in contents}
        left = [c for c in contents if last[c.id] < self.round.began]
        current = self.at[0] if self.at else b""
        left.sort(key=lambda c: (c.id != current, last[c.id], c.id))
        return left

    async def save(self) -> None:
        """Write down what has changed. PeerError."""
        unsaved, self._unsaved = self._unsaved, {}
        manifest, piece = self.at or (b"", 0)
        kept = _Kept(self.round.began, self.round.due, self.round.completed, manifest, piece)
        value = msgspec.msgpack.encode(kept)

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (_FACT, value))
            rows = unsaved.items()
            connection.executemany("INSERT OR REPLACE INTO scrubbed VALUES (?, ?)", rows)

        await self._database.run(write)

    async def forget_others(self, contents: Iterable[Content]) -> None:
        """Keep nothing of what is not held any more. PeerError."""
        held = {content.id for content in contents}
        gone = [manifest for manifest in self._read if manifest not in held]
        for manifest in gone:
            del self._read[manifest]
        if gone:
            rows = [(manifest,) for manifest in gone]
            await self._database.run(
                lambda c: c.executemany("DELETE FROM scrubbed WHERE manifest = ?", rows)
            )
