"""Who holds what, from memory: as new as the database, and of no more than there is room for."""

import pytest
import trio.testing
from tracker_support import Swarm, entry_of, manifest_of, signed

from protocol.manifest import Manifest
from protocol.messages.shared import Holder, Locate
from protocol.messages.tracking import Announce, Holding, Publish, PutManifest
from tracker import locating, members
from tracker.errors import RequestFailedError
from tracker.presence import SILENCE


async def holders(talk: object, manifest: object) -> dict[bytes, Holder]:
    answer = await talk.ask(Locate, manifest=manifest.id)  # type: ignore[attr-defined]
    return {holder.peer: holder for holder in answer.holders}


async def publish(talk: object, machine: object, manifest: object) -> None:
    entry = entry_of(manifest, machine, salt=manifest.id[:16])  # type: ignore[arg-type,attr-defined]
    await talk.ask(Publish, record=signed(entry, machine))  # type: ignore[attr-defined,arg-type]
    header = PutManifest(call=900, length=len(manifest.encoded), manifest=manifest.id)  # type: ignore[attr-defined]
    await talk.channel.send_bytes(header, manifest.encoded)  # type: ignore[attr-defined]


def set_event() -> trio.Event:
    event = trio.Event()
    event.set()
    return event


def count_looks(
    club: Swarm, monkeypatch: pytest.MonkeyPatch, said: trio.Event, told: trio.Event
) -> list[None]:
    """How often the database was asked; what it has `said` is used when `told` is set."""
    looks: list[None] = []
    look = club.database.look

    async def counting(work):  # type: ignore[no-untyped-def]
        looks.append(None)
        found = await look(work)
        said.set()
        await told.wait()
        return found

    monkeypatch.setattr(club.database, "look", counting)
    return looks


@pytest.mark.trio
async def test_what_was_asked_is_not_read_again_until_it_changes(
    club: Swarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = club.admit("one"), club.admit("two")
    manifest, another = manifest_of(9), manifest_of(8)
    talk, other = await club.present(one), await club.present(two)
    for each in (manifest, another):
        await publish(talk, one, each)
    held = Holding(manifest=manifest.id, bits=None)
    await talk.ask(Announce, stored=0, holdings=(held,))
    looks = count_looks(club, monkeypatch, trio.Event(), set_event())
    for _ in range(3):
        assert (await holders(talk, manifest)).keys() == {one.peer}
    assert len(looks) == 1
    await other.ask(Announce, stored=0, holdings=(Holding(manifest=manifest.id, bits=b"\x80\x00"),))
    assert (await holders(talk, manifest))[two.peer].bits == b"\x80\x00"
    await other.ask(Announce, stored=0, holdings=(held,))
    assert (await holders(talk, manifest))[two.peer].bits is None
    looks.clear()
    await holders(talk, manifest)
    await other.ask(Announce, stored=0, holdings=(Holding(manifest=another.id, bits=None),))
    await holders(talk, manifest)
    assert looks == []
    club.database.write_now(lambda c: members.revoke(c, club.keys.signing, "two", 0, 1))
    assert (await holders(talk, manifest)).keys() == {one.peer}


@pytest.mark.trio
async def test_states_and_addresses_are_as_they_were_told(
    club: Swarm, mock_clock: trio.testing.MockClock
) -> None:
    one, two = club.admit("one"), club.admit("two")
    manifest = manifest_of(9)
    talk, other = await club.present(one), await club.present(two)
    await publish(talk, one, manifest)
    held = Holding(manifest=manifest.id, bits=None)
    await other.ask(Announce, stored=0, holdings=(held,))
    assert (await holders(talk, manifest))[two.peer].state == "live"
    mock_clock.jump(SILENCE + 1)
    assert (await holders(talk, manifest))[two.peer].state == "live"
    club.tracker.notice_silence()
    assert (await holders(talk, manifest))[two.peer].state == "suspect"


@pytest.mark.trio
async def test_what_is_announced_before_its_manifest_comes_counts_then(club: Swarm) -> None:
    one, manifest = club.admit("one"), manifest_of(9)
    talk = await club.present(one)
    await talk.ask(Announce, stored=0, holdings=(Holding(manifest=manifest.id, bits=b"\xff" * 9),))
    assert (await holders(talk, manifest)).keys() == {one.peer}
    await publish(talk, one, manifest)
    # So many bits are of another manifest.
    assert not await holders(talk, manifest)


@pytest.mark.trio
async def test_no_more_is_remembered_than_there_is_room_for(
    club: Swarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locating, "MOST", 20)
    one = club.admit("one")
    talk = await club.present(one)
    some = [manifest_of(1, seed) for seed in range(30)]
    for each in some:
        await publish(talk, one, each)
    looks = count_looks(club, monkeypatch, trio.Event(), set_event())
    for each in some:
        await holders(talk, each)
    assert len(looks) == 30
    await holders(talk, some[-1])
    assert len(looks) == 30
    await holders(talk, some[0])
    assert len(looks) == 31


@pytest.mark.trio
async def test_what_is_asked_while_the_database_looks_is_looked_up_together_and_is_newer(
    club: Swarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = club.admit("one"), club.admit("two")
    talk, other = await club.present(one), await club.present(two)
    some = [manifest_of(1, seed) for seed in range(20)]
    for each in some:
        await publish(talk, one, each)
    held = Holding(manifest=some[0].id, bits=None)
    await talk.ask(Announce, stored=0, holdings=(held,))
    said, told = trio.Event(), trio.Event()
    looks = count_looks(club, monkeypatch, said, told)
    found: dict[object, set[bytes]] = {}

    async def ask(name: object, manifest: Manifest) -> None:
        holders = await club.tracker.locating.holders(manifest.id)
        found[name] = {holder.peer for holder in holders}

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, "before", some[0])
        await said.wait()
        await other.ask(Announce, stored=0, holdings=(held,))
        for each in some:
            nursery.start_soon(ask, each.id, each)
        await trio.testing.wait_all_tasks_blocked()
        told.set()
    assert found.pop("before") == {one.peer}
    assert found == {each.id: set() for each in some} | {some[0].id: {one.peer, two.peer}}
    assert len(looks) == 2
    for each in some:
        await holders(talk, each)
    assert len(looks) == 2


@pytest.mark.trio
async def test_what_changes_while_the_database_looks_is_read_again_and_nothing_else(
    club: Swarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = club.admit("one"), club.admit("two")
    talk, other = await club.present(one), await club.present(two)
    some = [manifest_of(1, seed) for seed in range(3)]
    for each in some:
        await publish(talk, one, each)
    looks = count_looks(club, monkeypatch, said := trio.Event(), told := trio.Event())
    locating = club.tracker.locating
    async with trio.open_nursery() as nursery:
        nursery.start_soon(locating.holders, some[0].id)
        await trio.testing.wait_all_tasks_blocked()
        # Looked up second, of what is written meanwhile.
        nursery.start_soon(locating.holders, some[1].id)
        nursery.start_soon(locating.holders, some[2].id)
        await said.wait()
        held = tuple(Holding(manifest=some[at].id, bits=None) for at in (0, 2))
        await other.ask(Announce, stored=0, holdings=held)
        told.set()
    assert len(looks) == 2
    assert (await holders(talk, some[1])).keys() == set()
    assert (await holders(talk, some[2])).keys() == {two.peer}
    assert len(looks) == 2
    assert (await holders(talk, some[0])).keys() == {two.peer}
    assert len(looks) == 3


@pytest.mark.trio
async def test_one_look_is_of_no_more_than_one_statement_takes(
    club: Swarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locating, "AT_ONCE", 4)
    one = club.admit("one")
    talk = await club.present(one)
    some = [manifest_of(1, seed) for seed in range(10)]
    for each in some:
        await publish(talk, one, each)
    looks = count_looks(club, monkeypatch, trio.Event(), set_event())
    asked: list[int] = []
    read = locating.load_holders

    def reading(connection, wanted):  # type: ignore[no-untyped-def]
        asked.append(len(wanted))
        return read(connection, wanted)

    monkeypatch.setattr(locating, "load_holders", reading)
    async with trio.open_nursery() as nursery:
        for each in [*some, *some]:
            nursery.start_soon(club.tracker.locating.holders, each.id)
    assert sum(asked) >= len(some)
    assert max(asked) == 4
    assert len(looks) <= 7


@pytest.mark.trio
async def test_who_is_cut_while_it_asks_for_others_too_leaves_them_their_answer(
    club: Swarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, manifests = club.admit("one"), [manifest_of(9), manifest_of(8)]
    talk = await club.present(one)
    for each in manifests:
        await publish(talk, one, each)
    held = tuple(Holding(manifest=each.id, bits=None) for each in manifests)
    await talk.ask(Announce, stored=0, holdings=held)
    said, told = trio.Event(), trio.Event()
    count_looks(club, monkeypatch, said, told)
    locating = club.tracker.locating
    answers: list[object] = []

    async def ask() -> None:
        answers.append(await locating.holders(manifests[1].id))

    async with trio.open_nursery() as nursery, trio.open_nursery() as cut:
        nursery.start_soon(locating.holders, manifests[0].id)
        await said.wait()
        cut.start_soon(locating.holders, manifests[1].id)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        cut.cancel_scope.cancel()
        told.set()
    assert len(answers) == 1
    assert answers[0]


@pytest.mark.trio
async def test_a_database_that_is_away_is_told_to_all_who_asked_and_asked_again(
    club: Swarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, manifest = club.admit("one"), manifest_of(9)
    talk = await club.present(one)
    await publish(talk, one, manifest)
    look, refused = club.database.look, 0

    async def away(_work: object) -> None:
        raise RequestFailedError("failed", "the database does not answer")

    async def ask() -> None:
        nonlocal refused
        with pytest.raises(RequestFailedError):
            await club.tracker.locating.holders(manifest.id)
        refused += 1

    monkeypatch.setattr(club.database, "look", away)
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(ask)
    assert refused == 3
    monkeypatch.setattr(club.database, "look", look)
    assert not await club.tracker.locating.holders(manifest.id)
