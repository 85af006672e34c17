"""Holdings that somebody reported as failed in an audit."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add until when a holding does not count."""
    op.add_column("holdings", sa.Column("doubted", sa.BigInteger(), nullable=True))
