"""Answers to searches: what is found, and where it is, in pages that fit one control message."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from protocol.errors import InvalidTextError
from protocol.messages.tracking import Search
from protocol.sorting import decode_cursor_untrusted, encode_cursor, settled
from protocol.words import split_query
from tracker import finding, listing, tables
from tracker.errors import RequestFailedError
from tracker.filtering import meeting, problem_with
from tracker.finding import Match, Order
from tracker.listing import Page, States
from tracker.shelf import Shelf

_table = tables.entries


def search(connection: Connection, request: Search, states: States, now: int, shelf: Shelf) -> Page:
    """One page of what is asked for; `connection` has read nothing yet."""
    words = split_query(request.words)
    sort = settled(request.sort, words=bool(words))
    try:
        after = decode_cursor_untrusted(sort, request.cursor) if request.cursor else None
    except InvalidTextError as error:
        raise RequestFailedError("invalid", str(error)) from None
    problem_with(request.filters)
    with shelf.held(connection, now):
        found = meeting(connection, shelf, request.filters, states, now)
        found = finding.having(connection, shelf, found, words)
        order = Order(sort, after, request.limit + 1)
        matches = finding.page(connection, shelf, found, words, order)
    wanted = _present(connection, matches[: request.limit])
    listings = listing.fitting(
        listing.listings_of(connection, [row for _, row in wanted], states, now)
    )
    if not listings or (len(listings) == len(wanted) and len(matches) <= request.limit):
        return Page(listings, found.bit_count(), b"")
    cursor = encode_cursor(sort, wanted[len(listings) - 1][0].place)
    return Page(listings, found.bit_count(), cursor)


def _present(connection: Connection, matches: Sequence[Match]) -> list[tuple[Match, Any]]:
    """With their rows, those that are not deleted at this moment."""
    numbers = [match.number for match in matches]
    rows = connection.execute(select(_table).where(_table.c.number.in_(numbers)))
    by_number = {row.number: row for row in rows if row.shown}
    return [(match, by_number[match.number]) for match in matches if match.number in by_number]
