"""What members publish, many at once: records and manifests that came while others were written.

The rules are those of `catalogue` and `manifests`, for each by itself. New entries, nearly all that
is published, are written with a few statements for all; what replaces or deletes something goes the
usual way.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from protocol.entry import Entry, Record, Tombstone
from protocol.ids import EntryId, ManifestId, PeerId
from protocol.manifest import Manifest
from protocol.signing import Signed
from tracker import audit, catalogue, in_bulk, members, tables
from tracker.audit import Actor
from tracker.catalogue import Stored
from tracker.errors import RequestFailedError
from tracker.group_commit import Together
from tracker.news import note_change
from tracker.rows import SOME, rows_among

_members = tables.members
_holdings = tables.holdings
_INSIDE = select(_members.c.peer).where(_members.c.peer.in_(SOME), tables.inside)
_HELD = select(_holdings.c.manifest, _holdings.c.peer).where(_holdings.c.manifest.in_(SOME))


@dataclass(frozen=True)
class Publishing:
    """A record whose signature was checked, who brings it, and when (milliseconds since 1970).

    With it may come the manifest that it names, checked too.
    """

    signed: Signed
    record: Record
    by: PeerId
    actor: Actor
    now: int
    manifest: Manifest | None = None


@dataclass(frozen=True)
class Keeping:
    """A manifest that is what its id says, and who brings it."""

    manifest: Manifest
    by: PeerId


def _publish_all(
    connection: Connection, asked: Sequence[Publishing]
) -> list[Stored | RequestFailedError]:
    fresh = _fresh(connection, asked)
    brought = (each.manifest for each in fresh.values() if each.manifest is not None)
    in_bulk.put_manifests(connection, brought, named_soon=True)
    written = in_bulk.put_fresh(
        connection, [(each.signed, each.record) for each in fresh.values()], asked[0].now
    )
    held = _holders(connection, [each.record.manifest for each in fresh.values()])
    done: dict[int, Stored] = {}
    for at, each in zip(fresh, written, strict=True):
        note_change(connection, each.record.id, each.change)
        holders = tuple(held.get(asked[at].record.manifest, ()))
        done[at] = Stored(not each.shown, each.change, holders)
    return [done[at] if at in done else _publish(connection, asked[at]) for at in range(len(asked))]


def _keep_all(connection: Connection, asked: Sequence[Keeping]) -> list[RequestFailedError | None]:
    answers: list[RequestFailedError | None] = [None] * len(asked)
    active = _active(connection, {each.by for each in asked})
    for at, each in enumerate(asked):
        if each.by not in active:
            answers[at] = _why_not(connection, each.by)
    kept = [each.manifest for each, failed in zip(asked, answers, strict=True) if failed is None]
    unnamed = in_bulk.put_manifests(connection, kept)
    for at, each in enumerate(asked):
        if answers[at] is None and each.manifest.id in unnamed:
            answers[at] = RequestFailedError(
                "refused", "no entry names this manifest: publish the entry first"
            )
    return answers


PUBLISH: Together[Publishing, Stored] = Together(_publish_all)
KEEP: Together[Keeping, None] = Together(_keep_all, late=True)
"""The same of manifests, which entries name that are here or published at the same time."""


def _fresh(connection: Connection, asked: Sequence[Publishing]) -> dict[int, Publishing]:
    """Those that are new entries by members who bring them as they may, by their places."""
    active = _active(
        connection, {each.by for each in asked} | {each.record.signer for each in asked}
    )
    known = in_bulk.known(connection, {each.record.id for each in asked})
    found: dict[int, Publishing] = {}
    seen: set[EntryId] = set()
    for at, each in enumerate(asked):
        record = each.record
        may = each.by in active and record.signer in active
        if type(record) is Entry and may and record.id not in known and record.id not in seen:
            found[at] = each
        seen.add(record.id)
    return found


def _publish(connection: Connection, each: Publishing) -> Stored | RequestFailedError:
    record, now = each.record, each.now
    savepoint = connection.begin_nested()
    try:
        members.require_active(connection, each.by)
        deleted = isinstance(record, Tombstone)
        name = audit.entry_name(connection, record.id) if deleted else ""
        stored = catalogue.store_record(connection, each.signed, record, now)
        if deleted and stored.change is not None:
            audit.note(connection, each.actor, "deleted", name, now)
        if each.manifest is not None and not in_bulk.put_manifests(connection, [each.manifest]):
            stored = replace(stored, needs_manifest=False)
    except RequestFailedError as error:
        savepoint.rollback()
        return error
    savepoint.commit()
    return stored


def _why_not(connection: Connection, peer: PeerId) -> RequestFailedError | None:
    try:
        members.require_active(connection, peer)
    except RequestFailedError as error:
        return error
    return None


def _active(connection: Connection, peers: Iterable[bytes]) -> set[bytes]:
    return {peer for (peer,) in rows_among(connection, _INSIDE, list(peers))}


def _holders(connection: Connection, manifests: list[ManifestId]) -> dict[ManifestId, list[PeerId]]:
    held: dict[ManifestId, list[PeerId]] = defaultdict(list)
    for manifest, peer in rows_among(connection, _HELD, manifests):
        held[manifest].append(peer)
    return held
