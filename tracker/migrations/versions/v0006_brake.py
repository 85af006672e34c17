"""Held edits and early tombstones, rejections that can be undone, verdicts that are pruned."""

import time

import sqlalchemy as sa
from alembic import op

from protocol.entry import read_record
from protocol.hashing import hash_tombstone

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables anew: a foreign key goes, and columns are filled from the records."""
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT * FROM held_tombstones")).mappings().all()
    op.drop_table("held_tombstones")
    held = op.create_table(
        "held_tombstones",
        sa.Column("entry", sa.LargeBinary(), primary_key=True),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("signer", sa.LargeBinary(), nullable=False),
        sa.Column("manifest", sa.LargeBinary(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.Boolean(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
    )
    op.create_index("ix_held_tombstones_hash", "held_tombstones", ["hash"])
    op.create_index("ix_held_tombstones_manifest", "held_tombstones", ["manifest"])
    op.create_index(
        "ix_held_tombstones_waiting", "held_tombstones", ["signer", "rejected", "since"]
    )
    for row in rows:
        more = {
            "hash": hash_tombstone(row["body"]),
            "manifest": read_record(row["body"]).manifest,
            "rejected": False,
        }
        connection.execute(sa.insert(held).values(**(dict(row) | more)))
    # Who decided earlier is not known, and when: it is kept for as long as if it were now.
    for column, kind, value in (
        ("signer", sa.LargeBinary(), sa.text("''")),
        ("decided", sa.BigInteger(), str(int(time.time() * 1000))),
    ):
        op.add_column("verdicts", sa.Column(column, kind, nullable=False, server_default=value))
        op.create_index(f"ix_verdicts_{column}", "verdicts", [column])
