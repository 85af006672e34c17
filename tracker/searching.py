"""Answers to searches: what is found, and where it is, in pages that fit one control message."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from protocol.errors import InvalidTextError
from protocol.messages.tracking import Listing, Search
from protocol.sorting import decode_cursor_untrusted, encode_cursor, settled
from protocol.words import split_query
from tracker import finding, listing, tables
from tracker.errors import RequestFailedError
from tracker.filtering import conditions_of
from tracker.finding import Match, Order
from tracker.listing import Page, States
from tracker.short_entries import Shortness

_table = tables.entries


def search(
    connection: Connection,
    request: Search,
    states: States,
    now: int,
    short: Shortness | None = None,
) -> Page:
    """One page of what is asked for; `short` is needed where copies are asked about."""
    words = split_query(request.words)
    sort = settled(request.sort, words=bool(words))
    try:
        after = decode_cursor_untrusted(sort, request.cursor) if request.cursor else None
    except InvalidTextError as error:
        raise RequestFailedError("invalid", str(error)) from None
    conditions = conditions_of(connection, request.filters, short or Shortness(), now)
    counted = finding.count(connection, words, conditions)
    order = Order(sort, after, request.limit + 1)
    found = finding.find(connection, words, conditions, order, counted)
    matches = found[: request.limit]
    listings = _listings(connection, matches, states, now)
    if len(listings) == len(found):
        return Page(listings, counted.total, b"", counted.more)
    cursor = encode_cursor(sort, matches[len(listings) - 1].place)
    return Page(listings, counted.total, cursor, counted.more)


def _listings(
    connection: Connection, matches: Sequence[Match], states: States, now: int
) -> tuple[Listing, ...]:
    numbers = [match.number for match in matches]
    rows = connection.execute(select(_table).where(_table.c.number.in_(numbers)))
    by_number = {row.number: row for row in rows}
    in_order = [by_number[number] for number in numbers]
    return listing.fitting(listing.listings_of(connection, in_order, states, now))
