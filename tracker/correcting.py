"""What an entry of the tracker has, and what in its vocabulary is like a word that none has."""

from collections.abc import Iterator
from functools import partial

from protocol import correcting
from protocol.correcting import Corrected
from protocol.similar import by_distance, key_of, most_apart, neighbours
from protocol.words import Words
from tracker.search_index import vocabulary
from tracker.shelf import Shelf
from tracker.snapshot import Snapshot
from tracker.word_sets import with_any, with_any_inside


def correct(snapshot: Snapshot, shelf: Shelf, words: Words) -> Corrected | None:
    """Words with which there may be something to find; None if there are none."""

    def is_there(word: str) -> bool:
        own = with_any(snapshot, shelf, (word,))
        return bool(own or with_any_inside(snapshot, shelf, (word,)))

    return correcting.correct(words, is_there, partial(_candidates, snapshot))


def _candidates(snapshot: Snapshot, word: str) -> Iterator[list[str]]:
    connection, key, most = snapshot.connection, key_of(word), most_apart(word)
    close = vocabulary(connection).with_keys(connection, neighbours(key))
    yield from by_distance(word, close)
    if most > 1:
        yield from by_distance(word, vocabulary(connection).alike(connection, key, most))
