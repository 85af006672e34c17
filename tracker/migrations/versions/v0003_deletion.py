"""Admins, restored entries, and the brake on bursts of deletions."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what deletion that can be undone needs."""
    for table, column in (("members", "admin"), ("entries", "restored")):
        op.add_column(
            table, sa.Column(column, sa.Boolean(), nullable=False, server_default=sa.false())
        )
    op.create_index("ix_entries_restored", "entries", ["restored"])
    op.create_table(
        "held_tombstones",
        sa.Column("entry", sa.LargeBinary(), sa.ForeignKey("entries.id"), primary_key=True),
        sa.Column("signer", sa.LargeBinary(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
    )
    op.create_index("ix_held_tombstones_signer", "held_tombstones", ["signer"])
    op.create_table(
        "deletions",
        sa.Column("entry", sa.LargeBinary(), primary_key=True),
        sa.Column("signer", sa.LargeBinary(), nullable=False),
        sa.Column("moment", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_deletions_signer", "deletions", ["signer"])
    op.create_table(
        "approvals",
        sa.Column("signature", sa.LargeBinary(), primary_key=True),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "verdicts",
        sa.Column("tombstone", sa.LargeBinary(), primary_key=True),
        sa.Column("deleter", sa.LargeBinary(), primary_key=True),
        sa.Column("approved", sa.Boolean(), nullable=False),
    )
