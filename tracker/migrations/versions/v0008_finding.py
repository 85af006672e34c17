"""What is searched and sorted by besides words, in a narrow table of its own."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from protocol.entry import Entry, read_record
from protocol.kinds import content_kind
from protocol.words import fold, name_key, spaced

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_AT_ONCE = 1000
_TERMS = sa.text("SELECT terms FROM entry_short WHERE rowid = :number")
_FORGET = sa.text("DELETE FROM entry_short WHERE rowid = :number")
_KEEP = sa.text("INSERT INTO entry_short(rowid, terms) VALUES (:number, :terms)")


def upgrade() -> None:
    """Make the table, fill it from the entries that are shown, then its indexes."""
    keys = _make_table()
    _fill(op.get_bind(), keys)
    for name, columns in (
        ("newest", ["created", "id"]),
        ("name", ["name", "id"]),
        ("size", ["size", "id"]),
        ("author", ["author"]),
        ("manifest", ["manifest"]),
        ("kind", ["kind"]),
    ):
        op.create_index(f"ix_search_keys_{name}", "search_keys", columns)
    whole = sa.text("bits IS NULL")
    for name, columns in (
        ("whole", ["manifest", "peer", "doubted"]),
        ("of", ["peer", "manifest", "doubted"]),
    ):
        op.create_index(
            f"ix_holdings_{name}", "holdings", columns, sqlite_where=whole, postgresql_where=whole
        )


def _make_table() -> sa.Table:
    return op.create_table(
        "search_keys",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("copies", sa.Integer(), nullable=False),
        sa.Column("author", sa.LargeBinary(), nullable=False),
        sa.Column("manifest", sa.LargeBinary(), nullable=False),
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("named", sa.Text(), nullable=False),
    )


def _fill(connection: sa.Connection, keys: sa.Table) -> None:
    entries = sa.table(
        "entries",
        sa.column("number", sa.BigInteger),
        sa.column("body", sa.LargeBinary),
        sa.column("shown", sa.Boolean),
    )
    shown = sa.select(entries.c.number, entries.c.body).where(entries.c.shown)
    last = -1
    while True:
        portion = shown.where(entries.c.number > last).order_by(entries.c.number).limit(_AT_ONCE)
        rows = connection.execute(portion).all()
        if not rows:
            return
        last = rows[-1].number
        found = [_row(row) for row in rows]
        connection.execute(sa.insert(keys), found)
        if connection.dialect.name == "sqlite":
            _index_names(connection, found)


def _index_names(connection: sa.Connection, rows: list[dict[str, Any]]) -> None:
    """Put the words of names beside the terms that are there: rows of FTS5 are written anew."""
    for row in rows:
        number = {"number": row["number"]}
        terms = connection.execute(_TERMS, number).scalar() or ""
        words = dict.fromkeys(row["named"].split())
        spelled = " ".join([terms, *("n" + word.encode().hex() for word in words)])
        connection.execute(_FORGET, number)
        connection.execute(_KEEP, number | {"terms": spelled})


def _row(row: Any) -> dict[str, Any]:
    entry = read_record(row.body)
    assert isinstance(entry, Entry)  # a tombstone is never shown
    return {
        "number": row.number,
        "created": entry.created,
        "size": entry.size,
        "kind": content_kind(entry.kind, entry.name),
        "copies": entry.copies,
        "author": entry.author,
        "manifest": entry.manifest,
        "id": entry.id,
        "name": name_key(entry.name),
        "named": spaced(fold(entry.name)),
    }
