"""Answers to searches: what is found, and where it is, in pages that fit one control message."""

from collections.abc import Iterator, Sequence

import msgspec
from pyroaring import FrozenBitMap
from sqlalchemy import Connection

from protocol.correcting import Corrected
from protocol.errors import InvalidTextError
from protocol.inner_names import line_with
from protocol.messages.finding import MAX_INSIDE
from protocol.messages.tracking import Listing, Search
from protocol.sorting import decode_cursor_untrusted, encode_cursor, settled
from protocol.words import Words, split_query
from tracker import finding, listing, search_index
from tracker.correcting import correct
from tracker.errors import RequestFailedError
from tracker.filtering import meeting, problem_with
from tracker.finding import Hits, Order
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
        meet = meeting(connection, shelf, request.filters, states, now)
        hits, corrected = _hits(connection, shelf, meet, words)
        words, replaced = corrected or (words, ())
        order = Order(sort, after, request.limit + 1)
        matches = finding.page(connection, shelf, hits, words, order)
        places = {match.number: match.place for match in matches[: request.limit]}
        known = shelf.possession.holders(list(places))
    # What is deleted at this moment is left out.
    told = list(listing.listings_of(connection, list(places), states, now, known))
    listings = listing.fitting(_with_inner(connection, hits, words, told))
    total = len(hits.all)
    if not listings or (len(listings) == len(told) and len(matches) <= request.limit):
        return Page(listings, total, b"", replaced=replaced)
    cursor = encode_cursor(sort, places[told[len(listings) - 1][0]])
    return Page(listings, total, cursor, replaced=replaced)


def _hits(
    connection: Connection, shelf: Shelf, meet: FrozenBitMap, words: Words
) -> tuple[Hits, Corrected | None]:
    """What is found, and with which words, if with others than were asked for."""
    hits = finding.having(connection, shelf, meet, words)
    if hits.all or not words or not meet:
        return hits, None
    corrected = correct(connection, shelf, words)
    if corrected is None:
        return hits, None
    hits = finding.having(connection, shelf, meet, corrected.words)
    return hits, corrected if hits.all else None


def _with_inner(
    connection: Connection, hits: Hits, words: Words, told: Sequence[tuple[int, Listing]]
) -> Iterator[Listing]:
    """Listings, with the name inside that was met where nothing else was."""
    inside = [number for number, _ in told if number in hits.inside]
    texts = search_index.texts_inside(connection, inside) if inside else {}
    for number, each in told:
        text = texts.get(number)
        if text is not None:
            line = line_with(text, words.groups)
            each = msgspec.structs.replace(each, inside=line[:MAX_INSIDE])
        yield each
