"""Which entries are renditions of pictures; before, there were none."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    column = sa.Column("rendition", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("entries", column)
