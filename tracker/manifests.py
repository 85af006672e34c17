"""Manifests by id, as they are kept: `in_bulk.put_manifests` keeps them."""

from sqlalchemy import Connection, select

from protocol.ids import ManifestId
from tracker import tables
from tracker.errors import RequestFailedError
from tracker.rows import SOME, rows_among

_table = tables.manifests
_PIECES = select(_table.c.id, _table.c.pieces).where(_table.c.id.in_(SOME))


def load_manifest(connection: Connection, manifest: ManifestId) -> bytes:
    """The encoded manifest; RequestFailedError when it is not here."""
    found = select(_table.c.encoded).where(_table.c.id == manifest)
    encoded: bytes | None = connection.execute(found).scalar()
    if encoded is None:
        raise RequestFailedError("not_found", "the tracker does not have this manifest")
    return encoded


def load_pieces(connection: Connection, manifests: list[ManifestId]) -> dict[ManifestId, int]:
    """How many pieces each of these manifests has, those that are here."""
    found = rows_among(connection, _PIECES, manifests)
    return {ManifestId(manifest): pieces for manifest, pieces in found}
