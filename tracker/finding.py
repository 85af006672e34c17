"""Which entries have the words of a search, and a page of what was found in the order asked for.

Sets of entries are laid over one another, and the order is walked until the page is full.
So no entry is read but those of the page, and how many there are is known exactly.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial, reduce
from itertools import chain
from operator import and_, or_

from pyroaring import FrozenBitMap
from sqlalchemy import Connection

from protocol.messages.finding import Sort
from protocol.sorting import DESCENDING, Place
from protocol.words import EXACT, INSIDE, LONG_WORD, PART, PREFIX, WORD, Words, spaced
from tracker import search_index
from tracker.recent import get_all
from tracker.shelf import Shelf
from tracker.snapshot import Snapshot
from tracker.word_index import Group, terms

LETTERS = tuple("abcdefghijklmnopqrstuvwxyz0123456789")
"""Words that are looked up before they are asked for, and then `common_terms`."""
_SHORT, _LONG, _WHOLE = 200, 200, 200
"""What is typed is common if more than one of so many entries have it: one or two characters, the
beginning of a word, and a whole word of the name."""
_SAMPLE = 6_000
_MOST_COMMON = 1_500
_LONGEST = 12
"""Characters of a beginning that is looked for among what is common."""
_INNER = 6
"""Characters of one that is found within words too: what is longer seldom is."""
_FIRST = 300
"""Characters of a text that are looked at for that: captions may be long, and no two alike."""
_COLUMN = {"oldest": "created", "name": "name", "largest": "size", "smallest": "size"}
_FEW = 400
"""So many entries are looked at one by one, rather than all that have a word."""
_SOME, _LOOKED_AT, _VERY_LONG = 1_000, 5_000, 12
"""So many texts are looked at in half the time that an index takes to find a word, or a long one,
all runs of which many may have."""
_FOLDERS_LOOKED_AT = 100
"""Names in a folder are up to 64 KiB."""
_LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True)
class Match:
    """An entry that was found, and by relevance how near it is (else nothing)."""

    number: int
    near: tuple[int, ...] = ()


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


def look_up(snapshot: Snapshot, shelf: Shelf, now: int, word: str) -> None:
    """Look up what many entries have, before somebody waits for it."""
    with shelf.held(snapshot, now):
        if word.startswith(" "):
            _with_parts(snapshot, shelf, [[word[1:]]])
            return
        with_any(snapshot, shelf, (word,))
        with_any_inside(snapshot, shelf, (word,))


def common_terms(snapshot: Snapshot, shelf: Shelf, now: int) -> list[str]:
    """What many entries have that is typed, going by some of them; without LETTERS.

    Words of one or two characters, beginnings of words, and whole words of names behind a space;
    of each kind the most common first.
    """
    with shelf.held(snapshot, now):
        numbers = shelf.orders["created"].numbers
        some = numbers[:: len(numbers) // _SAMPLE + 1]
        names = [shelf.columns.name(number) for number in some]
    texts = search_index.own_texts(snapshot.connection, list(some))
    short = [
        term
        for term in _common(map(terms, texts.values()), len(some) // _SHORT)
        if term not in LETTERS
    ]
    long = _common(_typed([text[:_FIRST] for text in texts.values()]), len(some) // _LONG)
    whole = _common((set(spaced(name).split()) for name in names), len(some) // _WHOLE)
    return short + long + [f" {word}" for word in whole]


def _common(each: Iterable[Iterable[str]], least: int) -> list[str]:
    counted = Counter(chain.from_iterable(each))
    return [term for term, times in counted.most_common(_MOST_COMMON) if times > least]


def _typed(texts: Sequence[str]) -> Iterator[list[str]]:
    """Of each text what it has of what somebody types who types a word of any of them."""
    beginnings = list(map(_beginnings, texts))
    every = set().union(*beginnings)
    for text, own in zip(texts, beginnings, strict=True):
        inner = {
            text[at : at + length]
            for length in range(LONG_WORD, _INNER + 1)
            for at in range(len(text) - length + 1)
        }
        yield [part for part in own | inner if part in every]


def _beginnings(text: str) -> set[str]:
    """What somebody has typed who types a word of this text, with or without the signs in it."""
    return {
        part[:length]
        for part in {*spaced(text).split(), *text.split()}
        for length in range(LONG_WORD, min(len(part), _LONGEST) + 1)
    }


def having(snapshot: Snapshot, shelf: Shelf, found: FrozenBitMap, words: Words) -> Hits:
    """Those of some entries that have all the words."""
    own = _with_own(snapshot, shelf, found, words)
    return Hits(own, _with_inside(snapshot, shelf, found - own, words))


def with_any(snapshot: Snapshot, shelf: Shelf, group: Group) -> FrozenBitMap:
    """The entries that say one of these words of themselves."""
    looks = ((word, partial(_look_own, snapshot, shelf, word)) for word in group)
    return reduce(or_, (shelf.found_by(word, look) for word, look in looks))


def with_any_inside(snapshot: Snapshot, shelf: Shelf, group: Group) -> FrozenBitMap:
    """The folders that have one of these words in the names in them."""
    looks = ((word, partial(_look_inside, snapshot, shelf, word)) for word in group)
    return reduce(or_, (shelf.found_by(f"\n{word}", look) for word, look in looks))


def _with_own(snapshot: Snapshot, shelf: Shelf, found: FrozenBitMap, words: Words) -> FrozenBitMap:
    """By what they say of themselves; of the longest word first, as few may have it."""
    for at, group in enumerate(in_turn := _longest_first(words)):
        if len(found) <= _FEW:
            return _those_with(snapshot, shelf, in_turn[at:], found)
        found &= with_any(snapshot, shelf, group)
    return found


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
            own = _those_with(snapshot, shelf, [group], lacking)
        else:
            own = with_any(snapshot, shelf, group)
        found &= has | own
    return found


def _look_own(snapshot: Snapshot, shelf: Shelf, word: str) -> Sequence[int]:
    maybe = shelf.remembered.narrowed(word)
    if maybe is not None and len(maybe) <= _FEW:
        return list(_those_with(snapshot, shelf, [(word,)], maybe))
    if maybe is not None and len(maybe) <= (_LOOKED_AT if len(word) >= _VERY_LONG else _SOME):
        # Too many to remember their texts.
        return search_index.those_with(snapshot.connection, word, list(maybe))
    return search_index.numbers_with(snapshot.connection, word)


def _look_inside(snapshot: Snapshot, shelf: Shelf, word: str) -> Sequence[int]:
    maybe = shelf.remembered.narrowed(word, "\n")
    if maybe is not None and len(maybe) <= _FOLDERS_LOOKED_AT:
        texts = get_all(
            shelf.inside,
            maybe,
            lambda some: search_index.texts_inside(snapshot.connection, some),
        )
        return [number for number, text in texts.items() if word in text]
    return search_index.numbers_inside(snapshot.connection, word)


def _look(
    index: Callable[[Connection, str], Sequence[int]], snapshot: Snapshot, word: str
) -> Sequence[int]:
    return index(snapshot.connection, word)


def _those_with(
    snapshot: Snapshot, shelf: Shelf, groups: Sequence[Group], few: FrozenBitMap
) -> FrozenBitMap:
    """Those of a few entries that say a word of each group of themselves."""
    texts = own_texts(snapshot, shelf, few)
    return FrozenBitMap([number for number, text in texts.items() if _has(text, groups)])


def _those_named(
    snapshot: Snapshot, shelf: Shelf, groups: Sequence[Group], few: FrozenBitMap
) -> FrozenBitMap:
    """Those of a few entries in whose names the parts of a word of each group are side by side."""

    def read(numbers: list[int]) -> dict[int, str]:
        texts = own_texts(snapshot, shelf, numbers)
        return {number: search_index.named_in(text) for number, text in texts.items()}

    beside = [tuple(map(spaced, group)) for group in groups]
    names = get_all(shelf.named, few, read)
    return FrozenBitMap([number for number, named in names.items() if _has(named, beside)])


def own_texts(snapshot: Snapshot, shelf: Shelf, numbers: Iterable[int]) -> Mapping[int, str]:
    """What a few entries say of themselves, folded."""
    return get_all(
        shelf.texts, numbers, lambda some: search_index.own_texts(snapshot.connection, some)
    )


def _has(text: str, groups: Sequence[Group]) -> bool:
    return all(any(word in text for word in group) for group in groups)


def _longest_first(words: Words) -> list[tuple[str, ...]]:
    return sorted(words.groups, key=lambda group: len(group[0]), reverse=True)


def page(snapshot: Snapshot, shelf: Shelf, hits: Hits, words: Words, order: Order) -> list[Match]:
    """The next of the entries that were found, `limit` of them if there are as many."""
    if order.sort != "relevance":
        return _in_order(shelf, hits.all, order)
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
        matches += _in_order(shelf, of_it, rest, near)
        if len(matches) >= order.limit:
            break
    return matches


def _nearest_first(
    snapshot: Snapshot, shelf: Shelf, hits: Hits, words: Words
) -> Iterator[tuple[int, FrozenBitMap]]:
    """Of what was found, one degree of nearness after the other."""
    names, begin = shelf.orders["name"], words.together
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
            found &= _with_parts(snapshot, shelf, [parts[word] for word in group])
        # Parts of one word are found wherever they are in the name.
        whole = [group for group in whole if any(len(parts[word]) > 1 for word in group)]
    if not (whole and found):
        return found
    if len(found) > _FEW:
        return shelf.those(search_index.those_named(snapshot.connection, whole, list(found)))
    return _those_named(snapshot, shelf, whole, found)


def _with_parts(snapshot: Snapshot, shelf: Shelf, several: Iterable[Sequence[str]]) -> FrozenBitMap:
    """The entries whose name has, of one of several words, all parts."""
    found = FrozenBitMap()
    for parts in several:
        looks = (
            (part, partial(_look, search_index.numbers_named, snapshot, part)) for part in parts
        )
        found |= reduce(and_, (shelf.found_by(f" {part}", look) for part, look in looks))
    return found


def _in_order(shelf: Shelf, found: FrozenBitMap, order: Order, *nearness: int) -> list[Match]:
    ordered = shelf.orders[_COLUMN.get(order.sort, "created")]
    after = None
    if order.after is not None:
        key = order.after.key
        after = (key if isinstance(key, str) else key[0], order.after.id)
    numbers = ordered.first(found, order.limit, after, descending=order.sort in DESCENDING)
    return [Match(number, nearness) for number in numbers]


def place_of(shelf: Shelf, sort: Sort, match: Match) -> Place:
    """Where an entry is in an order."""
    key, entry = shelf.orders[_COLUMN.get(sort, "created")].place(match.number)
    return Place(key if isinstance(key, str) else (*match.near, key), entry)
