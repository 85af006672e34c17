"""What a member asks to change: holdings, the catalogue, and its own place in the swarm."""

import functools
from collections.abc import Awaitable, Callable

import trio
from sqlalchemy import Connection

from protocol.entry import Entry, Record, open_record_untrusted
from protocol.errors import RemoteProtocolError
from protocol.manifest import Manifest, decode_manifest_untrusted
from protocol.messages.base import Done
from protocol.messages.deleting import (
    Bursts,
    GetBursts,
    GetHeld,
    Held,
    PublishApproval,
)
from protocol.messages.tracking import (
    Announce,
    ChangeCapacity,
    ChangeState,
    Publish,
    Published,
    PutManifest,
    Report,
)
from tracker import approvals, audit, catalogue, holdings, members
from tracker.catalogue import Change, Stored
from tracker.catching_up import member_of, tell_changes
from tracker.errors import RequestFailedError
from tracker.publishing import KEEP, PUBLISH, Keeping, Publishing
from tracker.reports import MOST_REPORTS
from tracker.session import Session
from tracker.swarm import StoredRoster
from tracker.tracker import Tracker

_SMALL = 64 << 10
"""Bytes of a manifest that is looked at in less time than a thread takes to begin."""
Rest = Callable[[], Awaitable[None]]
"""What is left of a request when the next one may be read: to wait for the disk, and answer."""


async def change_capacity(tracker: Tracker, session: Session, request: ChangeCapacity) -> None:
    """A member offers another amount of room."""
    peer, signing = member_of(session).peer, tracker.keys.signing
    await tracker.database.write(
        lambda connection: members.set_capacity(connection, signing, peer, request.capacity),
        then=tracker.adopt,
    )
    await session.send(Done(call=request.call))


async def change_state(tracker: Tracker, session: Session, request: ChangeState) -> None:
    """A member drains, leaves, has left, or is as it was."""
    member, signing = member_of(session), tracker.keys.signing

    def change(connection: Connection) -> StoredRoster | None:
        roster = members.set_state(connection, signing, member.peer, request.state, request.roster)
        if roster is not None:
            what, now = f"member {member.name}", tracker.wall()
            audit.note(connection, session.actor, "state", what, now, request.state)
        return roster

    await tracker.database.write(change, then=tracker.adopt)
    session.log.info("changed its state", state=request.state)
    await session.send(Done(call=request.call))


async def announce(tracker: Tracker, session: Session, request: Announce) -> Rest:
    """Note what the peer holds; tell it of records that it missed about what is new to it."""
    member = member_of(session)
    seen = session.seen
    if seen is None:
        raise RequestFailedError("invalid", "say Present before Announce")

    def apply(connection: Connection) -> list[Change]:
        fresh = holdings.apply_announce(connection, member.peer, request)
        return catalogue.changes_about(connection, fresh, seen)

    pending = tracker.database.submit(apply)

    async def answer() -> None:
        changes = await tracker.database.outcome(pending)
        await session.send(Done(call=request.call))
        await tell_changes(session, changes)

    return answer


async def report(tracker: Tracker, session: Session, request: Report) -> None:
    """A peer failed an audit: what it holds does not count for a while."""
    member = member_of(session)
    if not tracker.reports.allow(member.peer, trio.current_time()):
        raise RequestFailedError("refused", f"more than {MOST_REPORTS} reports within an hour")

    def doubt(connection: Connection) -> bool:
        members.require_active(connection, member.peer)
        return holdings.doubt(connection, request.peer, request.manifest, tracker.wall())

    counted = await tracker.database.write(doubt)
    session.log.warning(
        "failed audit reported",
        by=member.name,
        of=request.peer.hex()[:12],
        manifest=request.manifest.hex()[:12],
        why=request.why,
        counted=counted,
    )
    await session.send(Done(call=request.call))


async def publish(tracker: Tracker, session: Session, request: Publish) -> Rest:
    """Put a record into the catalogue, and tell who holds its content."""
    member = member_of(session)
    try:
        record = open_record_untrusted(request.record)
        manifest = _brought(request.manifest, record) if request.manifest else None
    except RemoteProtocolError as error:
        raise RequestFailedError("invalid", str(error)) from None
    published = Publishing(
        request.record, record, member.peer, session.actor, tracker.wall(), manifest
    )
    pending = tracker.database.submit_together(
        PUBLISH, published, then=lambda stored: tracker.tell_entry(stored, request.record)
    )

    async def answer() -> None:
        stored: Stored = await tracker.database.outcome(pending)
        if stored.rejected:
            raise RequestFailedError("refused", "this deletion has been rejected")
        await session.send(
            Published(call=request.call, needs_manifest=stored.needs_manifest, held=stored.held)
        )

    return answer


def _brought(encoded: bytes, record: Record) -> Manifest:
    """The manifest that came with an entry. RemoteProtocolError unless it is what that names."""
    manifest = decode_manifest_untrusted(encoded, record.manifest)
    if not isinstance(record, Entry):
        raise RemoteProtocolError("a manifest comes with an entry only")
    if (record.size, record.pieces) != (manifest.size, manifest.pieces):
        raise RemoteProtocolError("the entry disagrees with its manifest")
    return manifest


async def publish_approval(tracker: Tracker, session: Session, request: PublishApproval) -> None:
    """Go by what somebody decided about held deletions, and tell everybody."""
    member = member_of(session)

    def store(connection: Connection) -> approvals.Decision | None:
        members.require_active(connection, member.peer)
        roster = tracker.roster.roster
        now = tracker.wall()
        decision = approvals.decide(connection, request.approval, roster, now)
        if decision is not None and decision.released:
            audit.note(
                connection,
                session.actor,
                "decided",
                "held deletions",
                now,
                f"approved {len(decision.released)}",
            )
        return decision

    await tracker.database.write(
        store, then=lambda decision: tracker.tell_decisions([decision] if decision else [])
    )
    await session.send(Done(call=request.call))


async def get_held(tracker: Tracker, session: Session, request: GetHeld) -> None:
    """Answer a page of the tombstones that wait for approval."""
    records = await tracker.database.read(
        lambda connection: approvals.held_page(connection, request.after)
    )
    await session.send(Held(call=request.call, records=records))


async def get_bursts(tracker: Tracker, session: Session, request: GetBursts) -> None:
    """Answer whose deletions wait for approval."""
    bursts = await tracker.database.read(approvals.bursts)
    await session.send(Bursts(call=request.call, bursts=bursts))


async def put_manifest(tracker: Tracker, session: Session, request: PutManifest) -> Rest | None:
    """Keep a manifest that an entry names."""
    encoded = await session.receive_document(request.length)
    member = member_of(session)
    decode = functools.partial(decode_manifest_untrusted, encoded, request.manifest)
    small = len(encoded) <= _SMALL
    try:
        manifest = decode() if small else await trio.to_thread.run_sync(decode)
    except RemoteProtocolError as error:
        raise RequestFailedError("invalid", str(error)) from None
    pending = tracker.database.submit_together(KEEP, Keeping(manifest, member.peer))

    async def answer() -> None:
        await tracker.database.outcome(pending)
        await session.send(Done(call=request.call))

    if small:
        return answer
    # Of large ones there is one in memory for each connection.
    await answer()
    return None
