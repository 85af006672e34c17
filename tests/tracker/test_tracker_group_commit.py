"""Writes that share a transaction: as if one after the other, and each fails alone."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import trio
import trio.testing
from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import IntegrityError
from tracker_support import NOW, Swarm, admit, entry_of, held_up, manifest_of, signed, tombstone_of

from protocol.identity import generate_identity
from protocol.messages.base import Done, Failed
from protocol.messages.tracking import (
    Announce,
    EntryChanged,
    Holding,
    Publish,
    Published,
    PutManifest,
    Search,
)
from tracker import tables
from tracker.database import Database
from tracker.errors import RequestFailedError
from tracker.group_commit import MOST, Together
from tracker.touched import Touched, note_entries

Made = tuple[Database, Any]


def put(moment: int) -> Callable[[Connection], int]:
    def work(connection: Connection) -> int:
        row = {"entry": moment.to_bytes(4), "signer": b"s", "moment": moment}
        connection.execute(insert(tables.deletions).values(**row))
        note_entries(connection, [moment])
        return moment

    return work


def moments(database: Database) -> list[int]:
    column = tables.deletions.c.moment
    return list(
        database.read_now(lambda c: c.execute(select(column).order_by(column)).scalars().all())
    )


def transactions(database: Database, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many works each transaction had from now on."""
    sizes: list[int] = []
    commit = database._commit_once

    def counting(group: Sequence[Any]) -> None:
        sizes.append(len(group))
        commit(group)

    monkeypatch.setattr(database, "_commit_once", counting)
    return sizes


@pytest.mark.trio
async def test_what_waits_shares_a_transaction(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    database, told = made[0], list[int]()
    sizes = transactions(database, monkeypatch)
    async with trio.open_nursery() as nursery:
        with held_up(database, nursery):
            await trio.testing.wait_all_tasks_blocked()
            pendings = [database.submit(put(n), told.append) for n in range(MOST + 10)]
            for pending in reversed(pendings):
                nursery.start_soon(database.outcome, pending)
            await trio.testing.wait_all_tasks_blocked()
    assert sizes == [1, MOST, 10]
    assert told == moments(database) == list(range(MOST + 10))


@pytest.mark.trio
async def test_a_work_that_fails_takes_back_its_own_part_alone(made: Made) -> None:
    database, touched = made[0], list[Touched]()
    database.notes.listeners.append(touched.append)

    def fail(connection: Connection) -> None:
        put(7)(connection)
        raise RequestFailedError("refused", "no")

    def twice(connection: Connection) -> None:
        put(9)(connection)
        put(9)(connection)

    ended: dict[int, object] = {}

    async def note(at: int, pending: Any) -> None:
        try:
            ended[at] = await database.outcome(pending)
        except (RequestFailedError, IntegrityError) as error:
            ended[at] = type(error)

    async with trio.open_nursery() as nursery:
        with held_up(database, nursery):
            await trio.testing.wait_all_tasks_blocked()
            for at, work in enumerate((put(1), fail, put(2), twice, put(3))):
                nursery.start_soon(note, at, database.submit(work))
            await trio.testing.wait_all_tasks_blocked()
    assert ended == {0: 1, 1: RequestFailedError, 2: 2, 3: IntegrityError, 4: 3}
    assert moments(database) == [1, 2, 3]
    assert touched == [Touched(entries={1, 2, 3})]


@pytest.mark.trio
async def test_who_goes_away_before_its_turn_writes_nothing_and_holds_up_nobody(
    made: Made,
) -> None:
    database = made[0]
    async with trio.open_nursery() as nursery:
        with held_up(database, nursery):
            await trio.testing.wait_all_tasks_blocked()
            with trio.CancelScope() as gone:
                async with trio.open_nursery() as leaving:
                    leaving.start_soon(database.write, put(1))
                    await trio.testing.wait_all_tasks_blocked()
                    nursery.start_soon(database.write, put(2))
                    await trio.testing.wait_all_tasks_blocked()
                    gone.cancel()
    assert moments(database) == [2]


@pytest.mark.trio
async def test_what_nobody_waits_for_any_more_holds_up_nobody(made: Made) -> None:
    database = made[0]
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            with held_up(database, nursery):
                await trio.testing.wait_all_tasks_blocked()
                database.submit(put(1))
                nursery.start_soon(database.write, put(2))
                await trio.testing.wait_all_tasks_blocked()
    assert moments(database) == [1, 2]


@pytest.mark.trio
async def test_who_goes_away_while_it_writes_for_all_leaves_it_done(made: Made) -> None:
    database, gone, let_go = made[0], trio.CancelScope(), threading.Event()

    def slow(connection: Connection) -> int:
        let_go.wait()
        return put(1)(connection)

    async def lead() -> None:
        with gone:
            await database.write(slow)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lead)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(database.write, put(2))
        await trio.testing.wait_all_tasks_blocked()
        gone.cancel()
        let_go.set()
    assert moments(database) == [1, 2]


@pytest.mark.trio
async def test_those_of_a_kind_are_done_at_once_and_else_alone(made: Made) -> None:
    database, calls = made[0], list[list[int]]()

    def do(connection: Connection, items: Sequence[int]) -> list[int | RequestFailedError]:
        calls.append(list(items))
        for item in items:
            put(item)(connection)
        if 13 in items:
            raise RequestFailedError("failed", "unlucky")
        return [RequestFailedError("refused", "no") if item == 5 else item for item in items]

    kind, failed, given = Together(do), list[int](), list[int]()

    async def note(item: int, pending: Any) -> None:
        try:
            given.append(await database.outcome(pending))
        except RequestFailedError:
            failed.append(item)

    for items in ((4, 5, 6), (12, 13, 14)):
        async with trio.open_nursery() as nursery:
            with held_up(database, nursery):
                await trio.testing.wait_all_tasks_blocked()
                for item in items:
                    nursery.start_soon(note, item, database.submit_together(kind, item))
                    await trio.testing.wait_all_tasks_blocked()
    assert calls == [[4, 5, 6], [12, 13, 14], [12], [13], [14]]
    assert (sorted(given), failed) == ([4, 6, 12, 14], [5, 13])
    assert moments(database) == [4, 5, 6, 12, 14]


@pytest.mark.trio
async def test_none_is_done_before_what_it_needs(club: Swarm) -> None:
    """Whatever is between them, a manifest is kept after the entry that was published before it."""
    machines = [club.admit(name) for name in ("one", "two", "three")]
    talks = [await club.present(machine) for machine in machines]
    async with trio.open_nursery() as nursery:
        with held_up(club.database, nursery):
            await trio.testing.wait_all_tasks_blocked()
            for call in range(900, 904):
                for at, (talk, machine) in enumerate(zip(talks, machines, strict=True)):
                    manifest = manifest_of(1, 10 * call + at)
                    record = signed(entry_of(manifest, machine, salt=call.to_bytes(16)), machine)
                    await talk.channel.send(Publish(call=call, record=record))
                    header = PutManifest(
                        call=call, length=len(manifest.encoded), manifest=manifest.id
                    )
                    await talk.channel.send_bytes(header, manifest.encoded)
                    await trio.testing.wait_all_tasks_blocked()
    for talk in talks:
        for _ in range(4):
            await talk.told(Done)
    assert (await talks[0].ask(Search, words="")).total == 12


@pytest.mark.trio
async def test_what_a_listener_does_wrong_is_its_own(made: Made) -> None:
    database = made[0]

    def wrong(_: int) -> None:
        raise ZeroDivisionError

    async with trio.open_nursery() as nursery:
        with held_up(database, nursery):
            await trio.testing.wait_all_tasks_blocked()
            bad, good = database.submit(put(1), wrong), database.submit(put(2))
            nursery.start_soon(database.outcome, good)
            await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(ZeroDivisionError):
            await database.outcome(bad)
    assert moments(database) == [1, 2]


@pytest.mark.trio
async def test_many_publish_at_once(club: Swarm, monkeypatch: pytest.MonkeyPatch) -> None:
    """New entries, an edit, a deletion, what is refused: each as if it had come alone."""
    one, two = club.admit("one"), club.admit("two")
    talk, other = await club.present(one), await club.present(two)
    known = entry_of(manifest_of(1), one, salt=bytes(16))
    assert isinstance(await talk.ask(Publish, record=signed(known, one)), Published)
    shared = manifest_of(2)
    await other.ask(Announce, stored=0, holdings=(Holding(manifest=shared.id, bits=None),))
    stranger = generate_identity()
    records = [
        signed(entry_of(shared, one, salt=b"a" * 16), one),
        signed(entry_of(manifest_of(3), one, salt=b"b" * 16), one),
        signed(entry_of(manifest_of(3), one, salt=b"b" * 16, sequence=2), one),
        signed(entry_of(manifest_of(4), stranger), stranger),
        signed(entry_of(manifest_of(1), one, salt=bytes(16), sequence=2, name="new"), one),
        signed(tombstone_of(known, sequence=3), one),
        signed(entry_of(manifest_of(3), two, salt=b"b" * 16), two),
    ]
    sizes = transactions(club.database, monkeypatch)
    async with trio.open_nursery() as nursery:
        with held_up(club.database, nursery):
            await trio.testing.wait_all_tasks_blocked()
            for call, record in enumerate(records, start=900):
                await talk.channel.send(Publish(call=call, record=record))
            for call, manifest in enumerate((shared, manifest_of(3), manifest_of(9)), start=920):
                header = PutManifest(call=call, length=len(manifest.encoded), manifest=manifest.id)
                await talk.channel.send_bytes(header, manifest.encoded)
            await trio.testing.wait_all_tasks_blocked()
        answers = [await talk.told(Published) for _ in range(6)]
        failed = [await talk.told(Failed) for _ in range(2)]
        done = [await talk.told(Done) for _ in range(2)]
    assert sizes == [1, 10]
    assert sorted(each.call for each in answers) == [900, 901, 902, 904, 905, 906]
    assert sorted((each.call, each.kind) for each in failed) == [(903, "refused"), (922, "refused")]
    assert sorted(each.call for each in done) == [920, 921]
    news = await other.told(EntryChanged)
    assert news.record == records[0]
    listed = (await talk.ask(Search, words="")).listings
    assert {each.record.body for each in listed} == {records[at].body for at in (0, 2, 6)}
    rows = club.database.read_now(
        lambda c: c.execute(select(func.count()).select_from(tables.audit)).scalar_one()
    )
    assert rows == 1


@pytest.mark.trio
async def test_a_question_finds_what_was_written_before_on_its_connection(club: Swarm) -> None:
    machine, manifest = club.admit("one"), manifest_of(2)
    talk = await club.present(machine)
    await talk.channel.send(Publish(call=900, record=signed(entry_of(manifest, machine), machine)))
    header = PutManifest(call=901, length=len(manifest.encoded), manifest=manifest.id)
    await talk.channel.send_bytes(header, manifest.encoded)
    assert (await talk.ask(Search, words="")).total == 1


def test_a_revoked_machine_publishes_nothing_among_others(made: Made) -> None:
    from tracker import members
    from tracker.audit import Actor
    from tracker.publishing import PUBLISH, Publishing

    database, keys = made
    one, _ = admit(database, keys, "one")
    two, _ = admit(database, keys, "two")
    database.write_now(lambda c: members.revoke(c, keys.signing, "two", 0, NOW))
    asked = []
    for machine in (one, two):
        entry = entry_of(manifest_of(1), machine)
        actor = Actor("machine")
        asked.append(Publishing(signed(entry, machine), entry, machine.peer, actor, NOW))
    stored, refused = database.write_now(lambda c: PUBLISH.do(c, asked))
    assert stored.change is not None
    assert isinstance(refused, RequestFailedError)
    assert "revoked" in refused.text
