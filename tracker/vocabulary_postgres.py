"""The vocabulary in PostgreSQL: words by their keys, which pg_trgm compares.

Keys are ASCII letters, of which pg_trgm knows in every locale.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from sqlalchemy import Connection, text

from protocol.similar import LIKENESS, key_of
from tracker.word_index import MOST_ALIKE

_KEEP = text(
    "INSERT INTO vocabulary(key, word)"
    " SELECT * FROM unnest(CAST(:keys AS text[]), CAST(:words AS text[])) ON CONFLICT DO NOTHING"
)
_WITH_KEYS = text(
    "SELECT word FROM vocabulary WHERE key = ANY(CAST(:keys AS text[])) ORDER BY word"
)
_THRESHOLD = text("SELECT set_config('pg_trgm.similarity_threshold', :least, false)")
_ALIKE = text(
    "SELECT word FROM vocabulary WHERE key % :key AND length(key) BETWEEN :least AND :most"
    " ORDER BY similarity(key, :key) DESC, word LIMIT :limit"
)


class PostgresVocabulary:
    """A `Vocabulary`."""

    def learn(self, connection: Connection, words: AbstractSet[str]) -> None:
        """Keep words that may be there already."""
        pairs = sorted((key_of(word), word) for word in words)
        values = {"keys": [key for key, _ in pairs], "words": [word for _, word in pairs]}
        connection.execute(_KEEP, values)

    def with_keys(self, connection: Connection, keys: Sequence[str]) -> Sequence[str]:
        """The words that have one of these keys."""
        return connection.execute(_WITH_KEYS, {"keys": list(keys)}).scalars().all()

    def alike(self, connection: Connection, key: str, most: int) -> Sequence[str]:
        """Words at most `most` letters longer or shorter, with LIKENESS to a key and more."""
        connection.execute(_THRESHOLD, {"least": str(LIKENESS)})
        bounds = {"least": len(key) - most, "most": len(key) + most, "limit": MOST_ALIKE}
        return connection.execute(_ALIKE, {"key": key, **bounds}).scalars().all()
