"""Manifests by id: stored once, whole, after checking that they are what their id says.

Refuses manifests that no live entry names, nor an edit that is held, so that nobody fills the
tracker's disk with what nobody can find.
"""

import structlog
from sqlalchemy import Connection, insert, select

from protocol.ids import ManifestId
from protocol.manifest import Manifest
from tracker import brake, catalogue, tables
from tracker.errors import RequestFailedError

_log = structlog.get_logger()
_table = tables.manifests


def store_manifest(connection: Connection, manifest: Manifest) -> None:
    """Keep a checked manifest, and show the entries that name it."""
    if load_pieces(connection, [manifest.id]):
        return
    naming = catalogue.naming(connection, manifest.id)
    if not naming and not brake.names(connection, manifest.id):
        raise RequestFailedError("refused", "no entry names this manifest: publish the entry first")
    for entry in naming:
        if (entry.size, entry.pieces) != (manifest.size, manifest.pieces):
            _log.warning("an entry disagrees with its manifest", entry=entry.id.hex())
    row = {"id": manifest.id, "pieces": manifest.pieces, "encoded": manifest.encoded}
    connection.execute(insert(_table).values(**row))
    catalogue.manifest_arrived(connection, manifest.id)


def load_manifest(connection: Connection, manifest: ManifestId) -> bytes:
    """The encoded manifest; RequestFailedError when it is not here."""
    found = select(_table.c.encoded).where(_table.c.id == manifest)
    encoded: bytes | None = connection.execute(found).scalar()
    if encoded is None:
        raise RequestFailedError("not_found", "the tracker does not have this manifest")
    return encoded


def load_pieces(connection: Connection, manifests: list[ManifestId]) -> dict[ManifestId, int]:
    """How many pieces each of these manifests has, those that are here."""
    found = select(_table.c.id, _table.c.pieces).where(_table.c.id.in_(manifests))
    return {ManifestId(row.id): row.pieces for row in connection.execute(found)}
