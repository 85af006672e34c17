"""Telling a peer the changes it has missed to what it holds, until they can be pushed to it."""

from collections.abc import Sequence

from sqlalchemy import Connection

from protocol.messages.tracking import EntryChanged
from protocol.roster import Member
from tracker import catalogue
from tracker.catalogue import Change
from tracker.errors import RequestFailedError
from tracker.session import Session
from tracker.tracker import Tracker


async def keep_up(tracker: Tracker, session: Session) -> None:
    """Tell a peer, page by page and as fast as it reads, what was too much to push at once."""
    while True:
        seen = await session.fallen_behind()
        await catch_up(tracker, session, member_of(session), seen)


async def catch_up(tracker: Tracker, session: Session, member: Member, seen: int) -> None:
    """Tell a peer all changes to what it holds, until there are none; then they are pushed.

    The last look is a write, so that no change can come between it and the first push.
    """
    async with session.catching_up:
        session.caught_up = False
        await _catch_up_from(tracker, session, member, seen)


async def tell_changes(session: Session, changes: Sequence[Change]) -> None:
    """Send these changes."""
    for change in changes:
        await session.send(EntryChanged(change=change.number, record=change.record))


def member_of(session: Session) -> Member:
    """Whose connection it is; RequestFailedError if it is no member's."""
    if session.member is None:
        raise RequestFailedError("refused", "this is for members")
    return session.member


async def _catch_up_from(tracker: Tracker, session: Session, member: Member, seen: int) -> None:
    def page(connection: Connection) -> list[Change]:
        session.missed = False
        return catalogue.changes_for(connection, member.peer, seen)

    def settle(changes: list[Change]) -> None:
        # What another tracker wrote meanwhile may have come to be pushed before this.
        session.caught_up = not changes and not session.missed

    while not session.caught_up:
        changes = await tracker.database.read(page) or await tracker.database.write(page, settle)
        await tell_changes(session, changes)
        if changes:
            seen = changes[-1].number
