"""Names inside folders, and words that others are corrected to."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from protocol.entry import Entry, is_rendition, read_record
from protocol.words import searchable
from tracker import search_index

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_AT_ONCE = 500
_SQLITE = (
    "CREATE VIRTUAL TABLE inner_text USING fts5(text, tokenize='trigram case_sensitive 1')",
    "CREATE VIRTUAL TABLE inner_short USING fts5(terms, tokenize='ascii', detail=none)",
    "CREATE TABLE vocabulary (id INTEGER PRIMARY KEY, key TEXT NOT NULL, word TEXT NOT NULL,"
    " UNIQUE (key, word))",
    "CREATE VIRTUAL TABLE vocabulary_runs USING"
    " fts5(runs, content='', tokenize='ascii', detail=none, columnsize=0)",
)
_POSTGRES = (
    'CREATE TABLE inner_words (number bigint PRIMARY KEY, text text COLLATE "C" NOT NULL,'
    ' terms text[] COLLATE "C" NOT NULL)',
    "CREATE INDEX ix_inner_words_text ON inner_words USING gin (text gin_trgm_ops)",
    "CREATE INDEX ix_inner_words_terms ON inner_words USING gin (terms)",
    'CREATE TABLE vocabulary (key text COLLATE "C" NOT NULL, word text COLLATE "C" NOT NULL,'
    " PRIMARY KEY (key, word))",
    "CREATE INDEX ix_vocabulary_key ON vocabulary USING gin (key gin_trgm_ops)",
)


def upgrade() -> None:
    """Make the tables, and fill them from the entries that are shown."""
    connection = op.get_bind()
    sqlite = connection.dialect.name == "sqlite"
    for statement in _SQLITE if sqlite else _POSTGRES:
        op.execute(sa.text(statement))
    for rows in _shown(connection):
        # What is kept of words has one form at a time: a migration that changes it makes all anew.
        search_index.put_inner(connection, [(number, entry) for number, entry, _ in rows])
        search_index.learn(
            connection,
            [searchable((e.name, e.caption, *e.tags, author)) for _, e, author in rows],
        )


def _shown(connection: sa.Connection) -> Iterator[list[tuple[int, Entry, str]]]:
    members = sa.table("members", sa.column("peer", sa.LargeBinary), sa.column("name", sa.Text))
    rows = connection.execute(sa.select(members.c.peer, members.c.name)).all()
    names = {row.peer: row.name for row in rows}
    entries = sa.table(
        "entries",
        sa.column("number", sa.BigInteger),
        sa.column("body", sa.LargeBinary),
        sa.column("shown", sa.Boolean),
    )
    shown = sa.select(entries.c.number, entries.c.body).where(entries.c.shown)
    last = -1
    while True:
        portion = shown.where(entries.c.number > last).order_by(entries.c.number).limit(_AT_ONCE)
        found: list[Any] = list(connection.execute(portion))
        if not found:
            return
        last = found[-1].number
        records = [(row.number, read_record(row.body)) for row in found]
        yield [
            (number, record, names.get(record.author, ""))
            for number, record in records
            if isinstance(record, Entry) and not is_rendition(record)
        ]
