"""Several trackers on one database: who runs, who is connected to which, and notes of changes."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make their tables."""
    op.create_table(
        "trackers",
        sa.Column("id", sa.LargeBinary(), primary_key=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("addresses", sa.Text(), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.Column("moves", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "present",
        sa.Column("tracker", sa.LargeBinary(), primary_key=True),
        sa.Column("peer", sa.LargeBinary(), primary_key=True),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("addresses", sa.Text(), nullable=False),
        sa.Column("moved", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_present_moved", "present", ["tracker", "moved"])
    notes = op.create_table(
        "notes",
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
    )
    # Whoever has read up to a note finds it again as long as nothing behind it is gone.
    op.bulk_insert(notes, [{"number": 0, "content": b""}])
