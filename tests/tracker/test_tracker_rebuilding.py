"""A tracker that lost its database: what members hand over, and what of that it believes."""

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from msgspec import structs
from sqlalchemy import select
from tracker_support import (
    NOW,
    Swarm,
    Talk,
    admit,
    entry_of,
    found,
    manifest_of,
    new_token,
    running,
    signed,
    tombstone_of,
)

from protocol.connection import Ended
from protocol.entry import Entry, Record, read_record, sign_restoration
from protocol.errors import RefusedError
from protocol.hello import MemberHello
from protocol.identity import Identity, generate_identity
from protocol.ids import EntryId
from protocol.inventory import inventory_digest
from protocol.manifest import Manifest
from protocol.messages.base import Done, Failed
from protocol.messages.rebuilding import (
    GiveEntries,
    GiveManifests,
    HandRoster,
    OfferEntries,
    Wanted,
)
from protocol.messages.tracking import EntryChanged, Present, Presented, Search
from protocol.roster import (
    Member,
    Roster,
    encode_signed,
    open_roster_untrusted,
    sign_membership,
    sign_roster,
)
from protocol.signing import Signed
from tracker import handed_rosters, members, swarm, tables
from tracker.asked import ASKED_FOR, Asked
from tracker.handed_rosters import AHEAD


def member_of(identity: Identity, name: str, **fields: Any) -> Member:
    known = {"peer": identity.peer, "static": identity.static_key, "name": name, "joined": NOW}
    return Member(**(known | fields))


def roster_of(club: Swarm, number: int, *listed: Member, key: Any = None) -> bytes:
    """A roster that the tracker made before it lost its database."""
    roster = Roster(
        swarm=club.keys.public,
        number=number,
        name="old club",
        trackers=("old.example:4100",),
        grace=99,
        members=listed,
    )
    return encode_signed(sign_roster(key or club.keys.signing, roster))


@pytest.fixture
async def lost(
    tmp_path: Path, nursery: trio.Nursery, mock_clock: trio.testing.MockClock
) -> AsyncIterator[Swarm]:
    """A tracker whose database has just been found empty."""
    with running(tmp_path, nursery) as club:
        club.database.write_now(
            lambda c: c.execute(tables.swarm.update().values(rebuilt=NOW, public=""))
        )
        yield club
        nursery.cancel_scope.cancel()


async def unlisted(club: Swarm, identity: Identity, roster: int = 1) -> Talk:
    """A connection of a member that the empty database knows nothing of."""
    membership = sign_membership(club.keys.signing, member_of(identity, "x"))
    club.memberships[identity.peer] = membership
    return await club.open(identity, MemberHello(version="t", membership=membership, roster=roster))


async def present(talk: Talk, **fields: Any) -> Any:
    values: dict[str, Any] = {
        "addresses": ("192.168.1.7:4101",),
        "capacity": 1,
        "stored": 0,
        "digest": inventory_digest(()),
        "seen": 0,
    }
    return await talk.ask(Present, **(values | fields))


async def hand(talk: Talk, encoded: bytes) -> Any:
    return await talk.ask(HandRoster, encoded, length=len(encoded))


async def returned(club: Swarm, *identities: Identity, number: int = 7) -> list[Talk]:
    """Members that are known again, the first by the roster it handed over."""
    listed = [member_of(each, f"m{i}", capacity=1) for i, each in enumerate(identities)]
    talks = []
    for identity in identities:
        talk = await unlisted(club, identity, number)
        if not talks:
            assert isinstance(await hand(talk, roster_of(club, number, *listed)), Done)
        assert (await present(talk)).listed
        talks.append(talk)
    return talks


async def offer(talk: Talk, *records: Record, manifest: bool = True) -> Wanted:
    known = tuple(
        (record.id, record.sequence, not isinstance(record, Entry), manifest) for record in records
    )
    wanted = await talk.ask(OfferEntries, known=known)
    assert isinstance(wanted, Wanted)
    return wanted


async def give(talk: Talk, records: Iterable[Signed], given: Iterable[Manifest] = ()) -> None:
    assert isinstance(await talk.ask(GiveEntries, records=tuple(records)), Done)
    sizes = tuple((manifest.id, len(manifest.encoded)) for manifest in given)
    if sizes:
        content = b"".join(manifest.encoded for manifest in given)
        assert isinstance(
            await talk.ask(GiveManifests, content, length=len(content), manifests=sizes), Done
        )


async def names(talk: Talk) -> list[str]:
    listings = (await talk.ask(Search, words="")).listings
    return sorted(read_record(each.record.body).name for each in listings)


def some_entries(author: Identity, count: int) -> tuple[list[Entry], list[Manifest]]:
    manifests = [manifest_of(1, seed) for seed in range(count)]
    entries = [
        entry_of(manifest, author, salt=seed.to_bytes(16), name=f"{seed}")
        for seed, manifest in enumerate(manifests)
    ]
    return entries, manifests


# --- the roster ---------------------------------------------------------------------------------


@pytest.mark.trio
async def test_a_member_hands_over_the_roster_that_lists_it(lost: Swarm) -> None:
    one, two, gone = (generate_identity() for _ in range(3))
    talk = await unlisted(lost, one, 7)
    greeting = await present(talk)
    assert not greeting.listed
    assert greeting.roster < 7
    listed = (
        member_of(one, "one", zone="attic", admin=True),
        member_of(two, "two"),
        member_of(gone, "gone", state="revoked"),
    )
    assert isinstance(await hand(talk, roster_of(lost, 7, *listed)), Done)
    roster = lost.tracker.roster.roster
    assert set(roster.members) == set(listed)
    assert (roster.name, roster.grace, roster.number) == ("old club", 99, 7 + AHEAD)
    # Where members found it counts beside what it knows of itself, also at its next start.
    assert set(roster.trackers) == {"old.example:4100", "nas.local:4100"}
    assert (await present(talk)).listed
    assert (await present(await unlisted(lost, two, 7))).listed
    with pytest.raises(RefusedError, match="revoked"):
        await (await unlisted(lost, gone)).channel.receive()


@pytest.mark.trio
async def test_an_unlisted_member_may_say_nothing_else(lost: Swarm) -> None:
    talk = await unlisted(lost, generate_identity())
    await talk.channel.send(Search(call=1, words=""))
    ended = await talk.channel.receive()
    assert isinstance(ended, Ended)
    assert "not for a returning" in ended.reason


@pytest.mark.trio
async def test_a_roster_that_the_swarm_did_not_sign_is_refused(lost: Swarm) -> None:
    machine = generate_identity()
    talk = await unlisted(lost, machine, 7)
    forged = roster_of(lost, 7, member_of(machine, "x"), key=machine.signing)
    assert (await hand(talk, forged)).kind == "invalid"
    assert (await hand(talk, roster_of(lost, 7))).kind == "refused"
    assert not lost.tracker.roster.roster.peers()


@pytest.mark.trio
async def test_who_was_revoked_stays_out_whichever_roster_comes_first(lost: Swarm) -> None:
    good, bad = generate_identity(), generate_identity()
    old = (member_of(good, "good"), member_of(bad, "bad"))
    first = await unlisted(lost, bad, 6)
    assert isinstance(await hand(first, roster_of(lost, 6, *old)), Done)
    assert (await present(first)).listed
    # Made here meanwhile: still, what the old tracker made after the first one has the last word.
    lost.admit("new")
    newest = (member_of(good, "good"), structs.replace(old[1], state="revoked"))
    talk = await unlisted(lost, good, 9)
    assert isinstance(await hand(talk, roster_of(lost, 9, *newest)), Done)
    with pytest.raises(RefusedError, match="revoked"):
        await first.until_the_end()
    states = {m.name: m.state for m in lost.tracker.roster.roster.members}
    assert states == {"good": "active", "bad": "revoked", "new": "active"}
    # Neither an older one brings it back, nor one that this tracker made itself.
    number = lost.tracker.roster.number
    assert isinstance(await hand(talk, roster_of(lost, 8, *old)), Done)
    assert isinstance(await hand(talk, roster_of(lost, number - 1, *old)), Done)
    assert lost.tracker.roster.number == number


def take(club: Swarm, encoded: bytes) -> Roster | None:
    taken = club.database.write_now(
        lambda c: handed_rosters.take_roster(c, club.keys.signing, encoded)
    )
    return taken and open_roster_untrusted(taken.encoded, club.keys.public)


@pytest.mark.trio
async def test_an_older_roster_still_revokes(lost: Swarm) -> None:
    bad, other = generate_identity(), generate_identity()
    assert take(lost, roster_of(lost, 9, member_of(bad, "bad")))
    revoked = structs.replace(member_of(bad, "bad"), state="revoked")
    taken = take(lost, roster_of(lost, 8, revoked, member_of(other, "other")))
    assert taken is not None
    assert [(m.name, m.state) for m in taken.members] == [("bad", "revoked")]


@pytest.mark.trio
async def test_a_tracker_that_lost_nothing_takes_no_roster(club: Swarm) -> None:
    machine = club.admit("nas")
    older = lambda number: roster_of(club, number, member_of(machine, "other"))  # noqa: E731
    for number in range(1, club.tracker.roster.number):
        assert take(club, older(number)) is None
    assert take(club, club.tracker.roster.encoded) is None


# --- entries ------------------------------------------------------------------------------------


@pytest.mark.trio
async def test_entries_and_manifests_are_given_once(lost: Swarm) -> None:
    author, other = generate_identity(), generate_identity()
    one, two = await returned(lost, author, other)
    entries, manifests = some_entries(author, 5)
    records = [signed(entry, author) for entry in entries]
    asked = await offer(one, *entries[:3])
    assert set(asked.records) == set(asked.manifests) == {e.id for e in entries[:3]}
    # What is on its way from one is not asked of another.
    more = await offer(two, *entries)
    assert set(more.records) == {e.id for e in entries[3:]}
    assert more.busy == 3
    await give(one, records[:3], manifests[:3])
    await give(two, records[3:], manifests[3:])
    assert await names(one) == ["0", "1", "2", "3", "4"]
    for talk in (one, two):
        again = await offer(talk, *entries)
        assert (again.records, again.manifests, again.busy) == ((), (), 0)


@pytest.mark.trio
async def test_a_manifest_comes_from_whoever_has_it(lost: Swarm) -> None:
    author, other = generate_identity(), generate_identity()
    one, two = await returned(lost, author, other)
    (entry,), (manifest,) = some_entries(author, 1)
    assert (await offer(one, entry, manifest=False)).manifests == ()
    await give(one, [signed(entry, author)])
    await offer(one)
    assert await names(one) == []
    asked = await offer(two, entry)
    assert (asked.records, asked.manifests) == ((), (entry.id,))
    await give(two, [], [manifest])
    assert await names(one) == ["0"]


@pytest.mark.trio
async def test_what_nobody_asked_for_or_nobody_signed_is_passed_over(lost: Swarm) -> None:
    author, stranger = generate_identity(), generate_identity()
    (talk,) = await returned(lost, author)
    (entry,), (manifest,) = some_entries(author, 1)
    await give(talk, [signed(entry, author)], [manifest])
    foreign = entry_of(manifest, stranger)
    forged = Signed(signed(entry, author).body, bytes(64))
    await offer(talk, entry, foreign)
    await give(talk, [forged, signed(foreign, stranger)], [manifest])
    wrong = await talk.ask(GiveManifests, b"abc", length=3, manifests=((manifest.id, 2),))
    assert isinstance(wrong, Failed)
    assert isinstance(
        await talk.ask(GiveManifests, b"abc", length=3, manifests=((manifest.id, 3),)), Done
    )
    assert await names(talk) == []


@pytest.mark.trio
async def test_the_newer_record_wins_whoever_comes_first(lost: Swarm) -> None:
    author, other = generate_identity(), generate_identity()
    one, two = await returned(lost, author, other)
    (old,), (manifest,) = some_entries(author, 1)
    new = structs.replace(old, sequence=2, name="new")
    await offer(one, old)
    await give(one, [signed(old, author)], [manifest])
    await offer(one)
    asked = await offer(two, new)
    assert asked.records == (new.id,)
    await give(two, [signed(new, author)])
    assert await names(one) == ["new"]
    assert (await offer(one, old)).records == ()
    assert (await one.told(EntryChanged)).record == signed(new, author)


@pytest.mark.trio
async def test_tombstones_and_what_was_restored_come_too(lost: Swarm) -> None:
    author, admin = generate_identity(), generate_identity()
    one, two = await returned(lost, author, admin)
    lost.database.write_now(lambda c: members.set_admin(c, lost.keys.signing, "m1", admin=True))
    entries, manifests = some_entries(author, 40)
    dead = [tombstone_of(entry) for entry in entries[:30]]
    restored = sign_restoration(signed(entries[30], author), 5, admin.signing)
    # More than the brake lets pass at once, had somebody just deleted them.
    asked = await offer(two, *dead, structs.replace(entries[30], sequence=5), *entries[31:])
    assert len(asked.records) == 40
    records = [signed(each, author) for each in (*dead, *entries[31:])]
    await give(two, [*records, restored], manifests[30:])
    assert len(await names(two)) == 10
    rows = lost.database.read_now(
        lambda c: c.execute(select(tables.entries.c.deleted, tables.entries.c.restored)).all()
    )
    assert (sum(r.deleted for r in rows), sum(r.restored for r in rows)) == (30, 1)
    refused = await offer(one, *entries[:30])
    assert refused.records == ()


@pytest.mark.trio
async def test_who_deletes_much_is_braked_though_the_tracker_is_empty(lost: Swarm) -> None:
    author = generate_identity()
    (talk,) = await returned(lost, author)
    entries, _ = some_entries(author, 30)
    dead = [tombstone_of(entry) for entry in entries]
    await offer(talk, *dead)
    await give(talk, [signed(each, author) for each in dead])
    rows = lost.database.read_now(lambda c: c.execute(select(tables.held_tombstones)).all())
    assert len(rows) == 30 - 9


@pytest.mark.trio
async def test_entries_of_who_has_left_come_too(lost: Swarm) -> None:
    gone, here = generate_identity(), generate_identity()
    talk = await unlisted(lost, here, 7)
    listed = (member_of(gone, "gone", state="left"), member_of(here, "here"))
    await hand(talk, roster_of(lost, 7, *listed))
    await present(talk)
    (entry,), (manifest,) = some_entries(gone, 1)
    await offer(talk, entry)
    await give(talk, [signed(entry, gone)], [manifest])
    assert await names(talk) == ["0"]
    # But not for ever: who left says nothing new.
    lost.database.write_now(lambda c: c.execute(tables.swarm.update().values(rebuilt=0)))
    later = structs.replace(entry, sequence=2, name="later")
    await offer(talk, later)
    await give(talk, [signed(later, gone)])
    assert await names(talk) == ["0"]


@pytest.mark.trio
async def test_changes_are_counted_by_database(club: Swarm) -> None:
    machine = club.admit("nas")
    (entry,), _ = some_entries(machine, 1)
    talk = await club.present(machine)
    greeting = await present(talk)
    assert greeting.epoch == club.database.read_now(swarm.load_epoch)
    assert (greeting.listed, greeting.roster) == (True, club.tracker.roster.number)
    await offer(talk, entry)
    await give(talk, [signed(entry, machine)])
    again = await present(talk, epoch=b"of another", seen=10**6)
    assert again == Presented(
        call=again.call,
        in_sync=True,
        change=1,
        epoch=greeting.epoch,
        roster=greeting.roster,
    )


@pytest.mark.trio
async def test_a_joiner_and_what_was_before_come_together(lost: Swarm) -> None:
    fresh, _ = admit(lost.database, lost.keys, "fresh", token=new_token(lost.database))
    old = generate_identity()
    taken = take(lost, roster_of(lost, 50, member_of(old, "old")))
    assert taken is not None
    assert {m.name for m in taken.members} == {"fresh", "old"}
    assert taken.find(fresh.peer) is not None


# --- who is asked -------------------------------------------------------------------------------


def test_each_is_asked_of_one_at_a_time() -> None:
    asked = Asked()
    ids = [EntryId(number.to_bytes(16)) for number in range(3)]
    assert asked.ask("a", ids[:2], 0) == (set(ids[:2]), 0)
    assert asked.ask("b", ids, 0) == ({ids[2]}, 2)
    assert asked.was_asked("a", ids[0])
    assert not asked.was_asked("b", ids[0])
    # The next portion takes the place of the one before; who is silent has it for a while.
    assert asked.ask("a", [ids[1]], 0) == ({ids[1]}, 0)
    assert asked.ask("c", ids, 0) == ({ids[0]}, 2)
    assert asked.ask("d", ids, ASKED_FOR + 1) == (set(ids), 0)
    for who in "abcd":
        asked.forget(who)
    assert asked.ask("e", ids, 0) == (set(ids), 0)


def test_an_empty_database_is_begun_anew_at_the_start(tmp_path: Path) -> None:
    from tracker.daemon import begin_anew
    from tracker.database import open_database

    directory, database, keys, _ = found(tmp_path)
    assert not begin_anew(database, keys)
    database.close()
    directory.database.unlink()
    directory.check_made()
    database = open_database(directory.database)
    assert begin_anew(database, keys)
    row = database.read_now(lambda c: c.execute(select(tables.swarm)).one())
    assert row.rebuilt
    assert row.roster_number == 1
    database.close()
