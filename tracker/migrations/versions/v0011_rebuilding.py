"""What tells one database of a swarm from another, and which rosters this one made."""

import os

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; a swarm that is there has a database that was never rebuilt."""
    epoch = sa.Column("epoch", sa.LargeBinary, nullable=False, server_default=sa.text("''"))
    op.add_column("swarm", epoch)
    for name, start in (("floor", "1"), ("base", "0"), ("rebuilt", "0")):
        column = sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text(start))
        op.add_column("swarm", column)
    fresh = sa.text("UPDATE swarm SET epoch = :epoch").bindparams(epoch=os.urandom(16))
    op.get_bind().execute(fresh)
