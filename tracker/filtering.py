"""What the filters of a search ask of an entry; refuses those that make no sense.

Takes the members as the database has them, so that also what a revoked one added can be found.
"""

from sqlalchemy import Connection, select

from protocol.kinds import ContentKind, is_wanted
from protocol.messages.finding import Filters, problem_of
from protocol.naming import keys_called
from tracker import search_index, tables
from tracker.errors import RequestFailedError
from tracker.search_index import Condition
from tracker.short_entries import Shortness

_FILES: tuple[ContentKind, ...] = ("image", "video", "audio", "document", "archive", "other")


def conditions_of(
    connection: Connection, filters: Filters, short: Shortness, now: int
) -> list[Condition]:
    """A condition for each filter that is given; RequestFailedError for what cannot be one."""
    problem = problem_of(filters)
    if problem:
        raise RequestFailedError("invalid", problem)
    found = []
    if filters.kind is not None:
        wanted = [kind for kind in (*_FILES, "folder") if is_wanted(kind, filters.kind)]
        found.append(search_index.is_one_of("kind", wanted))
    for column, bounds in (
        ("size", (filters.least, filters.most)),
        ("created", (filters.after, filters.before)),
    ):
        if bounds != (None, None):
            found.append(search_index.is_within(column, *bounds))
    if filters.author is not None:
        found.append(search_index.is_one_of("author", _members(connection, filters.author)))
    if filters.copies is not None:
        listed = (filters.copies == "short") == short.lists_short
        found.append(search_index.is_listed(short.listed, listed=listed))
    if filters.machine is not None:
        found.append(search_index.is_held(_members(connection, filters.machine), now))
    return found


def _members(connection: Connection, called: str) -> list[bytes]:
    """Who has this name or key, now or once."""
    table = tables.members
    everybody = connection.execute(select(table.c.peer, table.c.name)).all()
    found = keys_called(called, ((row.peer, row.name) for row in everybody))
    if not found:
        raise RequestFailedError("not_found", f"no machine of this swarm is called {called!r}")
    return found
