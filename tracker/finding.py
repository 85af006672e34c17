"""Which entries have the words of a search, and a page of what was found in the order asked for.

Sets of entries are laid over one another, and the order is walked until the page is full.
So no entry is read but those of the page, and how many there are is known exactly.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import or_
from typing import NamedTuple

from pyroaring import FrozenBitMap

from protocol.messages.finding import Sort
from protocol.sorting import DESCENDING, Key, Place
from protocol.words import EXACT, INSIDE, PART, PREFIX, WORD, Words, spaced
from tracker import search_index
from tracker.shelf import Shelf
from tracker.snapshot import Snapshot
from tracker.word_index import Group
from tracker.word_sets import those_named, those_with, with_any, with_any_inside, with_parts

_COLUMN = {"oldest": "created", "name": "name", "largest": "size", "smallest": "size"}
_FEW = 400
"""So many entries are looked at one by one, rather than all that have a word."""
_LAST_CHARACTER = "\U0010ffff"


class Match(NamedTuple):
    """An entry that was found, and the key of its place in the order."""

    number: int
    key: Key


@dataclass(frozen=True)
class Order:
    """The order that is wanted, and the place after which to go on (None: from the start)."""

    sort: Sort
    after: Place | None
    limit: int


@dataclass(frozen=True)
class Hits:
    """Entries that have all words: in what they say of themselves, or (others) not without the
    names in them."""

    own: FrozenBitMap
    inside: FrozenBitMap

    @cached_property
    def all(self) -> FrozenBitMap:
        """Both."""
        return self.own | self.inside if self.inside else self.own


def having(snapshot: Snapshot, shelf: Shelf, found: FrozenBitMap, words: Words) -> Hits:
    """Those of some entries that have all the words."""
    own = _with_own(snapshot, shelf, found, words)
    return Hits(own, _with_inside(snapshot, shelf, found - own, words))


def _with_own(snapshot: Snapshot, shelf: Shelf, found: FrozenBitMap, words: Words) -> FrozenBitMap:
    """By what they say of themselves; what is known of them first, then of the longest word, as
    few may have it."""
    in_turn = sorted(_longest_first(words), key=lambda group: not _is_known(shelf, group))
    for at, group in enumerate(in_turn):
        few = found if len(found) <= _FEW else found & _maybe(shelf, group, found)
        if len(few) <= _FEW:
            return those_with(snapshot, shelf, in_turn[at:], few)
        found &= with_any(snapshot, shelf, group)
    return found


def _is_known(shelf: Shelf, group: Group) -> bool:
    return all(word in shelf.remembered for word in group)


def _maybe(shelf: Shelf, group: Group, found: FrozenBitMap) -> FrozenBitMap:
    """Those of some entries that may have one of these words, going by known parts of them."""
    if _is_known(shelf, group):
        return found
    narrowed = (shelf.remembered.narrowed(word) for word in group)
    return reduce(or_, (found if each is None else found & each for each in narrowed))


def _with_inside(
    snapshot: Snapshot, shelf: Shelf, found: FrozenBitMap, words: Words
) -> FrozenBitMap:
    """By that and the names in them together: who has all words has one of them inside."""
    if not words:
        return FrozenBitMap()
    groups = _longest_first(words)
    inside = [with_any_inside(snapshot, shelf, group) for group in groups]
    found &= reduce(or_, inside)
    for group, has in zip(groups, inside, strict=True):
        lacking = found - has
        if not lacking:
            continue
        if len(lacking) <= _FEW:
            own = those_with(snapshot, shelf, [group], lacking)
        else:
            own = with_any(snapshot, shelf, group)
        found &= has | own
    return found


def _longest_first(words: Words) -> list[tuple[str, ...]]:
    return sorted(words.groups, key=lambda group: len(group[0]), reverse=True)


def page(snapshot: Snapshot, shelf: Shelf, hits: Hits, words: Words, order: Order) -> list[Match]:
    """The next of the entries that were found, `limit` of them if there are as many."""
    if order.sort != "relevance":
        return _in_order(snapshot, shelf, hits.all, order)
    matches: list[Match] = []
    for near, of_it in _nearest_first(snapshot, shelf, hits, words):
        after = None
        if order.after is not None:
            reached = int(order.after.key[0])
            if near > reached:
                continue
            if near == reached:
                after = Place(order.after.key[1:], order.after.id)
        rest = Order("newest", after, order.limit - len(matches))
        matches += _in_order(snapshot, shelf, of_it, rest, near)
        if len(matches) >= order.limit:
            break
    return matches


def _nearest_first(
    snapshot: Snapshot, shelf: Shelf, hits: Hits, words: Words
) -> Iterator[tuple[int, FrozenBitMap]]:
    """Of what was found, one degree of nearness after the other."""
    names, begin = shelf.order(snapshot, "name"), words.together
    found = hits.own
    for near in (EXACT, PREFIX, WORD):
        if near == WORD:
            met = _named(snapshot, shelf, found, words)
        else:
            met = names.within(begin, begin if near == EXACT else begin + _LAST_CHARACTER)
        yield near, found & met
        found -= met
    yield PART, found
    yield INSIDE, hits.inside


def _named(snapshot: Snapshot, shelf: Shelf, found: FrozenBitMap, words: Words) -> FrozenBitMap:
    """Those of some entries that have, of each group, one as whole words of the name."""
    whole = list(words.groups)
    parts = {word: spaced(word).split() for group in whole for word in group}
    if not all(parts.values()):
        # Signs alone are in names of signs alone.
        nameless = FrozenBitMap() if any(parts.values()) else shelf.with_value("nameless", (1,))
        return found & nameless
    if len(found) > _FEW:
        for group in whole:
            found &= with_parts(snapshot, shelf, [parts[word] for word in group])
        # Parts of one word are found wherever they are in the name.
        whole = [group for group in whole if any(len(parts[word]) > 1 for word in group)]
    if not (whole and found):
        return found
    if len(found) > _FEW:
        return shelf.those(search_index.those_named(snapshot.connection, whole, list(found)))
    return those_named(snapshot, shelf, whole, found)


def _in_order(
    snapshot: Snapshot, shelf: Shelf, found: FrozenBitMap, order: Order, *nearness: int
) -> list[Match]:
    ordered = shelf.order(snapshot, _COLUMN.get(order.sort, "created"))
    after = None
    if order.after is not None:
        key = order.after.key
        after = (key if isinstance(key, str) else key[0], order.after.id)
    numbers = ordered.first(found, order.limit, after, descending=order.sort in DESCENDING)
    key_of = ordered.key
    if order.sort == "name":
        return [Match(number, key_of(number)) for number in numbers]
    return [Match(number, (*nearness, key_of(number))) for number in numbers]
