"""What else a peer's brake holds: edits, and what is learnt late; what may go to the trash."""

from pathlib import Path

import pytest
import trio
from deletions import (
    BYTES,
    SIZE,
    bursts,
    decide,
    deleting,
    gone,
    held,
    holds,
    in_trash,
    make_admin,
    purge,
    remove,
    replicated,
    restore,
    tombstone,
    trash_of,
    with_entries,
)
from msgspec import structs
from peer_net import Clock, PeerNet, TestPeer, until

from peer import former
from peer.database import _MIGRATIONS, open_database
from peer.errors import UsageError
from protocol.approval import KEPT_FOR, Approval, sign_approval
from protocol.delete_brake import FEW
from protocol.entry import Entry, sign_record
from protocol.hashing import hash_tombstone
from protocol.identity import generate_identity
from protocol.ids import AuthorKey, ManifestId
from protocol.messages.deleting import GetTrash
from protocol.signing import Signed

OTHER = ManifestId(b"2" * 32)


def renamed(entry: Entry, sequence: int = 2, manifest: ManifestId = OTHER) -> Entry:
    """An edit by which an entry names other content."""
    return structs.replace(entry, sequence=sequence, manifest=manifest)


def decision(signer: TestPeer, deleter: TestPeer, record: Signed, *, approved: bool) -> Signed:
    approval = Approval(
        signer=AuthorKey(signer.me),
        deleter=AuthorKey(deleter.me),
        approved=approved,
        decided=1,
        tombstones=(hash_tombstone(record.body),),
    )
    return sign_approval(approval, signer.identity.signing)


async def names_other(peer: TestPeer, entries: list[Entry]) -> list[int]:
    found = [await peer.parts.catalogue.find(entry.id) for entry in entries]
    return [n for n, known in enumerate(found) if known and known[0].manifest == OTHER]


# Edits


@pytest.mark.trio
async def test_edits_that_name_other_content_are_held_as_deletions_are(
    autojump_clock: Clock, net: PeerNet
) -> None:
    peers = await net.start("one", "two")
    one, two = peers
    entries = await with_entries(peers, 30)
    for entry in entries[:6]:
        await two.parts.catalogue.learn(one.sign(renamed(entry)))
    for entry in entries[6:12]:
        await two.parts.catalogue.learn(one.sign(tombstone(entry, 2)))
    await two.parts.catalogue.learn(one.sign(renamed(entries[12])))
    assert await names_other(two, entries) == list(range(6))
    assert await gone(two, entries) == list(range(6, FEW))
    assert held(two, entries) == list(range(FEW, 13))
    # Words may change as often as anybody likes.
    for entry in entries[20:]:
        words = structs.replace(entry, sequence=2, caption="other words")
        assert (await two.parts.catalogue.learn(one.sign(words)))[1]
    assert (await decide(two, "one")).entries == 4
    assert await names_other(two, entries) == [*range(6), 12]
    assert held(two, entries) == []


@pytest.mark.trio
async def test_what_an_edit_took_away_is_in_the_trash_and_comes_back(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one, two), manifest, entry = await replicated(net, "one", "two")
    await one.link_to(two)
    with pytest.raises(UsageError, match="not been deleted"):
        await restore(one, entry)
    await one.parts.catalogue.learn(one.sign(renamed(entry)), mine=True)
    await until(lambda: in_trash(one, manifest) and in_trash(two, manifest), "put aside")
    (listed,) = (await trash_of(two)).entries
    assert (listed.id, listed.name, listed.by) == (entry.id.hex(), "film", "one")
    assert (await restore(one, entry)).here == manifest.pieces
    await until(lambda: holds(two, manifest), "taken back there too")
    assert (await trash_of(two)).entries == ()
    await one.parts.catalogue.learn(one.sign(renamed(entry, 4)), mine=True)
    await until(lambda: in_trash(two, manifest), "put aside again")
    assert (await purge(two, entry)).bytes == SIZE


@pytest.mark.trio
async def test_an_admin_brings_back_what_an_edit_took_away(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one, two, admin), manifest, entry = await replicated(net, "one", "two", "admin")
    await make_admin(net, admin)
    for peer in (admin, two):
        await peer.parts.catalogue.learn(one.sign(entry))
        await peer.parts.catalogue.learn(one.sign(renamed(entry)))
    await until(lambda: in_trash(two, manifest), "put aside")
    await admin.link_to(two)
    await restore(admin, entry)
    await until(lambda: holds(two, manifest), "back")


@pytest.mark.trio
async def test_a_tombstone_puts_nothing_aside_that_its_entry_never_named(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one, two) = await net.start("one", "two")
    theirs, _ = await two.hold(BYTES)
    throwaway = one.entry(theirs, "throwaway")
    other = structs.replace(throwaway, manifest=OTHER)
    for known in ([one.sign(other)], []):
        for record in [*known, one.sign(tombstone(throwaway, 2))]:
            await two.parts.catalogue.learn(record)
        two.parts.trash.mark(theirs.id)
        await trio.sleep(5)
        assert holds(two, theirs)
        throwaway = structs.replace(throwaway, salt=b"u" * 16)


# Tombstones that come first


@pytest.mark.trio
async def test_entries_that_come_after_their_tombstones_are_braked(
    autojump_clock: Clock, net: PeerNet
) -> None:
    peers = await net.start("one", "two")
    one, two = peers
    entries = await with_entries([one], 30)
    for entry in entries[:14]:
        await two.parts.catalogue.learn(one.sign(tombstone(entry, 2)))
    # A machine that is new hears of many, and nobody has to approve of what it never had.
    assert held(two, entries) == []
    for entry in entries[:12]:
        await two.parts.catalogue.learn(one.sign(entry))
    assert held(two, entries) == [9, 10, 11]
    assert await gone(two, entries) == [*range(FEW), 12, 13]
    # A second time they are only old.
    for entry in entries[:12]:
        await two.parts.catalogue.learn(one.sign(entry))
    assert await gone(two, entries) == [*range(FEW), 12, 13]
    await decide(two, "one")
    assert await gone(two, entries) == list(range(14))


# Decisions


@pytest.mark.trio
@pytest.mark.parametrize("first", ["tombstone", "rejection"])
async def test_an_approval_beats_a_rejection_whatever_comes_first(
    autojump_clock: Clock, net: PeerNet, first: str
) -> None:
    peers = await net.start("one", "two")
    one, two = peers
    entries = await with_entries(peers, 30)
    for entry in entries[:FEW]:
        await two.parts.catalogue.learn(one.sign(tombstone(entry, 2)))
    record = one.sign(tombstone(entries[FEW], 2))
    rejection = decision(two, one, record, approved=False)
    if first == "tombstone":
        await two.parts.catalogue.learn(record)
        assert held(two, entries) == [FEW]
        await two.parts.approvals.learn(rejection)
    else:
        await two.parts.approvals.learn(rejection)
        await two.parts.catalogue.learn(record)
    assert held(two, entries) == []
    assert (await bursts(two)).bursts == ()
    await two.kill()
    two = await net.restart("two")
    assert held(two, entries) == []
    await two.parts.approvals.learn(decision(two, one, record, approved=True))
    assert await gone(two, entries) == list(range(FEW + 1))


@pytest.mark.trio
async def test_decisions_are_forgotten_after_a_year(autojump_clock: Clock, net: PeerNet) -> None:
    peers = await net.start("one", "two")
    one, two = peers
    entries = await with_entries(peers, 20)
    record = one.sign(tombstone(entries[0], 2))
    await two.parts.approvals.learn(decision(two, one, record, approved=False))
    await two.parts.catalogue.learn(record)
    database = two.parts.database.connection
    database.execute("UPDATE verdicts SET decided = decided - ?", (KEPT_FOR,))
    database.execute("UPDATE held_tombstones SET since = since - ?", (KEPT_FOR,))
    other = one.sign(tombstone(entries[1], 2))
    await two.parts.approvals.learn(decision(two, one, other, approved=False))
    assert database.execute("SELECT tombstone FROM verdicts").fetchall() == [
        (hash_tombstone(other.body),)
    ]
    assert database.execute("SELECT count(*) FROM held_tombstones").fetchone() == (0,)


# Lists


@pytest.mark.trio
async def test_a_page_of_the_trash_takes_two_queries(autojump_clock: Clock, net: PeerNet) -> None:
    (one,) = await net.start("one")
    count = former.MOST_LISTED + 50
    manifest, _ = await one.hold(BYTES)
    database = one.parts.database.connection
    for number in range(count):
        entry = one.entry(manifest, f"{number:03}")
        name = ManifestId(number.to_bytes(32))
        old = structs.replace(entry, manifest=name)
        former.keep(database, old, one.sign(old), tombstone(old, 2), 5)
        database.execute(
            "INSERT INTO contents (manifest, path, pieces, size, bits, trashed) "
            "VALUES (?, NULL, 1, 9, NULL, ?)",
            (name, 100 + number),
        )
    done: list[str] = []
    database.set_trace_callback(done.append)
    first = await deleting(one).trash(GetTrash(call=1))
    asked = [statement for statement in done if statement.startswith("SELECT")]
    assert len(asked) == 2
    database.set_trace_callback(None)
    assert (len(first.entries), first.total) == (former.MOST_LISTED, count)
    rest = await deleting(one).trash(GetTrash(call=1, start=former.MOST_LISTED))
    names = [view.name for view in (*first.entries, *rest.entries)]
    assert names == [f"{number:03}" for number in reversed(range(count))]


@pytest.mark.trio
async def test_listing_bursts_takes_as_many_queries_for_few_as_for_many(
    autojump_clock: Clock, net: PeerNet
) -> None:
    peers = await net.start("one", "two")
    one, two = peers
    entries = await with_entries(peers, 60)
    database = two.parts.database.connection
    asked: list[int] = []
    for some in (entries[:20], entries[20:]):
        for entry in some:
            await two.parts.catalogue.learn(one.sign(tombstone(entry, 2)))
        done: list[str] = []
        database.set_trace_callback(done.append)
        await bursts(two)
        database.set_trace_callback(None)
        asked.append(len(done))
    assert asked[0] == asked[1]
    assert (await bursts(two)).bursts[0].entries == 60 - 12


# On disk


@pytest.mark.trio
async def test_what_edits_took_away_is_forgotten_when_the_trash_is_emptied_of_it(
    autojump_clock: Clock, net: PeerNet
) -> None:
    (one,) = await net.start("one")
    manifest, _ = await one.hold(BYTES)
    kept, deleted = await one.publish(manifest, "kept"), await one.publish(manifest, "deleted")
    await one.parts.catalogue.learn(one.sign(renamed(kept)))
    await remove(one, deleted)
    await until(lambda: in_trash(one, manifest), "trash")
    count = "SELECT count(*) FROM former"
    database = one.parts.database.connection
    await one.parts.catalogue.forget_former(1 << 62)
    assert database.execute(count).fetchone() == (2,)
    await purge(one, None)
    await one.parts.catalogue.forget_former(1 << 62)
    # Of what is deleted it stays known that it was here: an old copy of it is no news.
    assert database.execute(count).fetchone() == (1,)
    assert not (await one.parts.catalogue.learn(one.sign(deleted)))[1]


def test_what_was_deleted_and_held_before_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    author = generate_identity()
    entry = Entry(
        salt=bytes(16),
        author=AuthorKey(author.peer),
        sequence=1,
        name="film",
        manifest=OTHER,
        size=1,
        pieces=1,
        files=1,
        kind="file",
        created=1,
    )
    was, dead = (sign_record(each, author.signing) for each in (entry, tombstone(entry, 2)))
    with monkeypatch.context() as before:
        before.setattr("peer.database._MIGRATIONS", _MIGRATIONS[:7])
        old = open_database(tmp_path / "peer.db")
    for key, deleted in ((entry.id, was), (bytes(16), Signed(None, None))):  # type: ignore[arg-type]
        old.connection.execute(
            "INSERT INTO records VALUES (?, ?, 2, 1, 0, 1, ?, ?, ?, ?)",
            (key, OTHER, dead.body, dead.signature, deleted.body, deleted.signature),
        )
    old.connection.execute(
        "INSERT INTO held_tombstones VALUES (?, ?, 2, 7, 1, ?, ?)",
        (entry.id, author.peer, dead.body, dead.signature),
    )
    old.connection.execute("INSERT INTO verdicts VALUES (x'00', x'01', 1)")
    old.close()
    new = open_database(tmp_path / "peer.db").connection
    assert new.execute("SELECT * FROM former").fetchall() == [
        (entry.id, OTHER, 1, author.peer, 5, was.body, was.signature)
    ]
    assert new.execute("SELECT hash, rejected FROM held_tombstones").fetchall() == [
        (hash_tombstone(dead.body), 0)
    ]
    ((decided,),) = new.execute("SELECT decided FROM verdicts").fetchall()
    assert decided > KEPT_FOR
    new.close()
