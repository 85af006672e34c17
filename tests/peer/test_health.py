"""Health as one machine knows it: events, the view without a tracker, and one entry in words."""

import pytest
import trio
from peer_net import Clock, PeerNet, TestPeer, until
from test_leaving import fill, ring_of

from peer.cli.health_command import health_text, return_text
from peer.events import KEPT, Events
from peer.operator.safety import Found, NamedHolder
from peer.presence import Presence
from protocol.ids import PeerId
from protocol.messages.health import EntryCounts, EventView, GetHealth, Health, ReturnView
from protocol.messages.operating import CopiesView

GRACE = 1800


def kinds(peer: TestPeer) -> list[str]:
    """Newest first."""
    return [event.kind for event in peer.parts.events.newest()]


def text_of(peer: TestPeer, kind: str) -> str:
    return next(each.text for each in peer.parts.events.newest() if each.kind == kind)


async def health_of(peer: TestPeer) -> Health:
    return await peer.parts.health.answer(GetHealth(call=3))


@pytest.mark.trio
async def test_a_machine_dies_is_repaired_and_comes_back(
    net: PeerNet, autojump_clock: Clock
) -> None:
    a, b, c = await net.start("a", "b", "c", replicating=True)
    held = await fill(net, [a, b, c], 12)
    on_both = [each for each in held if ring_of(a, each) == {a.me, c.me}]
    assert on_both
    health = await health_of(a)
    assert health.local
    assert health.entries.short == 0
    assert health.missing == 0
    await c.kill()
    await until(lambda: kinds(a)[:1] == ["left"], "its silence is an event")
    text = text_of(a, "left")
    number = len(on_both)
    entries = f"{number} {'entry' if number == 1 else 'entries'}"
    assert text.startswith(f"c left: {entries} at 1 of 2, repair starts in ")
    assert text.endswith(" min")
    health = await health_of(a)
    assert health.entries.short == number
    assert health.missing == sum(each.size for each in on_both)
    (back,) = health.returns
    assert (back.name, back.safe, back.found) == ("c", number, 0)
    assert back.out is not None
    assert GRACE - 60 < back.out <= GRACE
    shown = a.parts.lookup.local_view(await a.parts.lookup.entry(await _id_of(a, on_both[0].id)))
    assert shown.safety == "short"

    await until(lambda: "repaired" in kinds(a), "it is repaired", seconds=2 * GRACE)
    assert text_of(a, "out").startswith(f"c is out: repairing {entries} (")
    assert text_of(a, "repaired") == f"repaired: what c held is copied again, {entries}"
    assert (await health_of(a)).entries.short == 0
    c = await net.restart("c", replicating=True)
    await c.link_to(a)
    await until(lambda: kinds(a)[0] == "back", "it is back")
    assert text_of(a, "back") == "c is back"


async def _id_of(peer: TestPeer, manifest: object) -> str:
    from protocol.entry import open_record_untrusted

    (signed,) = await peer.parts.catalogue.naming(manifest)  # type: ignore[arg-type]
    return open_record_untrusted(signed).id.hex()


@pytest.mark.trio
async def test_with_two_machines_there_is_nobody_to_repair(
    net: PeerNet, autojump_clock: Clock
) -> None:
    a, b = await net.start("a", "b", replicating=True)
    await fill(net, [a, b], 1)
    await b.kill()
    await until(lambda: "out" in kinds(a), "it is out", seconds=2 * GRACE)
    assert text_of(a, "out").startswith("b is out: 1 entry (")
    assert text_of(a, "out").endswith("short, waiting for another machine")
    await trio.sleep(60)
    assert kinds(a) == ["out", "left"]


@pytest.mark.trio
async def test_events_survive_a_restart_and_only_the_newest_are_kept(
    net: PeerNet, autojump_clock: Clock
) -> None:
    (a,) = await net.start("a", replicating=True)
    for number in range(KEPT + 50):
        a.parts.events.note("dropped", f"{number} " + "x" * 400)
    await until(lambda: _written(a) == KEPT, "they are on disk")
    a.parts.events.note("left", "b left", b"b")
    await until(lambda: _newest_written(a) == "b left", "it is on disk")
    assert _written(a) == KEPT
    again = Events(a.parts.database, a.parts.wall)
    again.load()
    assert [each.kind for each in again.newest(2)] == ["left", "dropped"]
    assert len(again.newest(1000)) == KEPT
    assert max(len(each.text) for each in again.newest(1000)) == 300
    found = again.last_about(b"b")
    assert found is not None
    assert found.text == "b left"
    assert again.last_about(b"c") is None
    # So many and so long, they still fit one answer.
    assert (await health_of(a)).events[0].text == "b left"


def _written(peer: TestPeer) -> int:
    rows = peer.parts.database.read_sync(
        lambda c: c.execute("SELECT count(*) FROM events").fetchone()
    )
    return int(rows[0])


def _newest_written(peer: TestPeer) -> str:
    row = peer.parts.database.read_sync(
        lambda c: c.execute("SELECT text FROM events ORDER BY number DESC LIMIT 1").fetchone()
    )
    return str(row[0])


@pytest.mark.trio
async def test_counts_that_get_worse_are_told_once_and_the_end_of_it(
    net: PeerNet, autojump_clock: Clock
) -> None:
    (a,) = await net.start("a")
    counts = EntryCounts(safe=4)

    async def count() -> EntryCounts:
        await trio.lowlevel.checkpoint()
        return counts

    a.parts.health_watch.count = count
    a.nursery.start_soon(a.parts.health_watch.run)
    await trio.sleep(130)
    assert kinds(a) == []
    counts = EntryCounts(safe=1, short=1, away=1, lost=1)
    await trio.sleep(130)
    assert sorted(kinds(a)) == ["lost", "lost", "short"]
    counts = EntryCounts(safe=2, away=1)
    await trio.sleep(60)
    assert len(kinds(a)) == 3
    counts = EntryCounts(safe=3)
    await trio.sleep(130)
    assert kinds(a)[0] == "safe"
    assert len(kinds(a)) == 4


@pytest.mark.trio
async def test_a_machine_that_was_out_before_a_restart_is_no_news(
    net: PeerNet, autojump_clock: Clock
) -> None:
    a, b = await net.start("a", "b", replicating=True)
    await fill(net, [a, b], 1)
    await b.kill()
    await until(lambda: "out" in kinds(a), "it is out", seconds=2 * GRACE)
    await until(lambda: _written(a) == 2, "they are on disk")
    await a.kill()
    a = await net.restart("a", replicating=True)
    await until(lambda: b.me in a.parts.presence.gone(), "it is out again", seconds=2 * GRACE)
    await trio.sleep(60)
    assert kinds(a) == ["out", "left"]
    b = await net.restart("b", replicating=True)
    await b.link_to(a)
    await until(lambda: kinds(a)[0] == "back", "it is back")


@pytest.mark.trio
async def test_what_was_told_is_not_told_again_after_a_restart(
    net: PeerNet, autojump_clock: Clock
) -> None:
    (a,) = await net.start("a")
    counts = EntryCounts(safe=1, short=1, away=1, lost=1)

    async def count() -> EntryCounts:
        await trio.lowlevel.checkpoint()
        return counts

    async def watched(a: TestPeer) -> None:
        a.parts.health_watch.count = count
        a.nursery.start_soon(a.parts.health_watch.run)
        a.nursery.start_soon(a.parts.events.run)
        await trio.sleep(200)

    async def restarted(a: TestPeer) -> TestPeer:
        await a.kill()
        a = await net.restart("a")
        await watched(a)
        return a

    await watched(a)
    told = kinds(a)
    assert sorted(told) == ["lost", "lost", "short"]
    a = await restarted(a)
    assert kinds(a) == told
    # What got worse while it was off is news, and so is the end of it.
    counts = EntryCounts(safe=1, short=1, away=1, lost=2)
    a = await restarted(a)
    assert kinds(a) == ["lost", *told]
    assert text_of(a, "lost").startswith("lost: 2 entries")
    counts = EntryCounts(safe=5)
    a = await restarted(a)
    assert kinds(a) == ["safe", "lost", *told]
    assert kinds(await restarted(a)) == ["safe", "lost", *told]


@pytest.mark.trio
async def test_like_things_make_one_event(net: PeerNet, autojump_clock: Clock) -> None:
    (a,) = await net.start("a", replicating=True)
    for _ in range(3):
        a.parts.health_watch.dropped()
    a.parts.rechecking.on_healed(1)
    await until(lambda: len(kinds(a)) == 2, "they are told")
    assert text_of(a, "dropped") == "dropped 3 copies here that others hold"
    assert text_of(a, "healed") == "healed: 1 damaged piece fetched again from others"
    await trio.sleep(60)
    assert len(kinds(a)) == 2


def test_the_time_until_a_machine_is_out() -> None:
    now = [100.0]
    nas, me = PeerId(b"n" * 32), PeerId(b"m" * 32)
    presence = Presence(lambda _: False, me, lambda: (nas, me), lambda: now[0], lambda: 1800.0)
    presence.tell(nas, "live")
    assert presence.out_in(nas) is None
    presence.tell(nas, "suspect")
    now[0] += 60
    presence.tell(nas, "suspect")
    assert presence.out_in(nas) == 1740
    presence.tell(nas, "gone")
    assert presence.out_in(nas) is None
    presence.tell(nas, "live")
    presence.see_tracker(there=False)
    now[0] += 100
    assert presence.out_in(nas) == 1700
    assert presence.out_in(me) is None


def test_what_the_tracker_said_before_it_was_away_is_not_believed_when_it_is_back() -> None:
    now = [100.0]
    nas, me = PeerId(b"n" * 32), PeerId(b"m" * 32)
    presence = Presence(lambda _: False, me, lambda: (nas, me), lambda: now[0], lambda: 1800.0)
    presence.see_tracker(there=True)
    presence.tell(nas, "live")
    presence.told_all()
    assert presence.state(nas) == "live"
    presence.see_tracker(there=False)
    now[0] += 3600
    assert presence.state(nas) == "gone"
    # It is there, and has not said yet how the others are.
    presence.see_tracker(there=True)
    assert presence.state(nas) == "gone"
    presence.tell(nas, "suspect")
    presence.told_all()
    presence.see_tracker(there=True)
    assert presence.state(nas) == "suspect"


def found(have: int, *holders: NamedHolder, want: int = 2, **more: object) -> Found:
    fields: dict[str, object] = {"lost": False, "fetching": None, "spare": True} | more
    return Found(CopiesView(have=have, want=want), 100, holders, **fields)  # type: ignore[arg-type]


def test_one_entry_in_words() -> None:
    nas, laptop = NamedHolder("nas", 100, "live"), NamedHolder("laptop", 100, "live")
    silent = NamedHolder("nas", 100, "suspect", 1740.0)
    part = NamedHolder("desk", 43, "live")
    for each, safety, text in (
        (found(2, nas, laptop), "safe", "2 of 2 copies, on nas and laptop"),
        (found(1, laptop, silent), "short", "1 of 2: repair starts in 29 min"),
        (found(1, laptop, part), "repairing", "1 of 2: being repaired: 43%"),
        (found(1, laptop, fetching=7), "repairing", "1 of 2: being repaired: 7%"),
        (found(1, laptop), "short", "1 of 2: about to be copied"),
        (found(1, laptop, spare=False), "short", "1 of 2: waiting for another machine"),
        (found(0, silent), "away", "lost for now: bring back nas"),
        (found(0, part, lost=True), "lost", "lost: no machine is known to hold all of it"),
        (
            found(0, NamedHolder("x", 60, "gone"), NamedHolder("y", 50, "gone")),
            "away",
            "lost for now: bring back x and y",
        ),
    ):
        assert (each.safety, each.text) == (safety, text)


def test_health_in_words() -> None:
    nas = ReturnView(name="nas\x1b", state="suspect", safe=3, found=12, out=1740)
    assert return_text(nas) == (
        "bring back nas\ufffd: saves 12 entries that nobody else has, makes 3 entries safe again; "
        "repair starts in 29 min"
    )
    fields: dict[str, object] = {
        "call": 0,
        "entries": EntryCounts(safe=3),
        "missing": 0,
        "fetching": 0,
        "rate": 0,
        "left": None,
        "returns": (),
        "events": (),
        "local": False,
    }
    assert health_text(Health(**fields)) == "all safe: 3 entries"  # type: ignore[arg-type]
    worse = {
        "entries": EntryCounts(safe=3, short=2, repairing=1, away=12, lost=1),
        "missing": 3 << 30,
        "fetching": 1,
        "rate": 1 << 20,
        "left": 3072,
        "returns": (nas,),
        "events": (EventView(when=1, kind="left", text="nas left"),),
        "local": True,
    }
    lines = health_text(Health(**(fields | worse))).splitlines()  # type: ignore[arg-type]
    assert lines[:3] == [
        "tracker unreachable: this is what this machine holds",
        "3 safe, 2 short of copies (1 being repaired), 12 lost for now, 1 lost",
        "to copy: 3.0 GiB, 51 min at 1.0 MiB/s, as this machine now fetches 1 copy",
    ]
    assert lines[4].endswith("  nas left")
