"""What health is counted from without reading records: wanted copies and size of each entry."""

import sqlalchemy as sa
from alembic import op

from protocol.entry import Entry, read_record

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and fill them, and find what is held in part without a scan."""
    entries = sa.table(
        "entries",
        sa.column("number", sa.BigInteger),
        sa.column("body", sa.LargeBinary),
        sa.column("copies", sa.Integer),
        sa.column("size", sa.BigInteger),
    )
    for name, kind in (("copies", sa.Integer()), ("size", sa.BigInteger())):
        op.add_column("entries", sa.Column(name, kind, nullable=False, server_default="0"))
    connection = op.get_bind()
    for row in connection.execute(sa.select(entries.c.number, entries.c.body)).all():
        record = read_record(row.body)
        if isinstance(record, Entry):
            values = {"copies": record.copies, "size": record.size}
            filled = sa.update(entries).where(entries.c.number == row.number).values(**values)
            connection.execute(filled)
    in_part = sa.text("bits IS NOT NULL")
    op.create_index(
        "ix_holdings_partial",
        "holdings",
        ["manifest"],
        sqlite_where=in_part,
        postgresql_where=in_part,
    )
