"""What members say to a tracker that lacks something: here is the roster, these entries I know.

The tracker asks for what it does not have, of one member at a time, and checks it as ever. A member
that the roster does not list may only hand over one that does.
"""

from collections.abc import Iterable

import structlog
import trio
from sqlalchemy import Connection, select

from protocol.errors import RemoteProtocolError
from protocol.ids import EntryId, ManifestId
from protocol.manifest import Manifest, decode_manifest_untrusted
from protocol.messages.base import Done
from protocol.messages.rebuilding import (
    GiveEntries,
    GiveManifests,
    HandRoster,
    KnownEntry,
    OfferEntries,
    Wanted,
)
from protocol.messages.tracking import EntryChanged, Present, Presented
from protocol.roster import OUTSIDE, Member
from protocol.signing import Signed
from tracker import handed_rosters, in_bulk, members, tables
from tracker.catalogue import CATCH_UP_PAGE, Stored
from tracker.errors import RequestFailedError
from tracker.rows import SOME, rows_among
from tracker.session import Session
from tracker.swarm import load_epoch, load_roster, newest_change
from tracker.tracker import Tracker, roster_document

REBUILDING_FOR = 30 * 86_400_000
"""Milliseconds for which a database that took the place of a lost one believes members more."""
_log = structlog.get_logger()
_entries = tables.entries
_Known = dict[EntryId, tuple[int, bool, bool]]
"""Of entries that are here: sequence, whether it is deleted, whether it is shown."""
_OFFERED = select(_entries.c.id, _entries.c.sequence, _entries.c.deleted, _entries.c.shown).where(
    _entries.c.id.in_(SOME)
)


async def greet(tracker: Tracker, session: Session, request: Present) -> None:
    """Tell a member that the roster does not list so; nothing is noted of it."""

    def look(connection: Connection) -> tuple[int, bytes]:
        return newest_change(connection), load_epoch(connection)

    change, epoch = await tracker.database.read(look)
    await session.send(
        Presented(
            call=request.call,
            in_sync=False,
            change=change,
            epoch=epoch,
            roster=tracker.roster.number,
            listed=False,
        )
    )


async def hand_roster(tracker: Tracker, session: Session, request: HandRoster) -> None:
    """Go by a roster that a member knows, as far as it says more than ours."""
    encoded = await session.receive_document(request.length)
    signing = tracker.keys.signing
    try:
        taken = await tracker.database.write(
            lambda connection: handed_rosters.take_roster(connection, signing, encoded),
            then=tracker.adopt,
        )
    except RemoteProtocolError as error:
        raise RequestFailedError("invalid", str(error)) from None
    if taken is None and session.role == "returning":
        # Another tracker on this database may have let it in just now.
        key = tracker.keys.public
        tracker.adopt(await tracker.database.read(lambda c: load_roster(c, key)))
    if taken is not None:
        tracker.addresses = taken.roster.trackers
        _log.warning("a roster was handed over", number=taken.number, by=session.host)
    if session.role == "returning":
        _let_in(tracker, session)
    await session.send(Done(call=request.call))


async def offer_entries(tracker: Tracker, session: Session, request: OfferEntries) -> None:
    """Ask for what is not here of what a member knows; tell it what is newer here."""
    offered = {each[0]: each for each in request.known}

    def look(connection: Connection) -> _Known:
        return {row[0]: row[1:] for row in rows_among(connection, _OFFERED, list(offered))}

    known = await tracker.database.read(look)
    records, lacking, newer = choose(offered.values(), known)
    wanted = [entry for entry in offered if entry in records or entry in lacking]
    asked, busy = tracker.asked.ask(session, wanted, trio.current_time())
    await session.send(
        Wanted(
            call=request.call,
            records=tuple(entry for entry in wanted if entry in records and entry in asked),
            manifests=tuple(entry for entry in wanted if entry in lacking and entry in asked),
            busy=busy,
        )
    )
    await _tell_newer(tracker, session, newer)


def choose(
    offered: Iterable[KnownEntry], known: _Known
) -> tuple[set[EntryId], set[EntryId], list[EntryId]]:
    """Of what entries to ask for the record, of what for the manifest; which are newer here."""
    records, lacking, newer = set[EntryId](), set[EntryId](), list[EntryId]()
    for entry, sequence, dead, has_manifest in offered:
        here = known.get(entry)
        if here is None or (sequence, dead) > here[:2]:
            records.add(entry)
            if has_manifest and not dead:
                lacking.add(entry)
        elif (sequence, dead) < here[:2]:
            newer.append(entry)
        elif has_manifest and not dead and not here[2]:
            lacking.add(entry)
    return records, lacking, newer


async def give_entries(tracker: Tracker, session: Session, request: GiveEntries) -> None:
    """Take records that were asked for."""
    member = _member(session)
    checked = [
        each
        for each in await trio.to_thread.run_sync(in_bulk.check_records, request.records)
        if tracker.asked.was_asked(session, each[1].id)
    ]

    def put(connection: Connection) -> list[tuple[Stored, Signed]]:
        members.require_active(connection, member.peer)
        rebuilt = connection.execute(select(tables.swarm.c.rebuilt)).scalar_one()
        now = tracker.wall()
        rebuilding = bool(rebuilt) and now - rebuilt < REBUILDING_FOR
        giver = in_bulk.Giver(member.peer, now, rebuilding)
        return in_bulk.put_records(connection, giver, checked)

    def tell(news: list[tuple[Stored, Signed]]) -> None:
        for stored, record in news:
            tracker.tell_entry(stored, record)

    await tracker.database.write(put, then=tell)
    await session.send(Done(call=request.call))


async def give_manifests(tracker: Tracker, session: Session, request: GiveManifests) -> None:
    """Take manifests that were asked for; those that no entry names are not kept."""
    content = await session.receive_document(request.length)
    member = _member(session)
    if sum(length for _, length in request.manifests) != len(content):
        raise RequestFailedError("invalid", "the manifests are not as long as they say")
    manifests = await trio.to_thread.run_sync(_decode, content, request.manifests)

    def put(connection: Connection) -> None:
        members.require_active(connection, member.peer)
        in_bulk.put_manifests(connection, manifests)

    await tracker.database.write(put)
    await session.send(Done(call=request.call))


def _decode(content: bytes, lengths: Iterable[tuple[ManifestId, int]]) -> list[Manifest]:
    manifests, start = [], 0
    for manifest, length in lengths:
        try:
            encoded = content[start : start + length]
            manifests.append(decode_manifest_untrusted(encoded, manifest))
        except RemoteProtocolError as error:
            _log.warning("a manifest that was given is none", why=str(error))
        start += length
    return manifests


async def _tell_newer(tracker: Tracker, session: Session, newer: list[EntryId]) -> None:
    columns = (_entries.c.body, _entries.c.signature)
    for start in range(0, len(newer), CATCH_UP_PAGE):
        some = newer[start : start + CATCH_UP_PAGE]

        def look(connection: Connection, some: list[EntryId] = some) -> tuple[int, list[Signed]]:
            rows = connection.execute(select(*columns).where(_entries.c.id.in_(some)))
            return newest_change(connection), [Signed(*row) for row in rows]

        change, records = await tracker.database.read(look)
        for record in records:
            await session.send(EntryChanged(change=change, record=record))


def _let_in(tracker: Tracker, session: Session) -> None:
    """Make a member of who is one, by the roster it brought."""
    shown = _member(session)
    listed = tracker.roster.roster.find(shown.peer)
    if listed is None or listed.state in OUTSIDE or listed.static != shown.static:
        raise RequestFailedError("refused", "the roster does not list this machine")
    session.role, session.member = "member", listed
    session.push(roster_document(tracker.roster))


def _member(session: Session) -> Member:
    if session.member is None:
        raise RequestFailedError("refused", "this is for members")
    return session.member
