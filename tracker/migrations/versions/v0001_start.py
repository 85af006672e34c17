"""The first tables, and the search index of SQLite."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SEARCH = (
    "CREATE VIRTUAL TABLE entry_text USING fts5(text, tokenize='trigram case_sensitive 1')",
    "CREATE VIRTUAL TABLE entry_short USING fts5(terms, tokenize='ascii', detail=none)",
)


def upgrade() -> None:
    """Make everything."""
    _swarm()
    _machines()
    _catalogue()
    op.create_table(
        "holdings",
        sa.Column("peer", sa.LargeBinary(), sa.ForeignKey("members.peer"), primary_key=True),
        sa.Column("manifest", sa.LargeBinary(), primary_key=True),
        sa.Column("bits", sa.LargeBinary(), nullable=True),
    )
    op.create_index("ix_holdings_manifest", "holdings", ["manifest"])
    if op.get_bind().dialect.name == "sqlite":
        for statement in _SEARCH:
            op.execute(statement)


def _swarm() -> None:
    op.create_table(
        "swarm",
        sa.Column(
            "id", sa.Integer(), sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("public", sa.Text(), nullable=False),
        sa.Column("trackers", sa.Text(), nullable=False),
        sa.Column("grace", sa.BigInteger(), nullable=False),
        sa.Column("copies", sa.Integer(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.Column("roster_number", sa.BigInteger(), nullable=False),
        sa.Column("roster", sa.LargeBinary(), nullable=False),
    )


def _machines() -> None:
    op.create_table(
        "members",
        sa.Column("peer", sa.LargeBinary(), primary_key=True),
        sa.Column("static", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("capacity", sa.BigInteger(), nullable=False),
        sa.Column("joined", sa.BigInteger(), nullable=False),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.Column("addresses", sa.Text(), nullable=False),
        sa.Column("stored", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "invites",
        sa.Column("hash", sa.LargeBinary(), primary_key=True),
        sa.Column("id", sa.Text(), nullable=False, unique=True),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.Column("used_by", sa.LargeBinary(), sa.ForeignKey("members.peer"), nullable=True),
    )


def _catalogue() -> None:
    op.create_table(
        "manifests",
        sa.Column("id", sa.LargeBinary(), primary_key=True),
        sa.Column("pieces", sa.Integer(), nullable=False),
        sa.Column("encoded", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "entries",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("id", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("author", sa.LargeBinary(), nullable=False),
        sa.Column("manifest", sa.LargeBinary(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("shown", sa.Boolean(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_entries_author", "entries", ["author"])
    op.create_index("ix_entries_manifest", "entries", ["manifest"])
    op.create_index("ix_entries_newest", "entries", ["shown", "created", "id"])
    op.create_table(
        "entry_manifests",
        sa.Column("entry", sa.LargeBinary(), sa.ForeignKey("entries.id"), primary_key=True),
        sa.Column("manifest", sa.LargeBinary(), primary_key=True),
        sa.Column("change", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_entry_manifests_manifest", "entry_manifests", ["manifest", "change"])
