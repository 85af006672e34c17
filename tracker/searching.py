"""Answers to searches: what is found, and where it is, in pages that fit one control message."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from protocol.correcting import Corrected
from protocol.errors import InvalidTextError
from protocol.inner_names import line_with
from protocol.messages.finding import MAX_INSIDE
from protocol.messages.tracking import Listing, Search
from protocol.sorting import decode_cursor_untrusted, encode_cursor, settled
from protocol.words import Words, split_query
from tracker import finding, listing, search_index, tables
from tracker.correcting import correct
from tracker.errors import RequestFailedError
from tracker.filtering import meeting, problem_with
from tracker.finding import Hits, Match, Order
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
        meet = meeting(connection, shelf, request.filters, states, now)
        hits, corrected = _hits(connection, shelf, meet, words)
        words, replaced = corrected or (words, ())
        order = Order(sort, after, request.limit + 1)
        matches = finding.page(connection, shelf, hits, words, order)
    wanted = _present(connection, matches[: request.limit])
    found = [match for match, _ in wanted]
    told = listing.listings_of(connection, [row for _, row in wanted], states, now)
    listings = listing.fitting(_with_inner(connection, hits, words, found, told))
    total = hits.all.bit_count()
    if not listings or (len(listings) == len(wanted) and len(matches) <= request.limit):
        return Page(listings, total, b"", replaced=replaced)
    cursor = encode_cursor(sort, wanted[len(listings) - 1][0].place)
    return Page(listings, total, cursor, replaced=replaced)


def _hits(
    connection: Connection, shelf: Shelf, meet: int, words: Words
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
    connection: Connection,
    hits: Hits,
    words: Words,
    wanted: Sequence[Match],
    told: Iterable[Listing],
) -> Iterator[Listing]:
    """Listings, with the name inside that was met where nothing else was."""
    inside = [match.number for match in wanted if hits.inside >> match.number & 1]
    texts = search_index.texts_inside(connection, inside) if inside else {}
    for match, each in zip(wanted, told, strict=True):
        text = texts.get(match.number)
        if text is not None:
            line = line_with(text, words.groups)
            each = msgspec.structs.replace(each, inside=line[:MAX_INSIDE])
        yield each


def _present(connection: Connection, matches: Sequence[Match]) -> list[tuple[Match, Any]]:
    """With their rows, those that are not deleted at this moment."""
    numbers = [match.number for match in matches]
    rows = connection.execute(select(_table).where(_table.c.number.in_(numbers)))
    by_number = {row.number: row for row in rows if row.shown}
    return [(match, by_number[match.number]) for match in matches if match.number in by_number]
