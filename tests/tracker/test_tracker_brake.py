"""What else the tracker's brake holds: edits, early tombstones; and what bounds its tables."""

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, event, func, select
from test_tracker_deletion import Made, Shelf, approval_of, entry_name, shelf_of, with_entries
from tracker_support import (
    Swarm,
    admit,
    entry_of,
    manifest_of,
    signed,
    store_manifest,
    tombstone_of,
)

from protocol import codec
from protocol.approval import KEPT_FOR
from protocol.delete_brake import FEW
from protocol.entry import Entry, Tombstone, open_record_untrusted
from protocol.identity import generate_identity
from protocol.messages.base import Done, Failed
from protocol.messages.deleting import BurstDecided, Bursts, DecideBurst, GetBursts, Held
from protocol.messages.tracking import Announce, EntryChanged, Holding, Publish, Report
from protocol.signing import Signed
from tracker import approvals, tables
from tracker.errors import RequestFailedError
from tracker.reports import MOST_REPORTS, WITHIN, Reports


def edit_of(shelf: Shelf, number: int, sequence: int = 2, pieces: int = 2) -> Entry:
    """An edit by which an entry names other content."""
    entry = shelf.entries[number]
    return entry_of(
        manifest_of(pieces), shelf.author, salt=entry.salt, sequence=sequence, name=entry.name
    )


def statements(shelf: Shelf, work: Callable[[Connection], object]) -> int:
    """How many statements some work takes."""
    done: list[str] = []

    def counted(connection: Connection) -> None:
        event.listen(connection, "before_cursor_execute", lambda *a: done.append(a[2]))
        work(connection)

    shelf.database.read_now(counted)
    return len(done)


# Edits


def test_edits_that_name_other_content_are_braked_like_deletions(made: Made) -> None:
    shelf = shelf_of(made, 40)
    held = [shelf.store(signed(edit_of(shelf, n), shelf.author)).held for n in range(12)]
    assert held == [False] * FEW + [True] * 3
    # What is held changes nothing, and what is deleted after it is held as well.
    assert sorted(name for name, waits in shelf.shown().items() if waits) == ["009", "010", "011"]
    assert shelf.delete(20).held


def test_edits_of_the_words_are_not_braked(made: Made) -> None:
    shelf = shelf_of(made, 40)
    for number, entry in enumerate(shelf.entries):
        again = entry_of(
            manifest_of(1), shelf.author, salt=entry.salt, sequence=2, name=f"{number}"
        )
        assert not shelf.store(signed(again, shelf.author)).held


def test_a_held_edit_comes_to_effect_when_it_is_approved(made: Made) -> None:
    shelf = shelf_of(made, 40)
    other, _ = admit(*made, "other")
    edits = [signed(edit_of(shelf, number), shelf.author) for number in range(10)]
    stored = [shelf.store(edit) for edit in edits][-1]
    assert (stored.held, stored.needs_manifest) == (True, True)
    made[0].write_now(lambda c: store_manifest(c, manifest_of(2)))
    decision = shelf.decide(approval_of(other, shelf.author, edits[9:]))
    assert decision is not None
    ((released, record),) = decision.released
    assert record == edits[9]
    assert (released.needs_manifest, released.restored) == (False, True)
    assert shelf.shown()["009"] is False


def test_the_manifest_of_nothing_is_still_refused(made: Made) -> None:
    shelf = shelf_of(made, 1)
    with pytest.raises(RequestFailedError, match="no entry names"):
        shelf.database.write_now(lambda c: store_manifest(c, manifest_of(7)))


# Tombstones of what is not known


def test_tombstones_that_come_before_their_entries_are_braked(made: Made) -> None:
    author, _ = admit(*made, "author")
    other, _ = admit(*made, "other")
    entries = [
        entry_of(manifest_of(1), author, salt=number.to_bytes(16), name=f"{number:03}")
        for number in range(12)
    ]
    shelf = Shelf(*made, author, entries)
    assert [shelf.delete(n).held for n in range(12)] == [False] * FEW + [True] * 3
    (burst,) = shelf.database.read_now(approvals.bursts)
    assert (burst.entries, burst.examples) == (3, ())
    made_after = shelf.store(signed(entries[9], author))
    assert made_after.change is not None
    shelf.database.write_now(lambda c: store_manifest(c, manifest_of(1)))
    assert shelf.shown() == {"009": True}
    decision = shelf.decide(approval_of(other, author, [shelf.tombstone(n) for n in (9, 10)]))
    assert decision is not None
    assert len(decision.released) == 2
    assert shelf.shown() == {}
    with pytest.raises(RequestFailedError, match="newer record"):
        shelf.store(
            signed(entry_of(manifest_of(1), author, salt=entries[10].salt, sequence=0), author)
        )


# Bounds


def test_listing_bursts_takes_as_many_statements_for_few_as_for_many(made: Made) -> None:
    shelf = shelf_of(made, 130)
    for number in range(40):
        shelf.delete(number)
    few = statements(shelf, approvals.bursts)
    for number in range(40, 130):
        shelf.delete(number)
    assert statements(shelf, approvals.bursts) == few
    (burst,) = shelf.database.read_now(approvals.bursts)
    assert (burst.entries, len(burst.examples)) == (130 - 26, approvals.EXAMPLES)
    assert statements(shelf, lambda c: approvals.held_page(c, b"")) == 1


def test_a_page_of_held_edits_fits_a_message(made: Made) -> None:
    shelf = shelf_of(made, 30)
    for number, entry in enumerate(shelf.entries):
        caption = "x" * 4096
        edit = entry_of(
            manifest_of(2), shelf.author, salt=entry.salt, sequence=2, caption=caption, tags=()
        )
        assert shelf.store(signed(edit, shelf.author)).held == (number >= FEW)
    found: list[Signed] = []
    after = b""
    while page := shelf.database.read_now(lambda c: approvals.held_page(c, after)):  # noqa: B023
        assert len(codec.encode(Held(call=1, records=page))) <= codec.MAX_CONTROL
        found += page
        after = open_record_untrusted(page[-1]).id
    assert len(found) == 30 - FEW


def verdicts(shelf: Shelf) -> int:
    counted = select(func.count()).select_from(tables.verdicts)
    return shelf.database.read_now(lambda c: c.execute(counted).scalar_one())


def test_what_was_decided_is_forgotten_after_a_year(made: Made) -> None:
    shelf = shelf_of(made, 20)
    other, _ = admit(*made, "other")
    for number in range(12):
        shelf.delete(number)
    waiting = [shelf.tombstone(number) for number in (9, 10, 11)]
    shelf.decide(approval_of(other, shelf.author, waiting, approved=False))
    shelf.now += KEPT_FOR - 1
    shelf.decide(approval_of(other, shelf.author, [shelf.tombstone(12)], approved=False))
    assert verdicts(shelf) == 4
    shelf.now += 1
    shelf.decide(approval_of(other, shelf.author, [shelf.tombstone(13)], approved=False))
    assert verdicts(shelf) == 2
    held = select(func.count()).select_from(tables.held_tombstones)
    assert shelf.database.read_now(lambda c: c.execute(held).scalar_one()) == 0


def test_one_member_may_not_decide_about_everything(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approvals, "MOST_DECIDED", 3)
    shelf = shelf_of(made, 10)
    other, third = (admit(*made, name)[0] for name in ("other", "third"))
    shelf.decide(approval_of(other, shelf.author, [shelf.tombstone(n) for n in range(3)]))
    with pytest.raises(RequestFailedError, match="too many"):
        shelf.decide(approval_of(other, shelf.author, [shelf.tombstone(3)]))
    assert verdicts(shelf) == 3
    assert shelf.decide(approval_of(third, shelf.author, [shelf.tombstone(3)])) is not None


def test_reports_are_counted_for_each_member_and_forgotten_after_an_hour() -> None:
    reports, one, two = Reports(), generate_identity().peer, generate_identity().peer
    assert all(reports.allow(one, 1.0) for _ in range(MOST_REPORTS))
    assert not reports.allow(one, WITHIN)
    assert reports.allow(two, WITHIN)
    assert reports.allow(one, 1.0 + WITHIN)


# Conversations


@pytest.mark.trio
async def test_a_member_that_reports_without_end_is_refused(club: Swarm) -> None:
    talk = await club.present(club.admit("liar"))
    other = club.admit("other")
    answers = [
        await talk.ask(Report, peer=other.peer, manifest=manifest_of(1).id, why="a lie")
        for _ in range(MOST_REPORTS + 1)
    ]
    assert all(isinstance(answer, Done) for answer in answers[:-1])
    assert isinstance(answers[-1], Failed)
    assert answers[-1].kind == "refused"


@pytest.mark.trio
async def test_a_rejected_deletion_is_kept_though_it_is_refused(club: Swarm) -> None:
    author, talk, entries = await with_entries(club, 20)
    for entry in entries[:10]:
        await talk.ask(Publish, record=signed(tombstone_of(entry), author))
    operator = await club.operate()
    await operator.ask(DecideBurst, target="author", approve=False)
    refused = await talk.ask(Publish, record=signed(tombstone_of(entries[9]), author))
    assert isinstance(refused, Failed)
    assert "rejected" in refused.text
    listed = await talk.ask(GetBursts)
    assert isinstance(listed, Bursts)
    assert listed.bursts == ()


@pytest.mark.trio
async def test_many_released_at_once_cut_no_connection(
    club: Swarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than a connection's line takes: they come page by page instead."""
    monkeypatch.setattr("tracker.session.LINE", 16)
    author, talk, entries = await with_entries(club, 60)
    watcher = await club.present(club.admit("holder"))
    holding = Holding(manifest=entries[0].manifest, bits=None)
    await watcher.ask(Announce, stored=1, holdings=(holding,))
    for entry in entries:
        await talk.ask(Publish, record=signed(tombstone_of(entry), author))
    operator = await club.operate()
    done = await operator.ask(DecideBurst, target="author", approve=True)
    assert isinstance(done, BurstDecided)
    assert done.entries == 60 - 12
    gone: set[bytes] = set()
    while len(gone) < 60:
        record = open_record_untrusted((await watcher.told(EntryChanged)).record)
        if isinstance(record, Tombstone):
            gone.add(record.id)
    # And from then on news are pushed again.
    again = entry_of(manifest_of(1), author, salt=bytes(16), sequence=9, name="again")
    await talk.ask(Publish, record=signed(again, author))
    assert entry_name((await watcher.told(EntryChanged)).record) == "again"
