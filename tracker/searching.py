"""Answers to searches: what is found, and where it is, in pages that fit one control message."""

from sqlalchemy import Connection

from protocol.errors import InvalidTextError
from protocol.messages.tracking import Search
from protocol.sorting import decode_cursor_untrusted, encode_cursor, settled
from protocol.words import split_query
from tracker import finding, listing
from tracker.errors import RequestFailedError
from tracker.filtering import meeting, problem_with
from tracker.finding import Order
from tracker.listing import Page, States
from tracker.shelf import Shelf


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
        places = {match.number: match.place for match in matches[: request.limit]}
        whole = shelf.possession.holders(list(places))
    # What is deleted at this moment is left out.
    told = list(listing.listings_of(connection, list(places), states, now, whole))
    listings = listing.fitting(each for _, each in told)
    if not listings or (len(listings) == len(told) and len(matches) <= request.limit):
        return Page(listings, found.bit_count(), b"")
    cursor = encode_cursor(sort, places[told[len(listings) - 1][0]])
    return Page(listings, found.bit_count(), cursor)
