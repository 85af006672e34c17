"""The records of the catalogue, in SQL: which one stays, and what that changes.

Each function runs in one transaction of `peer.catalogue`.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from peer import brake, former
from protocol.entry import (
    Record,
    Tombstone,
    is_rendition,
    read_record,
    supersedes,
    takes_away,
)
from protocol.errors import RemoteProtocolError
from protocol.ids import EntryId, ManifestId
from protocol.signing import Signed


class Outcome(NamedTuple):
    """Of learning a record: the copies wanted of manifests it changed that for, if anything.

    `waits` is whether a deletion of the entry is held now.
    """

    waits: bool
    copies: Mapping[ManifestId, int] = {}
    undone: bool = False


def learn(
    connection: sqlite3.Connection,
    record: Record,
    signed: Signed,
    now: int,
    *,
    published: bool,
    hold: bool,
) -> Outcome:
    """Keep a record whose signature has been checked, if it is new and the brake lets it pass."""
    known = read(connection, record.id)
    previous = read_record(known.body) if known else None
    named = {record.manifest, previous.manifest if previous else record.manifest}
    undone = isinstance(record, Tombstone) or isinstance(previous, Tombstone)
    if known is not None and previous is not None:
        if not supersedes(record, previous):
            if not _comes_late(connection, record, signed, known, now):
                return Outcome(brake.waits(connection, record.id))
            undone = False
        elif takes_away(record, previous):
            # A rendition can be made anew.
            if not is_rendition(previous) and not brake.passes(
                connection, signed, record, now, published=published, hold=hold
            ):
                return Outcome(brake.waits(connection, record.id))
            former.keep(connection, previous, known, record, now)
            undone = True
    _write(connection, record, signed, published=published)
    former.names_again(connection, record)
    brake.superseded(connection, record)
    wanted = {each: copies(connection, each) for each in named}
    return Outcome(brake.waits(connection, record.id), wanted, undone)


def _comes_late(
    connection: sqlite3.Connection, record: Record, signed: Signed, known: Signed, now: int
) -> bool:
    """Whether an entry stays that is learnt after its tombstone, as that is held then.

    It deletes something only now, and so it counts now.
    """
    tombstone = read_record(known.body)
    if not takes_away(tombstone, record) or former.was_known(connection, record.id):
        return False
    if not is_rendition(record) and not brake.passes(
        connection, known, tombstone, now, published=True
    ):
        return True
    former.keep(connection, record, signed, tombstone, now)
    return False


def kept_of(connection: sqlite3.Connection, some: Iterable[Signed]) -> set[Signed]:
    """Those of some signed records, checked or not, that are kept as they are."""
    kept = set()
    for signed in some:
        try:
            known = read(connection, read_record(signed.body).id)
        except RemoteProtocolError:
            continue
        if known == signed:
            kept.add(signed)
    return kept


def copies(connection: sqlite3.Connection, manifest: ManifestId) -> int:
    """The most copies any live entry wants of a manifest."""
    (copies,) = connection.execute(
        "SELECT max(copies) FROM records WHERE manifest = ? AND dead = 0", (manifest,)
    ).fetchone()
    return copies or 0


def naming(connection: sqlite3.Connection, manifest: ManifestId) -> list[Signed]:
    """Live entries that name a manifest."""
    rows = connection.execute(
        "SELECT body, signature FROM records WHERE manifest = ? AND dead = 0 LIMIT 16", (manifest,)
    )
    return [Signed(*row) for row in rows]


def read(connection: sqlite3.Connection, entry: EntryId) -> Signed | None:
    """The newest record of an entry."""
    row = connection.execute(
        "SELECT body, signature FROM records WHERE entry = ?", (entry,)
    ).fetchone()
    return Signed(*row) if row else None


def confirm(connection: sqlite3.Connection, entry: EntryId, sequence: int, now: int) -> None:
    """The tracker has confirmed or listed a record that is the newest here."""
    connection.execute(
        "UPDATE records SET told = ? WHERE entry = ? AND sequence = ?", (now, entry, sequence)
    )


def _write(
    connection: sqlite3.Connection,
    record: Record,
    signed: Signed,
    *,
    published: bool,
) -> None:
    dead = isinstance(record, Tombstone)
    copies = 0 if isinstance(record, Tombstone) else record.copies
    was = connection.execute(
        "SELECT 1 FROM records WHERE entry = ? AND rendition", (record.id,)
    ).fetchone()
    connection.execute(
        "INSERT OR REPLACE INTO records (entry, manifest, sequence, dead, copies, published, "
        "body, signature, rendition) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            record.id,
            record.manifest,
            record.sequence,
            dead,
            copies,
            published,
            signed.body,
            signed.signature,
            is_rendition(record) or (dead and was is not None),
        ),
    )
