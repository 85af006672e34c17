"""The order of what is found, and cursors: where a page ended, to go on there. Pure.

Each order ends with the id, so that no two entries are alike and paging neither repeats nor skips.
"""

from typing import NamedTuple

from protocol.errors import InvalidTextError
from protocol.ids import ENTRY_ID_LENGTH
from protocol.messages.finding import SORTS, Sort

DESCENDING = frozenset({"relevance", "newest", "largest"})
"""Orders whose key and id go from high to low; in the others both go from low to high."""
_NUMBER = 8


Key = tuple[int, ...] | str
"""What an order goes by: (nearness, created), (created,), (size,), or the name's key."""


class Place(NamedTuple):
    """Where an entry is in an order: compare those of one order only."""

    key: Key
    id: bytes


def settled(sort: Sort, *, words: bool) -> Sort:
    """The order that is meant: without words nothing is more relevant than what is newest."""
    return "newest" if sort == "relevance" and not words else sort


def encode_cursor(sort: Sort, place: Place) -> bytes:
    """A cursor that goes on after this place."""
    if isinstance(place.key, str):
        key = place.key.encode()
    else:
        key = b"".join(number.to_bytes(_NUMBER) for number in place.key)
    return bytes([SORTS.index(sort)]) + key + place.id


def decode_cursor_untrusted(sort: Sort, cursor: bytes) -> Place:
    """The place in this order; InvalidTextError when the cursor is of no such order."""
    wrong = InvalidTextError("this cursor is not of such a search: start at the first page")
    if len(cursor) < 1 + ENTRY_ID_LENGTH or cursor[0] != SORTS.index(sort):
        raise wrong
    key, entry = cursor[1:-ENTRY_ID_LENGTH], cursor[-ENTRY_ID_LENGTH:]
    if sort == "name":
        try:
            return Place(key.decode(), entry)
        except UnicodeDecodeError:
            raise wrong from None
    numbers = [int.from_bytes(key[at : at + _NUMBER]) for at in range(0, len(key), _NUMBER)]
    if len(key) != _NUMBER * (2 if sort == "relevance" else 1) or max(numbers) >= 1 << 63:
        raise wrong
    return Place(tuple(numbers), entry)
