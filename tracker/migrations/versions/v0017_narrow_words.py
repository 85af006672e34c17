"""On PostgreSQL texts lie apart from terms, and terms are one text: each row that an index finds is
looked at, so they are narrow enough to stay in memory."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_APART = (
    "ALTER TABLE {name}_words RENAME TO {name}_both",
    "ALTER INDEX {name}_words_pkey RENAME TO {name}_both_pkey",
    "DROP INDEX ix_{name}_words_text",
    "DROP INDEX ix_{name}_words_terms",
    'CREATE TABLE {name}_words (number bigint PRIMARY KEY, text text COLLATE "C" NOT NULL)',
    'CREATE TABLE {name}_terms (number bigint PRIMARY KEY, terms text COLLATE "C" NOT NULL)',
    "INSERT INTO {name}_words SELECT number, text FROM {name}_both ORDER BY number",
    "INSERT INTO {name}_terms SELECT number, array_to_string(terms, chr(10)) FROM {name}_both"
    " ORDER BY number",
    "DROP TABLE {name}_both",
    "CREATE INDEX ix_{name}_words ON {name}_words USING gin (text gin_trgm_ops)",
    "CREATE INDEX ix_{name}_terms ON {name}_terms USING gin (string_to_array(terms, chr(10)))",
)


def upgrade() -> None:
    """Take them apart."""
    if op.get_bind().dialect.name == "postgresql":
        for name in ("entry", "inner"):
            for statement in _APART:
                op.execute(statement.format(name=name))
