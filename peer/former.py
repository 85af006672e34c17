"""What entries named before they were deleted, or before an edit made them name other content.

By these rows, in SQL, content goes to the trash and comes back. A dead entry without one was never
known here but by its tombstone.
"""

import sqlite3
from typing import NamedTuple

from peer.store.trash_rows import RELEASED, Trashed, trashed_of
from protocol.entry import Entry, Record, Tombstone, read_record
from protocol.ids import EntryId, ManifestId, PeerId
from protocol.signing import Signed

MOST_LISTED = 200
"""Deleted entries in one page of a list."""


class Deleted(NamedTuple):
    """What a deletion by `by` left in the trash: the entry as it was then."""

    entry: Entry
    by: PeerId
    moment: int
    trashed: Trashed


def keep(
    connection: sqlite3.Connection, old: Record, signed: Signed, deletion: Record, now: int
) -> None:
    """Keep an entry from which `deletion` takes its content away."""
    moment = deletion.deleted if isinstance(deletion, Tombstone) else now
    connection.execute(
        "INSERT OR REPLACE INTO former (entry, manifest, sequence, signer, moment, body, signature)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            old.id,
            old.manifest,
            old.sequence,
            deletion.signer,
            moment,
            signed.body,
            signed.signature,
        ),
    )


def names_again(connection: sqlite3.Connection, record: Record) -> None:
    """An entry has come to effect, and names what it may have named before."""
    if isinstance(record, Entry):
        connection.execute(
            "DELETE FROM former WHERE entry = ? AND manifest = ?", (record.id, record.manifest)
        )


def was_known(connection: sqlite3.Connection, entry: EntryId) -> bool:
    """Whether an entry that is deleted was known here before."""
    row = connection.execute("SELECT 1 FROM former WHERE entry = ? LIMIT 1", (entry,)).fetchone()
    return row is not None


def was_named(connection: sqlite3.Connection, manifest: ManifestId) -> bool:
    """Whether an entry named a manifest and no longer does."""
    row = connection.execute(
        "SELECT 1 FROM former WHERE manifest = ? LIMIT 1", (manifest,)
    ).fetchone()
    return row is not None


def newest(
    connection: sqlite3.Connection, entry: EntryId
) -> tuple[Signed | None, list[ManifestId]]:
    """An entry as it was last, if it was known, and all that it named before."""
    rows = connection.execute(
        "SELECT manifest, body, signature FROM former WHERE entry = ? ORDER BY sequence DESC",
        (entry,),
    ).fetchall()
    return Signed(*rows[0][1:]) if rows else None, [ManifestId(row[0]) for row in rows]


def page(connection: sqlite3.Connection, start: int) -> tuple[list[Deleted], int]:
    """Deleted entries whose content is in the trash, from number `start`; and how many in all.

    Renditions go and come back with their pictures.
    """
    joined = (
        "contents AS c JOIN former AS f ON f.manifest = c.manifest WHERE c.trashed > ? AND "
        "NOT EXISTS (SELECT 1 FROM records AS r WHERE r.entry = f.entry AND r.rendition)"
    )
    (total,) = connection.execute(f"SELECT count(*) FROM {joined}", (RELEASED,)).fetchone()
    rows = connection.execute(
        "SELECT f.body, f.signer, f.moment, c.manifest, c.trashed, c.path, c.size, c.bits, c.pieces"
        f" FROM {joined} ORDER BY c.trashed DESC, f.entry LIMIT ? OFFSET ?",
        (RELEASED, MOST_LISTED, start),
    )
    found = []
    for body, signer, moment, *columns in rows:
        entry = read_record(body)
        if isinstance(entry, Entry):
            found.append(Deleted(entry, PeerId(signer), moment, trashed_of(*columns)))
    return found, total


def prune(connection: sqlite3.Connection, before: int) -> None:
    """Forget what edits took away before a moment, milliseconds, and what is here no more.

    Of entries that are deleted it has to be known that they were here.
    """
    connection.execute(
        "DELETE FROM former WHERE moment < ? "
        "AND EXISTS (SELECT 1 FROM records WHERE entry = former.entry AND dead = 0) "
        "AND NOT EXISTS (SELECT 1 FROM contents WHERE manifest = former.manifest)",
        (before,),
    )
