"""Several trackers on one database: what one writes, the others and their peers know.

In one process, and without the task that looks by itself: tests say when a tracker looks.
"""

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from postgres import Postgres
from sqlalchemy import event
from tracker_support import NOW, Swarm, entry_of, manifest_of, running, signed

from protocol.approval import Approval, sign_approval
from protocol.identity import Identity
from protocol.ids import AuthorKey, StaticKey
from protocol.messages.deleting import ApprovalPassedOn
from protocol.messages.rebuilding import HandRoster
from protocol.messages.shared import GetMachines, Locate
from protocol.messages.tracking import (
    Announce,
    EntryChanged,
    Holding,
    PeerChanged,
    Present,
    Publish,
    Published,
    Search,
)
from tracker import approvals, swarm, together
from tracker.admission import Admission
from tracker.daemon import Reception, begin_anew
from tracker.data_dir import DataDir
from tracker.database import open_database
from tracker.notes import drop_notes, newest_note
from tracker.others import BEAT_EVERY, FORGOTTEN_AFTER, Others
from tracker.presence import SILENCE
from tracker.tracker import Tracker

Clock = trio.testing.MockClock


@dataclass
class Both:
    """Two trackers, each with its way of looking."""

    first: Swarm
    second: Swarm
    clock: Clock

    async def look(self) -> None:
        """Each sees what the other has said of what it saw."""
        for _ in range(2):
            self.clock.jump(BEAT_EVERY)
            for each in (self.first, self.second):
                assert isinstance(each.tracker.others, Others)
                await each.tracker.others.look()

    def admit(self, name: str) -> Identity:
        identity = self.first.admit(name)
        self.second.memberships = self.first.memberships
        return identity


@pytest.fixture
async def both(
    tmp_path: Path, server: Postgres, nursery: trio.Nursery, mock_clock: Clock
) -> AsyncIterator[Both]:
    with ExitStack() as stack:
        first = stack.enter_context(running(tmp_path, nursery))
        second = stack.enter_context(beside(first, nursery))
        for number, each in enumerate((first, second), start=1):
            each.tracker.others = others(each.tracker, number)
        both = Both(first, second, mock_clock)
        await both.look()
        yield both
        nursery.cancel_scope.cancel()


@contextmanager
def beside(first: Swarm, nursery: trio.Nursery) -> Iterator[Swarm]:
    """Another tracker on the database of one."""
    database = open_database(first.database.engines.writer.url)
    tracker = Tracker(database, first.keys, first.identity, ("b.local:4100",), lambda: NOW)
    operator = X25519PrivateKey.generate()
    nobody = StaticKey(bytes(32))
    admission = Admission(first.keys, first.identity, nobody, lambda: tracker.roster)
    reception = Reception(tracker, admission)
    try:
        yield Swarm(database, first.keys, first.identity, tracker, reception, nursery, operator)
    finally:
        database.close()


def others(tracker: Tracker, number: int, before: bytes = b"") -> Others:
    aside = tracker.database.engines.aside
    assert aside is not None
    return Others(tracker, aside, bytes([number]) * 16, before, tracker.addresses)


# Where trackers are


def test_addresses_of_all_in_turn() -> None:
    assert together.spread([("a1", "a2", "a3"), ("b1",), ("c1", "c2")]) == (
        "a1", "b1", "c1", "a2", "c2", "a3",
    )  # fmt: skip
    many = [(f"t{number}", f"u{number}") for number in range(20)]
    assert together.spread(many) == tuple(f"t{number}" for number in range(16))
    assert together.spread([("same",), ("same",)]) == ("same",)


@pytest.mark.trio
async def test_each_adds_and_takes_away_its_own(both: Both, mock_clock: Clock) -> None:
    club = both.first.tracker

    def listed() -> set[str]:
        return set(club.roster.roster.trackers)

    assert listed() == {"nas.local:4100", "b.local:4100"}
    number = club.roster.number
    # It starts again where it was: nothing changes.
    both.second.tracker.others = others(both.second.tracker, 3, before=bytes([2]) * 16)
    await both.look()
    assert club.roster.number == number
    both.second.tracker.addresses = ("c.local:4100",)
    both.second.tracker.others = others(both.second.tracker, 4, before=bytes([3]) * 16)
    await both.look()
    assert listed() == {"nas.local:4100", "c.local:4100"}
    assert both.second.tracker.roster.roster == club.roster.roster


@pytest.mark.trio
async def test_who_is_away_for_long_is_listed_no_more(both: Both, mock_clock: Clock) -> None:
    first, second = both.first.tracker, both.second.tracker
    assert isinstance(first.others, Others)
    assert isinstance(second.others, Others)
    await first.others.look()
    mock_clock.jump(FORGOTTEN_AFTER - 60)
    await first.others.look()
    assert set(first.roster.roster.trackers) == {"nas.local:4100", "b.local:4100"}
    mock_clock.jump(61)
    await first.others.look()
    assert set(first.roster.roster.trackers) == {"nas.local:4100"}
    # It was only slow. Whom it had then does not count by what it said before.
    await second.others.look()
    assert set(second.roster.roster.trackers) == {"nas.local:4100", "b.local:4100"}
    assert set(first.states().values()) <= {"suspect", "gone"}
    await second.others.look()
    await first.others.look()
    mock_clock.jump(BEAT_EVERY)
    await second.others.look()
    await first.others.look()
    assert first.others.living == 1


# Peers of all


@pytest.mark.trio
async def test_who_is_with_the_other_is_live(both: Both, mock_clock: Clock) -> None:
    here, there = both.admit("here"), both.admit("there")
    talk = await both.first.present(here)
    await both.look()
    visitor = await both.second.present(there, addresses=("192.168.1.8:4101",))
    await both.look()
    assert both.first.tracker.states() == both.second.tracker.states()
    assert set(both.first.tracker.states().values()) == {"live"}
    told = await talk.told(PeerChanged)
    assert (told.peer, told.state, told.addresses) == (there.peer, "live", ("192.168.1.8:4101",))
    await visitor.channel.aclose()
    await trio.testing.wait_all_tasks_blocked()
    await both.look()
    assert both.first.tracker.states()[there.peer] == "suspect"
    assert (await talk.told(PeerChanged)).state == "suspect"


@pytest.mark.trio
async def test_the_peers_of_a_dead_tracker_are_suspect(both: Both, mock_clock: Clock) -> None:
    there = both.admit("there")
    await both.look()
    await both.second.present(there)
    await both.look()
    first = both.first.tracker
    assert isinstance(first.others, Others)
    await first.others.look()
    assert first.states()[there.peer] == "live"
    mock_clock.jump(SILENCE - 5)
    await first.others.look()
    assert first.states()[there.peer] == "live"
    mock_clock.jump(6)
    await first.others.look()
    assert first.states()[there.peer] == "suspect"


@pytest.mark.trio
async def test_a_tracker_that_died_before_says_nothing(
    both: Both, nursery: trio.Nursery, mock_clock: Clock
) -> None:
    there = both.admit("there")
    await both.look()
    await both.second.present(there)
    await both.look()
    with beside(both.first, nursery) as third:
        third.tracker.others = fresh = others(third.tracker, 9)
        await fresh.look()
        assert third.tracker.states()[there.peer] == "suspect"
        await both.look()
        await fresh.look()
        assert third.tracker.states()[there.peer] == "live"


@pytest.mark.trio
async def test_news_reach_holders_in_order(both: Both, mock_clock: Clock) -> None:
    author, holder = both.admit("author"), both.admit("holder")
    await both.look()
    manifest = manifest_of(2)
    writer, talk = await both.first.present(author), await both.second.present(holder)
    entry = entry_of(manifest, author)
    await writer.ask(Publish, record=signed(entry, author))
    held = Holding(manifest=manifest.id, bits=None)
    await talk.ask(Announce, reset=False, stored=1, holdings=(held,))
    await both.look()
    later = [entry_of(manifest, author, sequence=n, caption=str(n)) for n in (2, 3)]
    for each in later:
        await writer.ask(Publish, record=signed(each, author))
        await both.look()
    numbers, newest = [], signed(later[-1], author)
    news = await talk.told(EntryChanged)
    while news.record != newest:
        numbers.append(news.change)
        news = await talk.told(EntryChanged)
    assert numbers == sorted(numbers)
    assert len(set(numbers)) == 2
    located = await writer.ask(Locate, manifest=manifest.id)
    assert [each.peer for each in located.holders] == [holder.peer]


@pytest.mark.trio
async def test_who_comes_from_the_other_is_told_what_it_missed(
    both: Both, mock_clock: Clock
) -> None:
    author, holder = both.admit("author"), both.admit("holder")
    await both.look()
    manifest = manifest_of(2)
    writer, talk = await both.first.present(author), await both.second.present(holder)
    entry, held = entry_of(manifest, author), Holding(manifest=manifest.id, bits=None)
    await talk.ask(Announce, reset=False, stored=1, holdings=(held,))
    await writer.ask(Publish, record=signed(entry, author))
    await both.look()
    seen = (await talk.told(EntryChanged)).change
    await talk.channel.aclose()
    later = entry_of(manifest, author, sequence=2)
    await writer.ask(Publish, record=signed(later, author))
    moved = await both.first.present(holder, holdings=[(manifest.id, None)], seen=seen)
    assert [each.record for each in moved.kept(EntryChanged)] == [signed(later, author)]


@pytest.mark.trio
async def test_what_the_other_writes_while_one_catches_up(
    both: Both, mock_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    author, holder = both.admit("author"), both.admit("holder")
    await both.look()
    manifest = manifest_of(2)
    writer, talk = await both.first.present(author), await both.second.present(holder)
    held = Holding(manifest=manifest.id, bits=None)
    await talk.ask(Announce, reset=False, stored=1, holdings=(held,))
    await talk.channel.aclose()
    database, looker = both.second.database, both.second.tracker.others
    assert isinstance(looker, Others)
    write, record = database.write, signed(entry_of(manifest, author), author)

    async def slowly(work: Any, then: Any = None) -> Any:
        """As `write`; before its caller hears of it, another tracker's change is seen."""
        result = await write(work)
        if work.__name__ == "page" and not result:
            await writer.ask(Publish, record=record)
            await looker.look()
        if then is not None:
            then(result)
        return result

    monkeypatch.setattr(database, "write", slowly)
    fields = {"holdings": [(manifest.id, None)], "addresses": ()}
    again = await both.second.present(holder, **fields)
    assert [each.record for each in again.kept(EntryChanged)] == [record]


@pytest.mark.trio
async def test_with_notes_gone_peers_are_told_page_by_page(both: Both, mock_clock: Clock) -> None:
    author, holder = both.admit("author"), both.admit("holder")
    await both.look()
    manifest = manifest_of(2)
    writer, talk = await both.first.present(author), await both.second.present(holder)
    held = Holding(manifest=manifest.id, bits=None)
    await talk.ask(Announce, reset=False, stored=1, holdings=(held,))
    await both.look()
    entry = entry_of(manifest, author)
    await writer.ask(Publish, record=signed(entry, author))
    await writer.ask(Publish, record=signed(entry_of(manifest, author, sequence=2), author))
    newest = both.first.database.read_now(newest_note)
    both.first.database.write_now(lambda c: drop_notes(c, newest))
    await both.look()
    newest_record = signed(entry_of(manifest, author, sequence=2), author)
    assert (await talk.told(EntryChanged)).record == newest_record


@pytest.mark.trio
async def test_a_roster_of_one_is_the_others(both: Both, mock_clock: Clock) -> None:
    out = both.admit("out")
    await both.look()
    talk = await both.second.present(out)
    roster = both.first.database.write_now(
        lambda c: swarm.set_grace(c, both.first.keys.signing, 77)
    )
    await both.look()
    assert both.second.tracker.roster.number == roster.number
    assert (await talk.ask(GetMachines)).machines
    assert both.second.roster(talk).grace == 77


@pytest.mark.trio
async def test_who_was_let_in_by_the_other_is_let_in(both: Both, mock_clock: Clock) -> None:
    # The second has not looked since.
    identity = both.admit("early")
    assert both.second.tracker.roster.roster.find(identity.peer) is None
    talk = await both.second.member(identity)
    fields: dict[str, Any] = {
        "addresses": (),
        "capacity": 1,
        "stored": 0,
        "digest": bytes(32),
        "seen": 0,
    }
    assert not (await talk.ask(Present, **fields)).listed
    encoded = both.first.tracker.roster.encoded
    await talk.ask(HandRoster, encoded, length=len(encoded))
    assert (await talk.ask(Present, **fields)).listed


@pytest.mark.trio
async def test_a_decision_reaches_all(both: Both, mock_clock: Clock) -> None:
    here, there = both.admit("here"), both.admit("there")
    await both.look()
    talks = [await both.first.present(here), await both.second.present(there)]
    signing, roster = both.first.keys.signing, both.first.tracker.roster.roster
    decided = Approval(
        signer=AuthorKey(both.first.keys.public),
        deleter=AuthorKey(here.peer),
        approved=True,
        decided=NOW,
        tombstones=(bytes(32),),
    )
    approval = sign_approval(decided, signing)
    both.first.database.write_now(lambda c: approvals.decide(c, approval, roster, NOW))
    await both.look()
    for talk in talks:
        assert (await talk.told(ApprovalPassedOn)).approval == approval


def test_two_that_start_in_an_empty_database(
    tmp_path: Path, postgres_server: Postgres, postgres_template: str
) -> None:
    name = postgres_server.make(postgres_template)
    keys = DataDir(tmp_path).make_swarm_keys()
    databases = [open_database(postgres_server.url(name)) for _ in range(4)]
    with ThreadPoolExecutor(len(databases)) as pool:
        began = list(pool.map(lambda database: begin_anew(database, keys), databases))
    assert sorted(began) == [False, False, False, True]
    for database in databases:
        database.close()
    postgres_server.drop(name)


@pytest.mark.trio
async def test_searches_in_memory_hear_of_what_others_write(both: Both) -> None:
    author, other = both.admit("author"), both.admit("other")
    await both.look()
    here, there = await both.first.present(other), await both.second.present(author)
    await both.look()
    statements: list[str] = []
    event.listen(
        both.first.database.engines.reader,
        "before_cursor_execute",
        lambda *args: statements.append(args[2]),
    )
    assert (await here.ask(Search, words="film")).total == 0
    statements.clear()
    assert (await here.ask(Search, words="")).total == 0
    assert not statements, "nothing is new, and this tracker would have heard"
    manifest = manifest_of(2)
    entry = entry_of(manifest, author, name="film")
    record = signed(entry, author)
    asked = {"record": record, "manifest": manifest.encoded}
    assert isinstance(await there.ask(Publish, **asked), Published)
    await both.look()
    assert (await here.ask(Search, words="film")).total == 1
