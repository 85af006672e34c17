"""Which entries have the words of a search, and a page of what was found in the order asked for.

Sets of entries are laid over one another (`masks`), and the order is walked until the page is full.
So no entry is read but those of the page, and how many there are is known exactly.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from protocol.messages.finding import Sort
from protocol.sorting import DESCENDING, Place
from protocol.words import EXACT, PART, PREFIX, WORD, Words, spaced
from tracker import search_index
from tracker.masks import numbers_of
from tracker.ordered import Ordered
from tracker.shelf import Shelf

_COLUMN = {"oldest": "created", "name": "name", "largest": "size", "smallest": "size"}
_FEW = 400
"""So many entries are looked at one by one, rather than all that have a word."""
_LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True)
class Match:
    """An entry that was found, and where it is in the order."""

    number: int
    place: Place


@dataclass(frozen=True)
class Order:
    """The order that is wanted, and the place after which to go on (None: from the start)."""

    sort: Sort
    after: Place | None
    limit: int


def having(connection: Connection, shelf: Shelf, found: int, words: Words) -> int:
    """Those of some entries that have all the words; of the longest first, as few may have it."""
    for at, word in enumerate(in_turn := sorted(words.each, key=len, reverse=True)):
        if found.bit_count() <= _FEW:
            few = numbers_of(found)
            return shelf.mask(search_index.those_with(connection, in_turn[at:], few))
        found &= shelf.found_by(word, partial(search_index.numbers_with, connection, word))
    return found


def page(
    connection: Connection, shelf: Shelf, found: int, words: Words, order: Order
) -> list[Match]:
    """The next of the entries that were found, `limit` of them if there are as many."""
    if order.sort != "relevance":
        return _in_order(shelf, found, order)
    matches: list[Match] = []
    for near, of_it in _nearest_first(connection, shelf, found, words):
        after = None
        if order.after is not None:
            reached = int(order.after.key[0])
            if near > reached:
                continue
            if near == reached:
                after = Place(order.after.key[1:], order.after.id)
        rest = Order("newest", after, order.limit - len(matches))
        for match in _in_order(shelf, of_it, rest):
            matches.append(Match(match.number, Place((near, *match.place.key), match.place.id)))
        if len(matches) >= order.limit:
            break
    return matches


def _nearest_first(
    connection: Connection, shelf: Shelf, found: int, words: Words
) -> Iterator[tuple[int, int]]:
    """Of what was found, one degree of nearness after the other."""
    names, begin = shelf.orders["name"], words.together
    for near in (EXACT, PREFIX, WORD):
        if near == WORD:
            met = _named(connection, shelf, found, words)
        else:
            met = names.within(begin, begin if near == EXACT else begin + _LAST_CHARACTER)
        yield near, found & met
        found &= ~met
    yield PART, found


def _named(connection: Connection, shelf: Shelf, found: int, words: Words) -> int:
    """Those of some entries that have each word as a whole word, or words, of the name."""
    parts = {word: spaced(word).split() for word in words.each}
    if not all(parts.values()):
        # Signs alone are in names of signs alone.
        return found & shelf.with_value("nameless", (1,)) if not any(parts.values()) else 0
    whole = words.each
    if found.bit_count() > _FEW:
        for part in {part for those in parts.values() for part in those}:
            found &= shelf.found_by(
                f" {part}", partial(search_index.numbers_named, connection, part)
            )
        # Parts of one word are found wherever they are in the name.
        whole = tuple(word for word, those in parts.items() if len(those) > 1)
    if not (whole and found):
        return found
    return shelf.mask(search_index.those_named(connection, whole, numbers_of(found)))


def _in_order(shelf: Shelf, found: int, order: Order) -> list[Match]:
    ordered = shelf.orders[_COLUMN.get(order.sort, "created")]
    after = None
    if order.after is not None:
        key = order.after.key
        after = (key if isinstance(key, str) else key[0], order.after.id)
    numbers = ordered.first(found, order.limit, after, descending=order.sort in DESCENDING)
    return [_match(ordered, shelf, number) for number in numbers]


def _match(ordered: Ordered, shelf: Shelf, number: int) -> Match:
    key = ordered.key(number)
    return Match(number, Place(key if isinstance(key, str) else (key,), shelf.columns.id(number)))
