"""What a peer keeps on disk besides pieces: catalogue, roster, addresses, keys, the database."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from peer_net import Clock, SwarmOfPeers

from peer.catalogue import Catalogue
from peer.data_dir import DataDir, write_private
from peer.database import _MIGRATIONS, Database, open_database
from peer.errors import InUseError, NotFoundError, NotJoinedError, PeerError, UsageError
from peer.roster_book import RosterBook
from peer.store.file_stats import read_stats
from peer.store.splitter import FileStat
from peer.swarm.address_book import MOST_ADDRESSES, AddressBook
from peer.units import parse_size
from peer.web_process import LOGIN_LIFETIME, WebLogins
from protocol.entry import Entry, Tombstone, open_record_untrusted, sign_record
from protocol.errors import RemoteProtocolError
from protocol.identity import Identity
from protocol.ids import AuthorKey, ManifestId, PeerId
from protocol.signing import Signed

M1, M2 = ManifestId(b"1" * 32), ManifestId(b"2" * 32)
PEER = PeerId(b"p" * 32)


@pytest.fixture
def swarm() -> SwarmOfPeers:
    return SwarmOfPeers()


@pytest.fixture
def directory(tmp_path: Path, swarm: SwarmOfPeers) -> DataDir:
    swarm.join(tmp_path / "data", "nas")
    return DataDir(tmp_path / "data")


@pytest.fixture
def database(directory: DataDir) -> Iterator[Database]:
    database = open_database(directory.database)
    yield database
    database.close()


# The roster


@pytest.mark.trio
async def test_only_a_higher_number_replaces_a_roster(
    database: Database, swarm: SwarmOfPeers
) -> None:
    book = RosterBook(database, swarm.key)
    first, second, third = swarm.roster(), swarm.roster(), swarm.roster()
    assert book.number == 0
    assert await book.offer(second)
    assert not await book.offer(first)
    assert not await book.offer(second)
    assert (book.number, book.encoded) == (2, second)
    assert await book.offer(third)
    again = RosterBook(database, swarm.key)
    again.load()
    assert (again.number, again.encoded) == (3, third)
    assert again.ring.members == book.ring.members
    assert again.name_of(swarm.members[0].peer) == "nas"
    assert again.name_of(bytes(32)) == "000000000000"


@pytest.mark.trio
async def test_forged_rosters_are_refused(database: Database, swarm: SwarmOfPeers) -> None:
    book = RosterBook(database, swarm.key)
    good = swarm.roster()
    await book.offer(good)
    other = SwarmOfPeers()
    other.members, other.number = swarm.members, 5
    flipped = bytearray(swarm.roster())
    flipped[40] ^= 1
    for bad in (other.roster(), bytes(flipped), b"", good[:-1], good + b"\0"):
        with pytest.raises(RemoteProtocolError):
            await book.offer(bad)
    assert (book.number, book.encoded) == (1, good)
    again = RosterBook(database, swarm.key)
    again.load()
    assert again.number == 1


# The catalogue


class Author:
    """Signs records as the one member of a swarm."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity

    def entry(self, sequence: int = 1, *, manifest: ManifestId = M1, **more: object) -> Signed:
        fields: dict[str, object] = {
            "salt": b"s" * 16,
            "author": AuthorKey(self.identity.peer),
            "sequence": sequence,
            "name": f"name {sequence}",
            "manifest": manifest,
            "size": 1,
            "pieces": 1,
            "files": 1,
            "kind": "file",
            "created": sequence,
        }
        return sign_record(Entry(**(fields | more)), self.identity.signing)  # type: ignore[arg-type]

    def tombstone(self, sequence: int, manifest: ManifestId = M1) -> Signed:
        record = Tombstone(
            salt=b"s" * 16,
            author=AuthorKey(self.identity.peer),
            sequence=sequence,
            manifest=manifest,
            deleted=9,
        )
        return sign_record(record, self.identity.signing)


@pytest.fixture
async def shelf(
    directory: DataDir, database: Database, swarm: SwarmOfPeers
) -> tuple[Catalogue, Author, RosterBook]:
    rosters = RosterBook(database, swarm.key)
    await rosters.offer(swarm.roster())
    return Catalogue(database, rosters, lambda: 1), Author(directory.load_identity()), rosters


Shelf = tuple[Catalogue, Author, RosterBook]


@pytest.mark.trio
async def test_higher_sequences_win_and_survive(shelf: Shelf, database: Database) -> None:
    catalogue, author, rosters = shelf
    record, new = await catalogue.learn(author.entry(2, copies=3))
    assert new
    assert catalogue.copies_wanted(M1) == 3
    for old in (author.entry(1), author.entry(2, name="other")):
        assert (await catalogue.learn(old))[1] is False
    assert (await catalogue.learn(author.entry(3, copies=5)))[1]
    assert (await catalogue.learn(author.tombstone(3)))[1]
    assert catalogue.copies_wanted(M1) == 0
    assert not (await catalogue.learn(author.entry(3)))[1]
    found = await catalogue.find(record.id)
    assert found is not None
    assert isinstance(found[0], Tombstone)
    assert await catalogue.naming(M1) == []
    assert (await catalogue.learn(author.entry(4)))[1]
    again = Catalogue(database, rosters, lambda: 1)
    again.load()
    assert again.copies_wanted(M1) == 2


@pytest.mark.trio
@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
async def test_of_records_learnt_at_once_the_newest_stays(
    shelf: Shelf, order: tuple[int, ...]
) -> None:
    catalogue, author, _ = shelf
    async with trio.open_nursery() as nursery:
        for sequence in order:
            nursery.start_soon(catalogue.learn, author.entry(sequence))
        nursery.start_soon(catalogue.learn, author.tombstone(4))
    assert await catalogue.naming(M1) == []
    assert catalogue.copies_wanted(M1) == 0


@pytest.mark.trio
async def test_an_edit_that_names_other_content_frees_the_old(shelf: Shelf) -> None:
    catalogue, author, _ = shelf
    await catalogue.learn(author.entry(1))
    await catalogue.learn(author.entry(2, manifest=M2))
    assert (catalogue.copies_wanted(M1), catalogue.copies_wanted(M2)) == (0, 2)


@pytest.mark.trio
async def test_the_most_copies_anyone_wants_count(shelf: Shelf) -> None:
    catalogue, author, _ = shelf
    await catalogue.learn(author.entry(1, copies=2))
    await catalogue.learn(author.entry(1, salt=b"t" * 16, copies=4))
    assert catalogue.copies_wanted(M1) == 4
    assert len(await catalogue.naming(M1)) == 2
    await catalogue.learn(author.entry(2, salt=b"t" * 16, copies=1))
    assert catalogue.copies_wanted(M1) == 2


@pytest.mark.trio
async def test_strangers_and_forgers_are_refused(shelf: Shelf) -> None:
    catalogue, author, _ = shelf
    good = author.entry(1)
    key = Ed25519PrivateKey.generate()
    stranger = AuthorKey(key.public_key().public_bytes_raw())
    foreign = sign_record(
        Entry(
            salt=bytes(16),
            author=stranger,
            sequence=1,
            name="x",
            manifest=M1,
            size=1,
            pieces=1,
            files=1,
            kind="file",
            created=1,
        ),
        key,
    )
    for bad in (foreign, Signed(good.body, bytes(64)), Signed(b"", good.signature)):
        with pytest.raises(RemoteProtocolError):
            await catalogue.learn(bad)
    assert catalogue.copies_wanted(M1) == 0


@pytest.mark.trio
async def test_finding_by_the_beginning_of_an_id(shelf: Shelf) -> None:
    catalogue, author, _ = shelf
    record, _ = await catalogue.learn(author.entry(1))
    for number in range(300):
        await catalogue.learn(author.entry(1, salt=number.to_bytes(16), name=f"{number}"))
    assert (await catalogue.find_prefix(record.id)).name == "name 1"
    assert (await catalogue.find_prefix(record.id[:8])).id == record.id
    with pytest.raises(UsageError, match="several"):
        await catalogue.find_prefix(b"")
    with pytest.raises(NotFoundError):
        await catalogue.find_prefix(bytes(16))
    await catalogue.learn(author.tombstone(2))
    with pytest.raises(NotFoundError):
        await catalogue.find_prefix(record.id)


@pytest.mark.trio
async def test_portions_and_publishing(shelf: Shelf) -> None:
    catalogue, author, _ = shelf
    await catalogue.learn(author.entry(1, name="Straße im Winter", tags=("Foto",)), mine=True)
    await catalogue.learn(author.entry(5, salt=b"t" * 16, name="winter", caption="100% STRASSE"))
    first, second = await catalogue.live_after(b"", 10)
    assert {first.name, second.name} == {"Straße im Winter", "winter"}
    assert await catalogue.live_after(b"", 1) == [first]
    assert await catalogue.live_after(first.id, 10) == [second]
    assert len(await catalogue.unpublished()) == 1
    record, _ = await catalogue.learn(author.entry(2), mine=True)
    # The tracker's word on the older one comes late.
    older, _ = await catalogue.learn(author.entry(1, name="Straße im Winter", tags=("Foto",)))
    await catalogue.mark_published(older)
    assert len(await catalogue.unpublished()) == 1
    await catalogue.mark_published(record)
    assert await catalogue.unpublished() == []
    for number in range(3):
        await catalogue.learn(author.entry(1, salt=bytes([number]) * 16), mine=True)
    waiting = [open_record_untrusted(signed).id for signed in await catalogue.unpublished()]
    after = await catalogue.unpublished(waiting[0])
    assert [open_record_untrusted(signed).id for signed in after] == waiting[1:]
    assert await catalogue.unpublished(waiting[-1]) == []


@pytest.mark.trio
async def test_the_last_change_is_remembered(shelf: Shelf, database: Database) -> None:
    catalogue, _, rosters = shelf
    await catalogue.remember_change(1 << 40)
    again = Catalogue(database, rosters, lambda: 1)
    again.load()
    assert again.seen_change == 1 << 40


# Addresses


@pytest.mark.trio
async def test_addresses_are_kept_in_order_and_bounded(database: Database) -> None:
    book = AddressBook(database)
    many = tuple(f"10.0.0.{n}:4440" for n in range(20))
    await book.learn(PEER, ("nonsense", "nas:0", "nas:4440", "[::1]:4441"))
    assert [str(a) for a in book.candidates(PEER)] == ["nas:4440", "[::1]:4441"]
    await book.learn(PEER, ())
    await book.learn(PEER, ("nonsense",))
    assert len(book.candidates(PEER)) == 2
    await book.learn(PEER, many)
    again = AddressBook(database)
    again.load()
    assert [str(a) for a in again.candidates(PEER)] == list(many[:MOST_ADDRESSES])
    assert again.candidates(PeerId(bytes(32))) == ()


# The data directory


def test_a_second_lock_is_refused(directory: DataDir) -> None:
    lock = directory.lock()
    with pytest.raises(InUseError, match="already running"):
        directory.lock()
    os.close(lock)
    os.close(directory.lock())


def test_secrets_are_for_their_owner_only(tmp_path: Path, swarm: SwarmOfPeers) -> None:
    mask = os.umask(0)
    try:
        swarm.join(tmp_path / "data", "nas")
        directory = DataDir(tmp_path / "data")
        os.close(directory.lock())
        open_database(directory.database).close()
    finally:
        os.umask(mask)
    for name in ("identity.key", "membership.json", "lock", "peer.db"):
        assert stat.S_IMODE((directory.root / name).stat().st_mode) == 0o600, name
    for folder in (directory.root, directory.content, directory.trash, directory.spool):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not list(directory.root.glob("*.new"))


def test_the_identity_stays(directory: DataDir) -> None:
    assert directory.load_identity().peer == directory.load_identity().peer
    assert directory.is_joined()
    assert "psk" not in repr(directory.load_joined())


@pytest.mark.parametrize("damage", [b"", b"zz", b"00" * 63, b"\xff\xfe", b"{}"])
def test_damaged_files_say_which(directory: DataDir, damage: bytes) -> None:
    write_private(directory.root / "identity.key", damage)
    with pytest.raises(PeerError, match=r"identity\.key is damaged"):
        directory.load_identity()
    write_private(directory.root / "membership.json", damage)
    with pytest.raises(PeerError, match=r"membership\.json is damaged"):
        directory.load_joined()


def test_not_joined_yet_says_what_to_do(tmp_path: Path) -> None:
    directory = DataDir(tmp_path)
    assert not directory.is_joined()
    with pytest.raises(NotJoinedError, match="twofold join"):
        directory.load_joined()


def test_a_data_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PeerError, match="cannot use data directory"):
        DataDir(tmp_path / "file" / "data").create()


# The database


def test_migrating_twice_is_harmless(tmp_path: Path) -> None:
    first = open_database(tmp_path / "peer.db")
    first.run_sync(lambda c: c.execute("INSERT INTO facts VALUES ('a', 1)"))
    schema = first.connection.execute("SELECT sql FROM sqlite_master").fetchall()
    first.close()
    second = open_database(tmp_path / "peer.db")
    assert second.connection.execute("SELECT sql FROM sqlite_master").fetchall() == schema
    assert second.connection.execute("SELECT count(*) FROM facts").fetchone() == (1,)
    assert second.connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert second.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    second.close()


def test_an_older_database_keeps_all_it_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 3 moves the manifests to a table of their own, version 4 packs the stats."""
    with monkeypatch.context() as before:
        before.setattr("peer.database._MIGRATIONS", _MIGRATIONS[:1])
        old = open_database(tmp_path / "peer.db")
    for key in (b"a", b"b"):
        row = (key, key * 100_000)
        old.connection.execute("INSERT INTO contents VALUES (?, ?, '/x', 1, 9, NULL, NULL)", row)
        files = [(key, 1, 2**40, 10**18), (key, 0, 9, -7)]
        old.connection.executemany("INSERT INTO stats VALUES (?, ?, ?, ?)", files)
    old.close()
    new = open_database(tmp_path / "peer.db").connection
    held = "SELECT manifest, path, size, encoded FROM contents JOIN manifests USING (manifest)"
    rows = [(key, "/x", 9, key * 100_000) for key in (b"a", b"b")]
    assert new.execute(held).fetchall() == rows
    new.execute("DELETE FROM contents WHERE manifest = ?", (b"a",))
    assert new.execute(held).fetchall() == rows[1:]
    left = new.execute("SELECT manifest, files FROM file_stats").fetchall()
    assert left == [(b"b", 2)]
    assert read_stats(new, ManifestId(b"b")) == {0: FileStat(9, -7), 1: FileStat(2**40, 10**18)}
    assert new.execute("SELECT manifest FROM manifests").fetchall() == [(b"b",)]
    new.close()


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    database = open_database(tmp_path / "peer.db")
    database.connection.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(PeerError, match="newer twofold"):
        open_database(tmp_path / "peer.db")


@pytest.mark.parametrize("content", [b"not a database at all" * 100, None])
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes | None) -> None:
    if content is None:
        (tmp_path / "peer.db").mkdir()
    else:
        (tmp_path / "peer.db").write_bytes(content)
    with pytest.raises(PeerError, match="cannot be used"):
        open_database(tmp_path / "peer.db")


@pytest.mark.trio
async def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO facts VALUES ('half', 1)")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        await database.run(work)
    assert await database.run(lambda c: c.execute("SELECT * FROM facts").fetchall()) == []


@pytest.mark.trio
async def test_many_tasks_share_one_connection(database: Database, autojump_clock: Clock) -> None:
    async def add(number: int) -> None:
        await database.run(
            lambda c: c.execute("INSERT INTO facts VALUES (?, ?)", (str(number), number))
        )

    async with trio.open_nursery() as nursery:
        for number in range(50):
            nursery.start_soon(add, number)
    assert database.connection.execute("SELECT count(*) FROM facts").fetchone() == (50,)


# Sizes, and logins to the page


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("17", 17),
        ("1b", 1),
        ("100GiB", 100 << 30),
        ("100 gib", 100 << 30),
        ("2TB", 2 * 10**12),
        ("1.5 GiB", 3 << 29),
        ("3k", 3072),
        ("1kB", 1000),
        (" 1 M ", 1 << 20),
        ("9007199254740993", 9007199254740993),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "GiB", "-1", "1.GiB", "1e3", "1 GiB x", "0x10", "1,5G", "inf"]
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError, match="is not a size"):
        parse_size(text)


@given(st.text(max_size=12) | st.just("9" * 400 + "TB"))
def test_any_text_is_a_size_or_a_usage_error(text: str) -> None:
    with suppress(UsageError):
        assert parse_size(text) >= 0


def login_token(url: str) -> str:
    return url.partition("?token=")[2]


def test_a_login_works_once_and_not_for_ever() -> None:
    now = [1000.0]
    logins = WebLogins(lambda: now[0])
    with pytest.raises(PeerError, match="without a web page"):
        logins.mint()
    logins.url = "http://127.0.0.1:8470"
    first, second, third = (login_token(logins.mint()) for _ in range(3))
    assert len({first, second, third}) == 3
    assert logins.redeem(first)
    assert not logins.redeem(first)
    now[0] += LOGIN_LIFETIME - 1
    assert logins.redeem(second)
    now[0] += 2
    assert not logins.redeem(third)
    for wrong in (
        "",
        "x",
        first + "a",
        "\ud800".encode("utf-16", "surrogatepass").decode("latin-1"),
    ):
        assert not logins.redeem(wrong)
    assert logins._open == {}
    # Only hashes are kept.
    token = login_token(logins.mint())
    assert token.encode() not in next(iter(logins._open))
