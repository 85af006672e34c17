"""The vocabulary in SQLite: words by their keys, and the trigrams of keys in an FTS5 table.

A trigram is kept with the length of its key, so that only words about as long are looked at.
"""

from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from math import ceil

from sqlalchemy import Connection, text

from protocol.similar import LIKENESS, key_of, likeness, trigrams
from tracker.rows import as_json, put_in_sqlite
from tracker.word_index import MOST_ALIKE
from tracker.words_sqlite import found_in

_KEEP = (
    "INSERT OR IGNORE INTO vocabulary(key, word) SELECT json_extract(value, '$[0]'),"
    " json_extract(value, '$[1]') FROM json_each(?) RETURNING id, key"
)
_KEEP_TRIGRAMS = "INSERT INTO vocabulary_runs(rowid, runs) VALUES (?, ?)"
_WITH_KEYS = text(
    "SELECT word FROM vocabulary WHERE key IN (SELECT value FROM json_each(:keys)) ORDER BY word"
)
_BY_ID = text("SELECT key, word FROM vocabulary WHERE id IN (SELECT value FROM json_each(:ids))")
_TWICE = 2


class SqliteVocabulary:
    """A `Vocabulary`."""

    def __init__(self) -> None:
        self._sizes: dict[tuple[str, int], int] = {}
        """How many words had a trigram when it was last looked up: the rarest are, first."""

    def learn(self, connection: Connection, words: AbstractSet[str]) -> None:
        """Keep words that may be there already."""
        pairs = as_json(sorted((key_of(word), word) for word in words))
        # As the driver has it, which is cheaper: this is done for each entry that is published.
        new = connection.exec_driver_sql(_KEEP, (pairs,)).all()
        rows = [(row.id, " ".join(_spelled(row.key))) for row in sorted(new)]
        put_in_sqlite(connection, _KEEP_TRIGRAMS, rows)

    def with_keys(self, connection: Connection, keys: Sequence[str]) -> Sequence[str]:
        """The words that have one of these keys."""
        return connection.execute(_WITH_KEYS, {"keys": as_json(keys)}).scalars().all()

    def alike(self, connection: Connection, key: str, most: int) -> Sequence[str]:
        """Words at most `most` letters longer or shorter, with LIKENESS to a key and more."""
        runs = trigrams(key)
        found = as_json(self._candidates(connection, runs, len(key), most))
        measured = []
        for other, word in connection.execute(_BY_ID, {"ids": found}).all():
            alike = likeness(runs, trigrams(other))
            if alike >= LIKENESS:
                measured.append((-alike, word))
        return [word for _, word in sorted(measured)[:MOST_ALIKE]]

    def _candidates(
        self, connection: Connection, runs: set[str], length: int, most: int
    ) -> list[int]:
        """All that have as many of the trigrams as it takes, and some that have fewer."""
        lengths = range(length - most, length + most + 1)
        least = ceil(LIKENESS * len(runs))
        # What has `least` has two of them all the same without those that most words have.
        skipped = max(0, least - _TWICE)
        by_size = sorted(runs, key=lambda run: (self._sizes.get((run, length), 0), run))
        counted: Counter[int] = Counter()
        for run in by_size[: len(by_size) - skipped]:
            query = " OR ".join(_spell(run, each) for each in lengths)
            ids = found_in(connection, "vocabulary_runs", query)
            self._sizes[run, length] = len(ids)
            counted.update(ids)
        return [id for id, number in counted.items() if number >= least - skipped]


def _spelled(key: str) -> list[str]:
    return [_spell(run, len(key)) for run in sorted(trigrams(key))]


def _spell(run: str, length: int) -> str:
    return f"{run.replace(' ', '0')}{length}"
