"""The rows of contents that are in the trash: kept, marked with the moment, until it is emptied."""

import sqlite3
from pathlib import Path
from typing import NamedTuple

from protocol.bitfield import bitfield_untrusted
from protocol.ids import ManifestId

RELEASED = 1
"""When what was let go was put in the trash: so long ago that it goes with the next emptying."""


class Trashed(NamedTuple):
    """A content in the trash since `moment` (milliseconds), and how many bytes of it count.

    `path` is where the user keeps it, None for our own content file.
    """

    manifest: ManifestId
    moment: int
    path: Path | None
    bytes: int


def trashed_of(
    manifest: bytes, moment: int, path: str | None, size: int, bits: bytes | None, pieces: int
) -> Trashed:
    """What a row of a content in the trash says."""
    held = size * bitfield_untrusted(bits, pieces).count // max(1, pieces)
    return Trashed(ManifestId(manifest), moment, Path(path) if path is not None else None, held)


def list_trashed(connection: sqlite3.Connection) -> list[Trashed]:
    """Everything in the trash that was not let go for good, the newest first."""
    rows = connection.execute(
        "SELECT manifest, trashed, path, size, bits, pieces FROM contents "
        "WHERE trashed > ? ORDER BY trashed DESC",
        (RELEASED,),
    )
    return [trashed_of(*row) for row in rows]


def take_out(
    connection: sqlite3.Connection, manifest: ManifestId
) -> tuple[int, int, str | None, bytes | None] | None:
    """Mark what is in the trash as in use: its pieces, size, path and bits; None if it is not."""
    row: tuple[int, int, str | None, bytes | None] | None = connection.execute(
        "UPDATE contents SET trashed = NULL, passing = 0 "
        "WHERE manifest = ? AND trashed > ? RETURNING pieces, size, path, bits",
        (manifest, RELEASED),
    ).fetchone()
    return row


def forget_trashed(connection: sqlite3.Connection, manifest: ManifestId) -> None:
    """Forget a content that is in the trash."""
    connection.execute(
        "DELETE FROM contents WHERE manifest = ? AND trashed IS NOT NULL", (manifest,)
    )
