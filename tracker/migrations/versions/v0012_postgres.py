"""What only PostgreSQL needs: its index of words, and an order of texts that no locale changes."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_STATEMENTS = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    'ALTER TABLE members ALTER COLUMN name TYPE text COLLATE "C"',
    'ALTER TABLE search_keys ALTER COLUMN name TYPE text COLLATE "C"',
    'CREATE TABLE entry_words (number bigint PRIMARY KEY, text text COLLATE "C" NOT NULL,'
    ' terms text[] COLLATE "C" NOT NULL)',
    "CREATE INDEX ix_entry_words_text ON entry_words USING gin (text gin_trgm_ops)",
    "CREATE INDEX ix_entry_words_terms ON entry_words USING gin (terms)",
)


def upgrade() -> None:
    """Make it; SQLite has had its own from the start, and compares texts byte by byte."""
    if op.get_bind().dialect.name == "postgresql":
        for statement in _STATEMENTS:
            op.execute(sa.text(statement))
