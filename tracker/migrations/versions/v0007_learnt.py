"""When the tracker learnt what each entry names, by its own clock; 0 for before it noted that."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    column = sa.Column("learnt", sa.BigInteger, nullable=False, server_default="0")
    op.add_column("entries", column)
