"""What the filters of a search ask of an entry; refuses those that make no sense.

Takes the members as the database has them, so that also what a revoked one added can be found.
"""

from collections.abc import Iterator, Sequence

from pyroaring import FrozenBitMap
from sqlalchemy import select

from protocol.ids import PeerId
from protocol.kinds import ContentKind, is_wanted
from protocol.messages.finding import Filters, problem_of
from protocol.naming import keys_called
from tracker import tables
from tracker.errors import RequestFailedError
from tracker.possession import States
from tracker.shelf import Shelf
from tracker.snapshot import Snapshot

_FILES: tuple[ContentKind, ...] = ("image", "video", "audio", "document", "archive", "other")


def problem_with(filters: Filters) -> None:
    """RequestFailedError for filters that no entry can meet."""
    problem = problem_of(filters)
    if problem:
        raise RequestFailedError("invalid", problem)


def meeting(
    snapshot: Snapshot, shelf: Shelf, filters: Filters, states: States, now: int
) -> FrozenBitMap:
    """The entries that meet all filters that are given; RequestFailedError for unknown machines."""
    found = shelf.shown
    for each in _each(snapshot, shelf, filters, states, now):
        found &= each
    return found


def _each(
    snapshot: Snapshot, shelf: Shelf, filters: Filters, states: States, now: int
) -> Iterator[FrozenBitMap]:
    if filters.kind is not None:
        wanted = [kind for kind in (*_FILES, "folder") if is_wanted(kind, filters.kind)]
        yield shelf.with_value("kind", wanted)
    for column, least, most in (
        ("size", filters.least, filters.most),
        ("created", filters.after, filters.before),
    ):
        if (least, most) != (None, None):
            yield shelf.order(snapshot, column).within(least, most)
    if filters.author is not None:
        yield shelf.with_value("author", _members(snapshot, shelf, filters.author))
    if filters.copies is not None:
        short = shelf.possession.short(snapshot, shelf.sets["copies"].all(), states, now)
        yield short if filters.copies == "short" else shelf.shown - short
    if filters.machine is not None:
        yield shelf.possession.of(_members(snapshot, shelf, filters.machine))


def _members(snapshot: Snapshot, shelf: Shelf, called: str) -> Sequence[PeerId]:
    """Who has this name or key, now or once."""
    found = shelf.called.get(called)
    if found is None:
        table = tables.members
        everybody = snapshot.connection.execute(select(table.c.peer, table.c.name)).all()
        keys = keys_called(called, ((row.peer, row.name) for row in everybody))
        found = tuple(PeerId(key) for key in keys)
        shelf.remember_called(called, found)
    if not found:
        raise RequestFailedError("not_found", f"no machine of this swarm is called {called!r}")
    return found
