"""Who holds what, exactly as the peers said it, so that the digest of both sides agrees.

Bits are checked against the manifest when it is here. What is said of a manifest that is not here
yet is kept, and counts from when it comes; bits that then do not fit count for nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, or_, select, update

from protocol.bitfield import bitfield_untrusted
from protocol.errors import RemoteProtocolError
from protocol.ids import ManifestId, PeerId
from protocol.inventory import inventory_digest
from protocol.messages.tracking import Announce, Holding
from tracker import manifests, tables
from tracker.errors import RequestFailedError
from tracker.members import require_active
from tracker.touched import note_manifests, note_peer

DOUBTED_FOR = 3_600_000
"""Milliseconds: nobody can take another's holding out of the count for longer by one report."""
_table = tables.holdings


@dataclass(frozen=True)
class Held:
    """What one peer holds of one manifest; None for all pieces."""

    peer: PeerId
    bits: bytes | None


def apply_announce(
    connection: Connection, peer: PeerId, announce: Announce
) -> frozenset[ManifestId]:
    """Note what a peer holds now, all of the message or nothing; the manifests new to it."""
    require_active(connection, peer)
    _check_bits(connection, announce.holdings)
    stored = update(tables.members).where(tables.members.c.peer == peer)
    connection.execute(stored.values(stored=announce.stored))
    before = select(_table.c.manifest).where(_table.c.peer == peer)
    newest = {holding.manifest: holding.bits for holding in announce.holdings}
    if announce.reset:
        note_peer(connection, peer)
    else:
        note_manifests(connection, newest)
        before = before.where(_table.c.manifest.in_(list(newest)))
    known = frozenset(connection.execute(before).scalars())
    if announce.reset:
        connection.execute(delete(_table).where(_table.c.peer == peer))
    else:
        connection.execute(
            delete(_table).where(_table.c.peer == peer, _table.c.manifest.in_(list(newest)))
        )
    held = [
        {"peer": peer, "manifest": manifest, "bits": bits}
        for manifest, bits in newest.items()
        if bits != b""
    ]
    if held:
        connection.execute(insert(_table), held)
    return frozenset(manifest for manifest, bits in newest.items() if bits != b"") - known


def digest(connection: Connection, peer: PeerId) -> bytes:
    """The inventory digest of what `peer` is known to hold."""
    rows = connection.execute(select(_table.c.manifest, _table.c.bits).where(_table.c.peer == peer))
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
    found = select(_table).where(_table.c.manifest.in_(list(held)))
    if now is not None:
        found = found.where(or_(_table.c.doubted.is_(None), _table.c.doubted <= now))
    rows = connection.execute(found)
    for row in rows:
        held[ManifestId(row.manifest)].append(Held(PeerId(row.peer), row.bits))
    return held


def fits(bits: bytes | None, pieces: int) -> bool:
    """Whether these bits can be of a manifest with so many pieces."""
    try:
        bitfield_untrusted(bits, pieces)
    except RemoteProtocolError:
        return False
    return True


def _check_bits(connection: Connection, announced: tuple[Holding, ...]) -> None:
    partial = [holding for holding in announced if holding.bits]
    pieces = manifests.load_pieces(connection, [holding.manifest for holding in partial])
    for holding in partial:
        known = pieces.get(holding.manifest)
        if known is not None and not fits(holding.bits, known):
            name = holding.manifest.hex()[:12]
            raise RequestFailedError("invalid", f"the bits of manifest {name} do not fit it")
