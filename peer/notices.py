"""What the owner of the files shared here should know: which of them are not what was shared.

Kept on disk until the entry is deleted, the files are as they were, or they are added again.
"""

import sqlite3
from dataclasses import dataclass
from itertools import islice

from peer.database import Database
from peer.store.contents import Content
from protocol.bitfield import Bitfield, bitfield_untrusted
from protocol.ids import ManifestId
from protocol.manifest import Manifest
from protocol.messages.operating import NoticeView

MOST_SHOWN = 20
MOST_NAMES = 3
LONGEST = 400
"""Characters of a notice: all of them must fit a message, with much else."""


@dataclass
class _Notice:
    """Of one entry; `noticed` is milliseconds since 1970, `changed` has a bit for each file."""

    noticed: int
    path: str
    files: int
    changed: Bitfield
    names: tuple[str, ...]

    @property
    def text(self) -> str:
        whole = self._whole_text()
        return whole if len(whole) <= LONGEST else whole[: LONGEST - 1] + "…"

    def _whole_text(self) -> str:
        if self.files == 1:
            return f"{self.path} changed or went away since it was shared"
        number = self.changed.count
        names = ", ".join(self.names) + (", …" if number > len(self.names) else "")
        since = "it was" if number == 1 else "they were"
        return (
            f"{number} of {self.files} files in {self.path} "
            f"changed or went away since {since} shared: {names}"
        )


class Notices:
    """Notices by manifest."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._notices: dict[ManifestId, _Notice] = {}

    def load(self) -> None:
        """Read the notices of an earlier run."""
        for manifest, noticed, path, files, changed, names in self._database.connection.execute(
            "SELECT manifest, noticed, path, files, changed, names FROM notices"
        ):
            bits = bitfield_untrusted(changed, len(changed) * 8)
            notice = _Notice(noticed, path, files, bits, tuple(names.split("\n")))
            self._notices[ManifestId(manifest)] = notice

    def all(self) -> list[NoticeView]:
        """The newest notices, newest first."""
        newest = sorted(self._notices.values(), key=lambda notice: -notice.noticed)
        return [
            NoticeView(when=each.noticed, text=each.text, about="files")
            for each in newest[:MOST_SHOWN]
        ]

    def about(self, manifest: ManifestId) -> str:
        """What there is to know of one manifest's files; "" for nothing."""
        notice = self._notices.get(manifest)
        return notice.text if notice else ""

    async def note(
        self, content: Content, manifest: Manifest, changed: set[int], restored: set[int], now: int
    ) -> None:
        """Note which files were found changed, and which as they were; `now` in milliseconds."""
        known = self._notices.get(content.id)
        bits = known.changed if known else Bitfield(-(-len(manifest.files) // 8) * 8)
        bits.update(changed)
        for number in restored:
            bits.discard(number)
        if not bits.count:
            await self.drop(content.id)
            return
        names = [manifest.files[number].path for number in islice(bits, MOST_NAMES)]
        files = sum(not record.directory for record in manifest.files)
        notice = _Notice(now, str(content.path), files, bits, tuple(names))
        self._notices[content.id] = notice
        await self._database.run(lambda connection: _write(connection, content.id, notice))

    async def drop(self, manifest: ManifestId) -> None:
        """There is nothing to know any more."""
        if self._notices.pop(manifest, None) is not None:
            await self._database.run(
                lambda c: c.execute("DELETE FROM notices WHERE manifest = ?", (manifest,))
            )


def _write(connection: sqlite3.Connection, manifest: ManifestId, notice: _Notice) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO notices (manifest, noticed, path, files, changed, names) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (
            manifest,
            notice.noticed,
            notice.path,
            notice.files,
            notice.changed.to_bytes(),
            "\n".join(notice.names),
        ),
    )
