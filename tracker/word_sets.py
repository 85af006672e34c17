"""The sets of entries that have a word: remembered, or among those that have parts of it, or out of
the engine's index; and which of a few entries have words.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial, reduce
from operator import and_, or_

from pyroaring import FrozenBitMap
from sqlalchemy import Connection

from protocol.words import spaced
from tracker import search_index
from tracker.recent import get_all
from tracker.shelf import Shelf
from tracker.snapshot import Snapshot
from tracker.text_store import TextStore
from tracker.word_index import Group

_QUICK, _QUICK_OF_LONG, _LONG = 2.5, 12.0, 12
"""Milliseconds in which texts are looked through: half of what an index takes to find a word, or a
long one, all runs of which many may have."""
_AT_ONCE = 1.5
"""The same while others wait."""
_FEW, _FEW_FOLDERS = 1_000, 100
"""So many texts are read from the database in half that time, and names in a folder."""


def with_any(snapshot: Snapshot, shelf: Shelf, group: Group) -> FrozenBitMap:
    """The entries that say one of these words of themselves."""
    looks = ((word, partial(_look_own, snapshot, shelf, word)) for word in group)
    return reduce(or_, (shelf.found_by(word, look) for word, look in looks))


def with_any_inside(snapshot: Snapshot, shelf: Shelf, group: Group) -> FrozenBitMap:
    """The folders that have one of these words in the names in them."""
    looks = ((word, partial(_look_inside, snapshot, shelf, word)) for word in group)
    return reduce(or_, (shelf.found_by(f"\n{word}", look) for word, look in looks))


def with_parts(snapshot: Snapshot, shelf: Shelf, several: Iterable[Sequence[str]]) -> FrozenBitMap:
    """The entries whose name has, of one of several words, all parts."""
    found = FrozenBitMap()
    for parts in several:
        looks = (
            (part, partial(_look, search_index.numbers_named, snapshot, part)) for part in parts
        )
        found |= reduce(and_, (shelf.found_by(f" {part}", look) for part, look in looks))
    return found


def _look_own(snapshot: Snapshot, shelf: Shelf, word: str) -> Sequence[int]:
    maybe = shelf.remembered.narrowed(word)
    if maybe is not None and _is_quick(snapshot, shelf.texts, word, maybe):
        found, lacking = shelf.texts.having(word, maybe)
        if not lacking:
            return found
        if len(lacking) <= _FEW:
            return [*found, *search_index.those_with(snapshot.connection, word, lacking)]
    return search_index.numbers_with(snapshot.connection, word)


def _look_inside(snapshot: Snapshot, shelf: Shelf, word: str) -> Sequence[int]:
    maybe = shelf.remembered.narrowed(word, "\n")
    if maybe is not None and _is_quick(snapshot, shelf.inside, word, maybe):
        found, lacking = shelf.inside.having(word, maybe)
        if not lacking:
            return found
        if len(lacking) <= _FEW_FOLDERS:
            texts = search_index.texts_inside(snapshot.connection, lacking)
            shelf.inside.put_read(texts)
            return [*found, *(number for number, text in texts.items() if word in text)]
    return search_index.numbers_inside(snapshot.connection, word)


def _is_quick(snapshot: Snapshot, store: TextStore, word: str, maybe: FrozenBitMap) -> bool:
    """Whether these texts are looked through sooner than an index finds a word."""
    takes = store.milliseconds(len(maybe))
    if takes > (_QUICK_OF_LONG if len(word) >= _LONG else _QUICK):
        return False
    if takes > _AT_ONCE:
        snapshot.take_time()
    return True


def _look(
    index: Callable[[Connection, str], Sequence[int]], snapshot: Snapshot, word: str
) -> Sequence[int]:
    return index(snapshot.connection, word)


def those_with(
    snapshot: Snapshot, shelf: Shelf, groups: Sequence[Group], few: FrozenBitMap
) -> FrozenBitMap:
    """Those of a few entries that say a word of each group of themselves."""
    texts = own_texts(snapshot, shelf, few)
    return FrozenBitMap([number for number, text in texts.items() if _has(text, groups)])


def those_named(
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
    texts, lacking = shelf.texts.get(numbers)
    if lacking:
        read = search_index.own_texts(snapshot.connection, lacking)
        shelf.texts.put_read(read)
        texts |= read
    return texts


def _has(text: str, groups: Sequence[Group]) -> bool:
    return all(any(word in text for word in group) for group in groups)
