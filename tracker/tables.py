"""The tables of the tracker's database, as SQLAlchemy sees them; the migrations make them.

Ids are what the protocol calls them, as bytes. Numbers that order things (`change`, an entry's
`number`) are drawn from one counter inside the write transaction, never from a sequence. The
search index is not here: it belongs to `search_index`.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    and_,
    text,
)

from protocol.roster import OUTSIDE

metadata = MetaData()
_ORDERED_TEXT = Text().with_variant(Text(collation="C"), "postgresql")
"""Ordered by code points, as Python does, whatever the locale of the database."""

swarm = Table(
    "swarm",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("public", Text, nullable=False),
    Column("trackers", Text, nullable=False),
    Column("grace", BigInteger, nullable=False),
    Column("copies", Integer, nullable=False),
    Column("change", BigInteger, nullable=False),
    Column("roster_number", BigInteger, nullable=False),
    Column("roster", LargeBinary, nullable=False),
    Column("epoch", LargeBinary, nullable=False),
    Column("floor", BigInteger, nullable=False),
    Column("base", BigInteger, nullable=False),
    Column("rebuilt", BigInteger, nullable=False),
    Column("touched", BigInteger, nullable=False, server_default=text("0")),
)
"""One row. `public` and `trackers` hold addresses, one a line; `roster` is the signed document.
`epoch` is another in each database: numbers of changes are of one epoch. Rosters from number
`floor` on were made here, `base` is the highest that was handed over (`handed_rosters`); `rebuilt`
is when this database took the place of a lost one, in milliseconds since 1970, 0 for never.
`touched` rises with each transaction that changes what searches keep in memory: not `change`, of
which entries draw their numbers, as sets of entries are as long as the highest of those."""

members = Table(
    "members",
    metadata,
    Column("peer", LargeBinary, primary_key=True),
    Column("static", LargeBinary, nullable=False, unique=True),
    Column("name", _ORDERED_TEXT, nullable=False),
    Column("zone", Text, nullable=False),
    Column("capacity", BigInteger, nullable=False),
    Column("joined", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("admin", Boolean, nullable=False),
    Column("addresses", Text, nullable=False),
    Column("stored", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False),
)
"""Every machine that ever joined. `seen` is milliseconds since 1970, 0 for never; `state` is what
the roster lists it as."""

inside = and_(*(members.c.state != state for state in sorted(OUTSIDE)))
"""Of rows of `members`: those that are members now."""

invites = Table(
    "invites",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("zone", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("revoked", Boolean, nullable=False),
    Column("used_by", LargeBinary, ForeignKey("members.peer"), nullable=True),
)
"""Invites by the hash of their token; times are milliseconds since 1970."""

manifests = Table(
    "manifests",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("pieces", Integer, nullable=False),
    Column("encoded", LargeBinary, nullable=False),
)

entries = Table(
    "entries",
    metadata,
    Column(
        "number",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("id", LargeBinary, nullable=False, unique=True),
    Column("author", LargeBinary, nullable=False, index=True),
    Column("manifest", LargeBinary, nullable=False, index=True),
    Column("sequence", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("shown", Boolean, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("restored", Boolean, nullable=False, index=True),
    Column("copies", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("learnt", BigInteger, nullable=False),
    Column("rendition", Boolean, nullable=False),
)
"""The newest record of each entry, tombstones too; `shown` while live and its manifest is here,
`restored` once it was deleted and is there again. `copies` and `size` are the record's, 0 of a
tombstone. `learnt` is when its manifest was first named here, in milliseconds since 1970: `created`
is by the author's clock. A `rendition` of a picture is found by its id, never by a search, and does
not count as an entry."""

search_keys = Table(
    "search_keys",
    metadata,
    Column(
        "number",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("created", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("copies", Integer, nullable=False),
    Column("author", LargeBinary, nullable=False),
    Column("manifest", LargeBinary, nullable=False),
    Column("id", LargeBinary, nullable=False),
    Column("name", _ORDERED_TEXT, nullable=False),
    Column("named", Text, nullable=False),
    Index("ix_search_keys_newest", "created", "id"),
    Index("ix_search_keys_name", "name", "id"),
    Index("ix_search_keys_size", "size", "id"),
    Index("ix_search_keys_manifest", "manifest"),
)
"""What shown entries are found and sorted by, by their number: a third of their own rows, so that
many can be looked at. `kind` is a ContentKind; `name` and `named` are `name_key` and `spaced` of
the name."""

held_tombstones = Table(
    "held_tombstones",
    metadata,
    Column("entry", LargeBinary, primary_key=True),
    Column("hash", LargeBinary, nullable=False, index=True),
    Column("signer", LargeBinary, nullable=False),
    Column("manifest", LargeBinary, nullable=False, index=True),
    Column("sequence", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("rejected", Boolean, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Index("ix_held_tombstones_waiting", "signer", "rejected", "since"),
)
"""Deletions that wait for approval, edits that name other content among them; and those `rejected`,
as an approval may still come. `hash` is what an approval names them by."""

deletions = Table(
    "deletions",
    metadata,
    Column("entry", LargeBinary, primary_key=True),
    Column("signer", LargeBinary, nullable=False, index=True),
    Column("moment", BigInteger, nullable=False),
)
"""What was deleted lately without anybody's approval, for the brake to count."""

approvals = Table(
    "approvals",
    metadata,
    Column("signature", LargeBinary, primary_key=True),
    Column("change", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
"""The newest approvals, to tell members of that were away."""

verdicts = Table(
    "verdicts",
    metadata,
    Column("tombstone", LargeBinary, primary_key=True),
    Column("deleter", LargeBinary, primary_key=True),
    Column("approved", Boolean, nullable=False),
    Column("signer", LargeBinary, nullable=False, index=True),
    Column("decided", BigInteger, nullable=False, index=True),
)
"""What approvals say of single tombstones, by hash; `decided` is when the tracker heard of it."""

entry_manifests = Table(
    "entry_manifests",
    metadata,
    Column("entry", LargeBinary, ForeignKey("entries.id"), primary_key=True),
    Column("manifest", LargeBinary, primary_key=True),
    Column("change", BigInteger, nullable=False),
    Index("ix_entry_manifests_manifest", "manifest", "change"),
)
"""Every manifest an entry ever named, with the number of the entry's last change: who holds an
old version learns of the new one."""

holdings = Table(
    "holdings",
    metadata,
    Column("peer", LargeBinary, ForeignKey("members.peer"), primary_key=True),
    Column("manifest", LargeBinary, primary_key=True),
    Column("bits", LargeBinary, nullable=True),
    Column("doubted", BigInteger, nullable=True),
    Index("ix_holdings_manifest", "manifest"),
    Index(
        "ix_holdings_partial",
        "manifest",
        sqlite_where=text("bits IS NOT NULL"),
        postgresql_where=text("bits IS NOT NULL"),
    ),
    Index(
        "ix_holdings_of",
        "peer",
        "manifest",
        "doubted",
        sqlite_where=text("bits IS NULL"),
        postgresql_where=text("bits IS NULL"),
    ),
    Index(
        "ix_holdings_whole",
        "manifest",
        "peer",
        "doubted",
        sqlite_where=text("bits IS NULL"),
        postgresql_where=text("bits IS NULL"),
    ),
)
"""What each peer said it holds, exactly as it said it; `bits` is NULL for all pieces. Reported as
failed in an audit, it does not count until `doubted`, milliseconds since 1970."""

audit = Table(
    "audit",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("moment", BigInteger, nullable=False),
    Column("act", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("note", Text, nullable=False),
    Index("ix_audit_moment", "moment", "id"),
)
"""Who did what: by chance in order within a millisecond, as `id` is random."""

trackers = Table(
    "trackers",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("addresses", Text, nullable=False),
    Column("beat", BigInteger, nullable=False),
    Column("moves", BigInteger, nullable=False),
)
"""The trackers that run on this database, each run with an `id` of its own, in the order of
`number`; none with SQLite. `beat` rises while one lives, `moves` when its rows of `present`
change."""

present = Table(
    "present",
    metadata,
    Column("tracker", LargeBinary, primary_key=True),
    Column("peer", LargeBinary, primary_key=True),
    Column("live", Boolean, nullable=False),
    Column("addresses", Text, nullable=False),
    Column("moved", BigInteger, nullable=False),
    Index("ix_present_moved", "tracker", "moved"),
)
"""Who is, or was, connected to which tracker; `moved` is its `moves` when that last changed."""

notes = Table(
    "notes",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
)
"""What transactions have changed, for other trackers, by a number of `swarm.change`; the oldest go,
the newest never. None with SQLite."""

OF_TRACKERS = frozenset({trackers, present, notes})
"""Not of the swarm, but of who runs on this database: no backup has them."""
