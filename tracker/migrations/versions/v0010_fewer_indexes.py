"""Without the indexes of searches that are answered from memory; SQLite chose them for others."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop them."""
    op.drop_index("ix_entries_newest", "entries")
    op.drop_index("ix_search_keys_author", "search_keys")
    op.drop_index("ix_search_keys_kind", "search_keys")
