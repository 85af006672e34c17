"""A member's state in words: it may drain, leave and have left, besides being revoked."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Put the state where the flag was."""
    op.add_column("members", sa.Column("state", sa.Text(), nullable=False, server_default="active"))
    members = sa.table("members", sa.column("state", sa.Text()), sa.column("revoked", sa.Boolean()))
    op.execute(sa.update(members).where(members.c.revoked).values(state="revoked"))
    op.drop_column("members", "revoked")
