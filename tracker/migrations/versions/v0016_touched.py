"""How often what searches keep in memory has changed: a file of it is of one such moment."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Begin to count."""
    op.add_column(
        "swarm", sa.Column("touched", sa.BigInteger(), nullable=False, server_default=sa.text("0"))
    )
