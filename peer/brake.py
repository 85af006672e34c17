"""Which tombstones are held until somebody approves: the brake on bursts of deletions, in SQL.

Each function runs in the transaction of the catalogue that learns a record. This machine decides by
what it has seen itself and by its own clock, whatever the tracker says; what counts as a burst is
`protocol.delete_brake`'s to say.
"""

import sqlite3

from protocol.approval import Approval
from protocol.delete_brake import MOST, SHARE, WINDOW, is_burst
from protocol.entry import Entry, Record, Tombstone
from protocol.hashing import hash_tombstone
from protocol.ids import EntryId
from protocol.signing import Signed


def verdict(connection: sqlite3.Connection, signed: Signed, record: Record) -> bool | None:
    """Whether a tombstone has been approved or rejected; None for neither."""
    row = connection.execute(
        "SELECT approved FROM verdicts WHERE tombstone = ? AND deleter = ?",
        (hash_tombstone(signed.body), record.signer),
    ).fetchone()
    return bool(row[0]) if row else None


def passes(connection: sqlite3.Connection, record: Tombstone, now: int) -> bool:
    """Whether a deletion is none of a burst, and count it then; `now` is milliseconds."""
    connection.execute("DELETE FROM deletions WHERE moment <= ?", (now - WINDOW,))
    rows = connection.execute(
        "SELECT moment FROM deletions WHERE signer = ?", (record.signer,)
    ).fetchall()
    # More than these change nothing, and to count 100,000 for each deletion would.
    (there,) = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM records WHERE dead = 0 LIMIT ?)", (MOST * SHARE + 1,)
    ).fetchone()
    waiting = connection.execute(
        "SELECT 1 FROM held_tombstones WHERE signer = ? LIMIT 1", (record.signer,)
    ).fetchone()
    if is_burst([row[0] for row in rows], there, now, held=waiting is not None):
        return False
    connection.execute(
        "INSERT OR REPLACE INTO deletions (entry, signer, moment) VALUES (?, ?, ?)",
        (record.id, record.signer, now),
    )
    return True


def hold(
    connection: sqlite3.Connection, signed: Signed, record: Tombstone, now: int, *, published: bool
) -> None:
    """Keep a tombstone until somebody decides; of several of one entry, the newest."""
    connection.execute(
        "INSERT INTO held_tombstones (entry, signer, sequence, since, published, body, signature) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (entry) DO UPDATE SET "
        "signer = excluded.signer, sequence = excluded.sequence, since = excluded.since, "
        "published = excluded.published, body = excluded.body, signature = excluded.signature "
        "WHERE excluded.sequence > sequence",
        (
            record.id,
            record.signer,
            record.sequence,
            now,
            published,
            signed.body,
            signed.signature,
        ),
    )


def superseded(connection: sqlite3.Connection, record: Record) -> None:
    """A newer record of an entry came to effect: an older tombstone no longer waits."""
    below = record.sequence if isinstance(record, Entry) else record.sequence + 1
    connection.execute(
        "DELETE FROM held_tombstones WHERE entry = ? AND sequence < ?", (record.id, below)
    )


def held(connection: sqlite3.Connection) -> list[tuple[Signed, int, bool]]:
    """Every held tombstone, since when, and whether the tracker has it; the oldest first."""
    rows = connection.execute(
        "SELECT body, signature, since, published FROM held_tombstones ORDER BY since, entry"
    )
    return [(Signed(body, sig), since, bool(sent)) for body, sig, since, sent in rows]


def drop(connection: sqlite3.Connection, entries: list[EntryId]) -> None:
    """These tombstones wait no longer."""
    connection.executemany(
        "DELETE FROM held_tombstones WHERE entry = ?", [(entry,) for entry in entries]
    )


def keep_verdicts(connection: sqlite3.Connection, approval: Approval) -> None:
    """Remember what was decided. An approval beats a rejection, so that all settle on the same."""
    connection.executemany(
        "INSERT INTO verdicts (tombstone, deleter, approved) VALUES (?, ?, ?) "
        "ON CONFLICT DO UPDATE SET approved = max(approved, excluded.approved)",
        [(each, approval.deleter, approval.approved) for each in approval.tombstones],
    )
