"""Deletion at the tracker: who may, what is held, what approval does, what changes nothing."""

from dataclasses import dataclass
from typing import Any

import pytest
from tracker_support import (
    NOW,
    Swarm,
    admit,
    entry_of,
    manifest_of,
    signed,
    store_manifest,
    tombstone_of,
)

from protocol.approval import Approval, sign_approval
from protocol.delete_brake import MOST, WINDOW
from protocol.entry import (
    Entry,
    Tombstone,
    open_record_untrusted,
    read_record,
    sign_record,
    sign_restoration,
)
from protocol.hashing import hash_tombstone
from protocol.identity import Identity, generate_identity
from protocol.ids import AuthorKey
from protocol.messages.base import Done, Failed
from protocol.messages.deleting import (
    ApprovalPassedOn,
    BurstDecided,
    Bursts,
    DecideBurst,
    GetBursts,
    GetHeld,
    PublishApproval,
    SetAdmin,
)
from protocol.messages.tracking import (
    Announce,
    EntryChanged,
    GetEntry,
    GetMembers,
    Holding,
    Publish,
    PutManifest,
)
from protocol.signing import Signed
from tracker import approvals, catalogue, listing, members, swarm
from tracker.catalogue import Stored
from tracker.data_dir import SwarmKeys
from tracker.database import Database
from tracker.errors import RequestFailedError

Made = tuple[Database, SwarmKeys]


@dataclass
class Shelf:
    """A catalogue with entries of one author, and its clock."""

    database: Database
    keys: SwarmKeys
    author: Identity
    entries: list[Entry]
    now: int = NOW

    def store(self, record: Signed) -> Stored:
        opened = open_record_untrusted(record)
        return self.database.write_now(
            lambda c: catalogue.store_record(c, record, opened, self.now)
        )

    def delete(self, number: int) -> Stored:
        return self.store(self.tombstone(number))

    def tombstone(self, number: int) -> Signed:
        return signed(tombstone_of(self.entries[number]), self.author)

    def shown(self) -> dict[str, bool]:
        """The entries that are there, and whether their deletion is held."""
        page = self.database.read_now(lambda c: listing.entries_by_prefix(c, b"", {}, NOW))
        return {entry_name(each.record): each.held for each in page.listings}

    def decide(self, approval: Signed) -> approvals.Decision | None:
        return self.database.write_now(
            lambda c: approvals.decide(
                c, approval, swarm.load_roster(c, self.keys.public).roster, self.now
            )
        )

    def make_admin(self, name: str, *, admin: bool = True) -> None:
        self.database.write_now(
            lambda c: members.set_admin(c, self.keys.signing, name, admin=admin)
        )


def entry_name(record: Signed) -> str:
    opened = read_record(record.body)
    assert isinstance(opened, Entry)
    return opened.name


def shelf_of(made: Made, count: int) -> Shelf:
    author, _ = admit(*made, "author")
    manifest = manifest_of(1)
    entries = [
        entry_of(manifest, author, salt=number.to_bytes(16), name=f"{number:03}")
        for number in range(count)
    ]
    shelf = Shelf(*made, author, entries)
    for entry in entries:
        shelf.store(signed(entry, author))
    made[0].write_now(lambda c: store_manifest(c, manifest))
    return shelf


def approval_of(
    signer: Identity, deleter: Identity, records: list[Signed], *, approved: bool = True
) -> Signed:
    approval = Approval(
        signer=AuthorKey(signer.peer),
        deleter=AuthorKey(deleter.peer),
        approved=approved,
        decided=NOW,
        tombstones=tuple(hash_tombstone(record.body) for record in records),
    )
    return sign_approval(approval, signer.signing)


def by_admin(entry: Entry, admin: Identity, sequence: int) -> Signed:
    tombstone = Tombstone(
        salt=entry.salt,
        author=entry.author,
        sequence=sequence,
        manifest=entry.manifest,
        deleted=NOW,
        by=AuthorKey(admin.peer),
    )
    return sign_record(tombstone, admin.signing)


# Who may


def test_an_admin_deletes_and_restores_anothers_entry(made: Made) -> None:
    shelf = shelf_of(made, 1)
    admin, _ = admit(*made, "admin")
    with pytest.raises(RequestFailedError, match="only the author of an entry or an admin"):
        shelf.store(by_admin(shelf.entries[0], admin, 2))
    assert shelf.shown() == {"000": False}
    shelf.make_admin("admin")
    stored = shelf.store(by_admin(shelf.entries[0], admin, 2))
    assert (stored.held, stored.restored) == (False, False)
    assert shelf.shown() == {}
    original = signed(shelf.entries[0], shelf.author)
    assert shelf.store(sign_restoration(original, 3, admin.signing)).restored
    assert shelf.shown() == {"000": False}


def test_who_is_no_admin_any_more_can_do_nothing(made: Made) -> None:
    shelf = shelf_of(made, 2)
    admin, _ = admit(*made, "admin")
    shelf.make_admin("admin")
    shelf.make_admin("admin", admin=False)
    with pytest.raises(RequestFailedError, match="an admin"):
        shelf.store(by_admin(shelf.entries[0], admin, 2))
    shelf.make_admin("admin")
    made[0].write_now(lambda c: members.revoke(c, made[1].signing, "admin", 0, NOW))
    with pytest.raises(RequestFailedError, match="not a member"):
        shelf.store(by_admin(shelf.entries[1], admin, 2))
    assert shelf.shown() == {"000": False, "001": False}


def test_an_admin_may_delete_what_a_revoked_member_left(made: Made) -> None:
    shelf = shelf_of(made, 1)
    admin, _ = admit(*made, "admin")
    shelf.make_admin("admin")
    made[0].write_now(lambda c: members.revoke(c, made[1].signing, "author", 0, NOW))
    with pytest.raises(RequestFailedError, match="not a member"):
        shelf.delete(0)
    shelf.store(by_admin(shelf.entries[0], admin, 2))
    assert shelf.shown() == {}


def test_replayed_and_older_tombstones_change_nothing(made: Made) -> None:
    shelf = shelf_of(made, 1)
    old = shelf.tombstone(0)
    shelf.store(old)
    again = entry_of(manifest_of(1), shelf.author, salt=bytes(16), sequence=2, name="b")
    shelf.store(signed(again, shelf.author))
    assert shelf.shown() == {"b": False}
    with pytest.raises(RequestFailedError, match="newer record"):
        shelf.store(old)
    older = signed(tombstone_of(shelf.entries[0], 0), shelf.author)
    with pytest.raises(RequestFailedError, match="newer record"):
        shelf.store(older)
    stranger = generate_identity()
    theirs = entry_of(manifest_of(1), stranger)
    with pytest.raises(RequestFailedError, match="not a member"):
        shelf.store(signed(tombstone_of(theirs), stranger))
    assert shelf.shown() == {"b": False}


# The brake


def test_a_burst_is_held_from_where_it_passes_the_limit(made: Made) -> None:
    shelf = shelf_of(made, 40)
    held = [shelf.delete(number).held for number in range(20)]
    assert held == [False] * 9 + [True] * 11
    shown = shelf.shown()
    assert len(shown) == 31
    waiting = sorted(name for name, waits in shown.items() if waits)
    assert waiting == [f"{number:03}" for number in range(9, 20)]


def test_at_most_a_hundred_whatever_the_size_of_the_swarm(made: Made) -> None:
    shelf = shelf_of(made, 600)
    held = [shelf.delete(number).held for number in range(MOST + 5)]
    assert held == [False] * MOST + [True] * 5


def test_others_and_the_patient_are_not_held(made: Made) -> None:
    shelf = shelf_of(made, 60)
    for number in range(60):
        assert not shelf.delete(number).held
        shelf.now += WINDOW // 5
    other, _ = admit(*made, "other")
    assert not shelf.store(signed(entry_of(manifest_of(1), other), other)).held


def test_a_held_tombstone_published_again_stays_held_and_an_edit_frees_it(made: Made) -> None:
    shelf = shelf_of(made, 20)
    for number in range(10):
        shelf.delete(number)
    shelf.now += 2 * WINDOW
    assert shelf.delete(9).held
    edit = entry_of(manifest_of(1), shelf.author, salt=(9).to_bytes(16), sequence=3, name="new")
    shelf.store(signed(edit, shelf.author))
    assert shelf.shown()["new"] is False
    assert not shelf.delete(10).held


# Approval


def test_an_approval_lets_exactly_those_go(made: Made) -> None:
    shelf = shelf_of(made, 30)
    other, _ = admit(*made, "other")
    for number in range(12):
        shelf.delete(number)
    waiting = [shelf.tombstone(number) for number in (9, 10)]
    decision = shelf.decide(approval_of(other, shelf.author, waiting))
    assert decision is not None
    assert {record.body for _, record in decision.released} == {each.body for each in waiting}
    shown = shelf.shown()
    assert len(shown) == 19
    assert sorted(name for name, waits in shown.items() if waits) == ["011"]
    assert shelf.decide(approval_of(other, shelf.author, waiting)) is None
    # What nobody has named yet stays held, also when it comes only now.
    assert shelf.delete(12).held


def test_an_approval_that_comes_first_lets_the_tombstone_pass(made: Made) -> None:
    shelf = shelf_of(made, 30)
    other, _ = admit(*made, "other")
    for number in range(10):
        shelf.delete(number)
    shelf.decide(approval_of(other, shelf.author, [shelf.tombstone(20)]))
    assert not shelf.delete(20).held
    assert shelf.delete(21).held


@pytest.mark.parametrize("who", ["the author", "a stranger", "a member beside an admin"])
def test_who_may_not_approve(made: Made, who: str) -> None:
    shelf = shelf_of(made, 20)
    other, _ = admit(*made, "other")
    for number in range(12):
        shelf.delete(number)
    signer = {"the author": shelf.author, "a stranger": generate_identity()}.get(who, other)
    if who == "a member beside an admin":
        admit(*made, "admin")
        shelf.make_admin("admin")
    before = shelf.shown()
    with pytest.raises(RequestFailedError, match="only an admin may decide"):
        shelf.decide(approval_of(signer, shelf.author, [shelf.tombstone(9)]))
    assert shelf.shown() == before


def test_an_approval_of_one_deleter_frees_nothing_of_another(made: Made) -> None:
    shelf = shelf_of(made, 20)
    other, _ = admit(*made, "other")
    third, _ = admit(*made, "third")
    for number in range(10):
        shelf.delete(number)
    shelf.decide(approval_of(other, third, [shelf.tombstone(9)]))
    assert shelf.shown()["009"]


def test_a_rejected_deletion_is_dropped_for_good_and_approval_wins(made: Made) -> None:
    shelf = shelf_of(made, 20)
    other, _ = admit(*made, "other")
    for number in range(10):
        shelf.delete(number)
    shelf.decide(approval_of(other, shelf.author, [shelf.tombstone(9)], approved=False))
    assert not any(shelf.shown().values())
    assert shelf.delete(9).rejected
    assert shelf.shown()["009"] is False
    decision = shelf.decide(approval_of(other, shelf.author, [shelf.tombstone(9)]))
    # At once: it is not sent again, and other machines go by the approval too.
    assert decision is not None
    assert [record.body for _, record in decision.released] == [shelf.tombstone(9).body]
    assert "009" not in shelf.shown()


def test_an_approval_frees_what_came_after_its_rejection(made: Made) -> None:
    shelf = shelf_of(made, 20)
    other, _ = admit(*made, "other")
    shelf.decide(approval_of(other, shelf.author, [shelf.tombstone(9)], approved=False))
    assert shelf.delete(9).rejected
    # What is rejected does not make others wait, and cannot be listed.
    assert not shelf.delete(10).held
    assert shelf.database.read_now(approvals.bursts) == ()
    assert shelf.database.read_now(lambda c: approvals.held_page(c, b"")) == ()
    shelf.decide(approval_of(other, shelf.author, [shelf.tombstone(9)]))
    assert "009" not in shelf.shown()


def test_held_deletions_are_listed_page_by_page(made: Made) -> None:
    shelf = shelf_of(made, 160)
    for number in range(150):
        shelf.delete(number)
    found: list[Signed] = []
    after = b""
    while page := shelf.database.read_now(lambda c: approvals.held_page(c, after)):  # noqa: B023
        found += page
        after = open_record_untrusted(page[-1]).id
    assert len(found) == 150 - 32
    assert len({record.body for record in found}) == len(found)


# Conversations


async def with_entries(club: Swarm, count: int) -> tuple[Identity, Any, list[Entry]]:
    author = club.admit("author")
    manifest = manifest_of(1)
    talk = await club.present(author)
    entries = [
        entry_of(manifest, author, salt=number.to_bytes(16), name=f"{number:03}")
        for number in range(count)
    ]
    for entry in entries:
        await talk.ask(Publish, record=signed(entry, author))
    await talk.ask(
        PutManifest, manifest.encoded, length=len(manifest.encoded), manifest=manifest.id
    )
    return author, talk, entries


@pytest.mark.trio
async def test_the_operator_lists_and_approves_and_everybody_hears(club: Swarm) -> None:
    author, talk, entries = await with_entries(club, 20)
    holder = club.admit("holder")
    watcher = await club.present(holder)
    holding = Holding(manifest=entries[0].manifest, bits=None)
    await watcher.ask(Announce, stored=1, holdings=(holding,))
    replies = [
        await talk.ask(Publish, record=signed(tombstone_of(entry), author))
        for entry in entries[:12]
    ]
    assert [reply.held for reply in replies] == [False] * 9 + [True] * 3
    assert len((await talk.ask(GetHeld)).records) == 3
    operator = await club.operate()
    listed = await operator.ask(GetBursts)
    assert isinstance(listed, Bursts)
    (burst,) = listed.bursts
    assert (burst.name, burst.entries, burst.since) == ("author", 3, NOW)
    assert set(burst.examples) == {"009", "010", "011"}
    wrong = await operator.ask(DecideBurst, target="nobody", approve=True)
    assert isinstance(wrong, Failed)
    assert wrong.kind == "not_found"
    done = await operator.ask(DecideBurst, target="author", approve=True)
    assert isinstance(done, BurstDecided)
    assert done.entries == 3
    await watcher.ask(GetHeld)
    assert len(watcher.kept(ApprovalPassedOn)) == 1
    told = [open_record_untrusted(each.record) for each in watcher.kept(EntryChanged)]
    assert sum(isinstance(record, Tombstone) for record in told) == 12
    found = await talk.ask(GetEntry, prefix=entries[9].id)
    assert found.listings == ()
    # Who was away hears of it at the next connect.
    late = await club.present(club.admit("late"))
    assert len(late.kept(ApprovalPassedOn)) == 1


@pytest.mark.trio
async def test_a_member_approves_over_its_own_connection(club: Swarm) -> None:
    author, talk, entries = await with_entries(club, 20)
    other = club.admit("other")
    tombstones = [signed(tombstone_of(entry), author) for entry in entries[:10]]
    for tombstone in tombstones:
        await talk.ask(Publish, record=tombstone)
    refused = await talk.ask(PublishApproval, approval=approval_of(author, author, tombstones[9:]))
    assert isinstance(refused, Failed)
    forged = approval_of(other, author, tombstones[9:])
    refused = await talk.ask(PublishApproval, approval=Signed(forged.body, bytes(64)))
    assert isinstance(refused, Failed)
    assert len((await talk.ask(GetHeld)).records) == 1
    assert isinstance(await talk.ask(PublishApproval, approval=forged), Done)
    assert (await talk.ask(GetHeld)).records == ()


@pytest.mark.trio
async def test_a_restored_entry_is_told_to_those_who_hold_nothing_any_more(club: Swarm) -> None:
    author, talk, entries = await with_entries(club, 1)
    watcher = await club.present(club.admit("watcher"))
    await talk.ask(Publish, record=signed(tombstone_of(entries[0]), author))
    again = entry_of(manifest_of(1), author, salt=bytes(16), sequence=2, name="again")
    await talk.ask(Publish, record=signed(again, author))
    changed = await watcher.told(EntryChanged)
    assert entry_name(changed.record) == "again"
    late = await club.present(club.admit("late"))
    assert [entry_name(each.record) for each in late.kept(EntryChanged)] == ["again"]


@pytest.mark.trio
async def test_admins_are_named_in_the_roster_and_in_the_list(club: Swarm) -> None:
    identity = club.admit("nas")
    operator = await club.operate()
    assert isinstance(await operator.ask(SetAdmin, target="nas", admin=True), Done)
    assert club.tracker.roster.roster.admins() == {identity.peer}
    assert (await operator.ask(GetMembers)).admins == (identity.peer,)
    number = club.tracker.roster.number
    assert isinstance(await operator.ask(SetAdmin, target="nas", admin=True), Done)
    assert club.tracker.roster.number == number
    await operator.ask(SetAdmin, target="nas", admin=False)
    assert club.tracker.roster.roster.admins() == frozenset()
    assert isinstance(await operator.ask(SetAdmin, target="nobody", admin=True), Failed)
