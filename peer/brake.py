"""Which deletions are held until somebody approves: the brake on bursts of them, in SQL.

A deletion is a tombstone, or an edit that names other content. Each function runs in the
transaction of the catalogue that learns a record. This machine decides by what it has seen itself
and by its own clock, whatever the tracker says; what counts as a burst is
`protocol.delete_brake`'s to say.
"""

import sqlite3
from typing import NamedTuple

from protocol.approval import KEPT_FOR, Approval
from protocol.delete_brake import MOST, SHARE, WINDOW, is_burst
from protocol.entry import Entry, Record, read_record
from protocol.hashing import hash_tombstone
from protocol.ids import EntryId, PeerId
from protocol.signing import Signed

UNPUBLISHED = 500
"""Held deletions that the tracker does not have, in one page."""


class Burst(NamedTuple):
    """Held deletions of one signer: how many, since when, the names of a few entries."""

    signer: PeerId
    entries: int
    since: int
    examples: list[str]


def passes(
    connection: sqlite3.Connection,
    signed: Signed,
    record: Record,
    now: int,
    *,
    published: bool,
    hold: bool = False,
) -> bool:
    """Whether a deletion comes to effect, which is counted; else it is kept, to be decided about.

    A rejected one is kept too: an approval beats that, whichever comes first. `hold` keeps it in
    any case but when it is approved. `now` is milliseconds.
    """
    approved = _verdict(connection, signed, record)
    if approved:
        return True
    rejected = approved is False
    if rejected or hold or _is_burst(connection, record, now):
        _hold(connection, signed, record, now, published=published, rejected=rejected)
        return False
    connection.execute(
        "INSERT OR REPLACE INTO deletions (entry, signer, moment) VALUES (?, ?, ?)",
        (record.id, record.signer, now),
    )
    return True


def _verdict(connection: sqlite3.Connection, signed: Signed, record: Record) -> bool | None:
    row = connection.execute(
        "SELECT approved FROM verdicts WHERE tombstone = ? AND deleter = ?",
        (hash_tombstone(signed.body), record.signer),
    ).fetchone()
    return bool(row[0]) if row else None


def _is_burst(connection: sqlite3.Connection, record: Record, now: int) -> bool:
    connection.execute("DELETE FROM deletions WHERE moment <= ?", (now - WINDOW,))
    rows = connection.execute(
        "SELECT moment FROM deletions WHERE signer = ?", (record.signer,)
    ).fetchall()
    # More than these change nothing, and to count 100,000 for each deletion would.
    (there,) = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM records WHERE dead = 0 AND NOT rendition LIMIT ?)",
        (MOST * SHARE + 1,),
    ).fetchone()
    waiting = connection.execute(
        "SELECT 1 FROM held_tombstones WHERE signer = ? AND rejected = 0 LIMIT 1", (record.signer,)
    ).fetchone()
    return is_burst([row[0] for row in rows], there, now, held=waiting is not None)


def _hold(
    connection: sqlite3.Connection,
    signed: Signed,
    record: Record,
    now: int,
    *,
    published: bool,
    rejected: bool,
) -> None:
    """Keep a deletion; of several of one entry the newest that waits."""
    connection.execute(
        "INSERT INTO held_tombstones "
        "(entry, hash, signer, sequence, since, published, rejected, body, signature) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (entry) DO UPDATE SET "
        "hash = excluded.hash, signer = excluded.signer, sequence = excluded.sequence, "
        "since = excluded.since, published = excluded.published, rejected = excluded.rejected, "
        "body = excluded.body, signature = excluded.signature "
        "WHERE NOT excluded.rejected AND (rejected OR excluded.sequence > sequence)",
        (
            record.id,
            hash_tombstone(signed.body),
            record.signer,
            record.sequence,
            now,
            published,
            rejected,
            signed.body,
            signed.signature,
        ),
    )


def superseded(connection: sqlite3.Connection, record: Record) -> None:
    """A newer record of an entry came to effect: an older deletion no longer waits."""
    below = record.sequence if isinstance(record, Entry) else record.sequence + 1
    connection.execute(
        "DELETE FROM held_tombstones WHERE entry = ? AND sequence < ?", (record.id, below)
    )


def waits(connection: sqlite3.Connection, entry: EntryId) -> bool:
    """Whether a deletion of an entry waits for approval."""
    row = connection.execute(
        "SELECT 1 FROM held_tombstones WHERE entry = ? AND rejected = 0", (entry,)
    ).fetchone()
    return row is not None


def bursts(connection: sqlite3.Connection, most: int, examples: int) -> list[Burst]:
    """Whose deletions wait, those with the most, counted by the database."""
    rows = connection.execute(
        "SELECT signer, count(*), min(since) FROM held_tombstones WHERE rejected = 0 "
        "GROUP BY signer ORDER BY 2 DESC LIMIT ?",
        (most,),
    ).fetchall()
    return [
        Burst(PeerId(row[0]), row[1], row[2], _names(connection, row[0], examples)) for row in rows
    ]


def _names(connection: sqlite3.Connection, signer: bytes, most: int) -> list[str]:
    rows = connection.execute(
        "SELECT r.body FROM held_tombstones AS h JOIN records AS r ON r.entry = h.entry "
        "WHERE h.signer = ? AND h.rejected = 0 ORDER BY h.since LIMIT ?",
        (signer, most),
    )
    records = [read_record(body) for (body,) in rows]
    return [record.name for record in records if isinstance(record, Entry)]


def signers(connection: sqlite3.Connection) -> list[PeerId]:
    """Everybody whose deletions wait."""
    rows = connection.execute("SELECT DISTINCT signer FROM held_tombstones WHERE rejected = 0")
    return [PeerId(signer) for (signer,) in rows]


def hashes(connection: sqlite3.Connection, signer: PeerId) -> list[bytes]:
    """What names the deletions of one signer that wait."""
    rows = connection.execute(
        "SELECT hash FROM held_tombstones WHERE signer = ? AND rejected = 0", (signer,)
    )
    return [hash for (hash,) in rows]


def unpublished(connection: sqlite3.Connection, after: bytes) -> list[Signed]:
    """A page, by entry id, of deletions that wait and that no tracker has confirmed."""
    rows = connection.execute(
        "SELECT body, signature FROM held_tombstones WHERE published = 0 AND rejected = 0 "
        "AND entry > ? ORDER BY entry LIMIT ?",
        (after, UNPUBLISHED),
    )
    return [Signed(*row) for row in rows]


def approved(connection: sqlite3.Connection) -> list[tuple[EntryId, Signed, bool]]:
    """The held deletions that have been approved, and whether the tracker has each."""
    rows = connection.execute(
        "SELECT h.entry, h.body, h.signature, h.published FROM held_tombstones AS h "
        "JOIN verdicts AS v ON v.tombstone = h.hash AND v.deleter = h.signer "
        "WHERE v.approved ORDER BY h.entry"
    )
    return [(EntryId(entry), Signed(body, sig), bool(sent)) for entry, body, sig, sent in rows]


def mark_rejected(connection: sqlite3.Connection) -> list[EntryId]:
    """The deletions that have been rejected wait no longer; which are new to that."""
    rows = connection.execute(
        "UPDATE held_tombstones SET rejected = 1 WHERE rejected = 0 AND (hash, signer) IN "
        "(SELECT tombstone, deleter FROM verdicts WHERE approved = 0) RETURNING entry"
    )
    return [EntryId(entry) for (entry,) in rows]


def drop(connection: sqlite3.Connection, entry: EntryId, signed: Signed) -> None:
    """This deletion waits no longer."""
    connection.execute(
        "DELETE FROM held_tombstones WHERE entry = ? AND hash = ?",
        (entry, hash_tombstone(signed.body)),
    )


def keep_verdicts(connection: sqlite3.Connection, approval: Approval, now: int) -> None:
    """Remember what was decided. An approval beats a rejection, so that all settle on the same."""
    old = (now - KEPT_FOR,)
    connection.execute("DELETE FROM verdicts WHERE decided <= ?", old)
    connection.execute("DELETE FROM held_tombstones WHERE rejected AND since <= ?", old)
    connection.executemany(
        "INSERT INTO verdicts (tombstone, deleter, approved, decided) VALUES (?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET approved = max(approved, excluded.approved)",
        [(each, approval.deleter, approval.approved, now) for each in approval.tombstones],
    )
