"""What a peer keeps besides pieces: catalogue, roster, addresses; and sizes and logins."""

from contextlib import suppress

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from peer_net import SwarmOfPeers

from peer.catalogue import Catalogue
from peer.data_dir import DataDir
from peer.database import Database
from peer.errors import NotFoundError, PeerError, UsageError
from peer.roster_book import RosterBook
from peer.swarm.address_book import MOST_ADDRESSES, AddressBook
from peer.units import parse_size
from peer.web_process import LOGIN_LIFETIME, MOST_LOGINS, WebLogins
from protocol.entry import Entry, Record, Tombstone, open_record_untrusted, sign_record
from protocol.errors import RemoteProtocolError
from protocol.identity import Identity
from protocol.ids import AuthorKey, ManifestId, PeerId
from protocol.signing import Signed

M1, M2 = ManifestId(b"1" * 32), ManifestId(b"2" * 32)
PEER = PeerId(b"p" * 32)


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


@pytest.mark.trio
async def test_a_roster_that_forgets_who_was_revoked_is_refused(
    database: Database, swarm: SwarmOfPeers
) -> None:
    book = RosterBook(database, swarm.key)
    revoked = frozenset({swarm.members[0].peer})
    assert await book.offer(swarm.roster(revoked=revoked))
    swarm.number += 1_000_000
    assert not await book.offer(swarm.roster())
    assert book.number == 1
    assert await book.offer(swarm.roster(revoked=revoked))


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
async def test_what_is_kept_is_not_checked_again_but_a_forgery_of_it_is(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue, author, _ = shelf
    good, other = author.entry(1), author.entry(1, salt=b"t" * 16)
    checked: list[Signed] = []

    def check(signed: Signed) -> Record:
        checked.append(signed)
        return open_record_untrusted(signed)

    monkeypatch.setattr("peer.catalogue.open_record_untrusted", check)
    assert all(await catalogue.learn_listed([good]))
    forged = Signed(good.body, other.signature)
    found = await catalogue.learn_listed([good, forged, other])
    assert [each is not None for each in found] == [True, False, True]
    assert checked == [good, forged, other]
    await catalogue.learn(author.tombstone(2))
    assert await catalogue.learn_listed([good]) == [None]


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
    first, second, third = (login_token(logins.mint().url) for _ in range(3))
    assert len({first, second, third}) == 3
    assert logins.redeem(first) == ""
    assert logins.redeem(first) is None
    now[0] += LOGIN_LIFETIME - 1
    assert logins.redeem(second) == ""
    now[0] += 2
    assert logins.redeem(third) is None
    for wrong in (
        "",
        "x",
        first + "a",
        "\ud800".encode("utf-16", "surrogatepass").decode("latin-1"),
    ):
        assert logins.redeem(wrong) is None
    assert logins._open == {}
    # Only hashes are kept.
    token = login_token(logins.mint().url)
    assert token.encode() not in next(iter(logins._open))


def test_a_login_of_a_person_lasts_as_long_as_it_is_said_to() -> None:
    now = [1000.0]
    logins = WebLogins(lambda: now[0])
    logins.url = "http://127.0.0.1:8470"
    assert logins.mint().elsewhere == ""
    logins.elsewhere = "http://192.168.1.5:8470"
    made = logins.mint("Ana", 7200)
    assert made.elsewhere == f"http://192.168.1.5:8470/login?token={login_token(made.url)}"
    late = login_token(logins.mint("Ben", 7200).url)
    now[0] += 7199
    assert logins.redeem(login_token(made.url)) == "Ana"
    now[0] += 2
    assert logins.redeem(late) is None
    # However many are made, the newest is good.
    first = login_token(logins.mint("Eve", 7200).url)
    for _ in range(MOST_LOGINS):
        last = logins.mint("Eve", 7200)
    assert len(logins._open) == MOST_LOGINS
    assert logins.redeem(first) is None
    assert logins.redeem(login_token(last.url)) == "Eve"
