"""Who holds what, exactly as the peers said it, so that the digest of both sides agrees.

Bits are checked against the manifest when it is here. What is said of a manifest that is not here
yet is kept, and counts from when it comes; bits that then do not fit count for nothing.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, delete, null, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from protocol.bitfield import bitfield_untrusted
from protocol.errors import RemoteProtocolError
from protocol.ids import ManifestId, PeerId
from protocol.inventory import inventory_digest
from protocol.messages.tracking import Announce
from tracker import tables
from tracker.errors import RequestFailedError
from tracker.members import require_active
from tracker.rows import SOME, change_rows, rows_among
from tracker.touched import note_manifests, note_peer

DOUBTED_FOR = 3_600_000
"""Milliseconds: nobody can take another's holding out of the count for longer by one report."""
_table = tables.holdings
_manifests = tables.manifests
_OF_KNOWN = (
    select(_manifests.c.id, _manifests.c.pieces, _table.c.peer)
    .join(
        _table,
        (_table.c.manifest == _manifests.c.id) & (_table.c.peer == bindparam("peer")),
        isouter=True,
    )
    .where(_manifests.c.id.in_(SOME))
)
"""Of manifests that are here their pieces, and whether one peer holds any."""
_OF_UNKNOWN = select(_table.c.manifest).where(
    _table.c.peer == bindparam("peer"), _table.c.manifest.in_(SOME)
)
_HOLDERS = select(_table.c.manifest, _table.c.peer, _table.c.bits).where(
    _table.c.manifest.in_(SOME)
)
_UNDOUBTED = _HOLDERS.where(or_(_table.c.doubted.is_(None), _table.c.doubted <= bindparam("now")))


class Held(NamedTuple):
    """What one peer holds of one manifest; None for all pieces."""

    peer: PeerId
    bits: bytes | None


def apply_announce(
    connection: Connection, peer: PeerId, announce: Announce
) -> frozenset[ManifestId]:
    """Note what a peer holds now, all of the message or nothing; the manifests new to it."""
    require_active(connection, peer)
    newest = {holding.manifest: holding.bits for holding in announce.holdings}
    known = _look(connection, peer, newest)
    stored = update(tables.members).where(tables.members.c.peer == peer)
    connection.execute(stored.values(stored=announce.stored))
    if announce.reset:
        note_peer(connection, peer)
        before = connection.execute(select(_table.c.manifest).where(_table.c.peer == peer))
        known |= set(before.scalars())
        connection.execute(delete(_table).where(_table.c.peer == peer))
    else:
        note_manifests(connection, newest)
    held = [
        {"peer": peer, "manifest": manifest, "bits": bits}
        for manifest, bits in newest.items()
        if bits != b""
    ]
    dropped = [manifest for manifest, bits in newest.items() if bits == b""]
    if dropped:
        gone = _table.c.manifest.in_(dropped)
        connection.execute(delete(_table).where(_table.c.peer == peer, gone))
    change_rows(connection, _put(connection.dialect.name), held)
    return frozenset(newest.keys() - set(dropped) - known)


def digest(connection: Connection, peer: PeerId) -> bytes:
    """The inventory digest of what `peer` is known to hold."""
    rows = connection.execute(select(_table.c.manifest, _table.c.bits).where(_table.c.peer == peer))
    return inventory_digest((ManifestId(row.manifest), row.bits) for row in rows)


def digest_of_few(connection: Connection, peer: PeerId, most: int) -> bytes | None:
    """The same, or None if that is of more than so many manifests."""
    found = select(_table.c.manifest, _table.c.bits).where(_table.c.peer == peer)
    rows = connection.execute(found.limit(most + 1)).all()
    if len(rows) > most:
        return None
    return inventory_digest((ManifestId(row.manifest), row.bits) for row in rows)


def doubt(connection: Connection, peer: PeerId, manifest: ManifestId, now: int) -> bool:
    """Do not count a holding for an hour, or until it is announced anew; whether there is one."""
    note_manifests(connection, [manifest])
    found = update(_table).where(_table.c.peer == peer, _table.c.manifest == manifest)
    return connection.execute(found.values(doubted=now + DOUBTED_FOR)).rowcount > 0


def load_holders(
    connection: Connection, wanted: Iterable[ManifestId], now: int | None = None
) -> dict[ManifestId, list[Held]]:
    """Who holds each of these manifests; without those doubted at `now`, milliseconds of 1970."""
    held: dict[ManifestId, list[Held]] = {manifest: [] for manifest in wanted}
    if now is None:
        rows = rows_among(connection, _HOLDERS, list(held))
    else:
        rows = rows_among(connection, _UNDOUBTED, list(held), now=now)
    for manifest, peer, bits in rows:
        held[ManifestId(manifest)].append(Held(PeerId(peer), bits))
    return held


def fits(bits: bytes | None, pieces: int) -> bool:
    """Whether these bits can be of a manifest with so many pieces."""
    try:
        bitfield_untrusted(bits, pieces)
    except RemoteProtocolError:
        return False
    return True


def _look(
    connection: Connection, peer: PeerId, newest: Mapping[ManifestId, bytes | None]
) -> set[ManifestId]:
    """What of this the peer held before; RequestFailedError for bits that do not fit."""
    known: set[ManifestId] = set()
    unknown = set(newest)
    found = rows_among(connection, _OF_KNOWN, list(newest), peer=peer)
    for manifest, pieces, holds in found:
        unknown.discard(manifest)
        if holds is not None:
            known.add(manifest)
        bits = newest[manifest]
        if bits and not fits(bits, pieces):
            name = manifest.hex()[:12]
            raise RequestFailedError("invalid", f"the bits of manifest {name} do not fit it")
    more = rows_among(connection, _OF_UNKNOWN, list(unknown), peer=peer)
    return known | {manifest for (manifest,) in more}


@lru_cache
def _put(dialect: str) -> Any:
    """Put what is held in the place of what was."""
    put = (sqlite if dialect == "sqlite" else postgresql).insert(_table)
    return put.on_conflict_do_update(
        index_elements=["peer", "manifest"], set_={"bits": put.excluded.bits, "doubted": null()}
    )
