"""Limits: the buckets on a clock of their own, and what a member that asks too much is told."""

import pytest
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from tracker_support import Swarm, entry_of, manifest_of, signed

from protocol.ids import PeerId
from protocol.messages.base import Failed
from protocol.messages.shared import GetManifest, ManifestDocument
from protocol.messages.tracking import Announce, Holding, Publish, PutManifest, Search
from tracker.allowance import MOST_KNOWN, Allowance, Rate
from tracker.errors import UsageError
from tracker.limits import DEFAULTS, LINE, Limits, parse_rates, source_of
from tracker.rates import Rates

A, B = PeerId(bytes(32)), PeerId(bytes(31) + b"b")


def test_a_rest_fills_the_bucket_and_no_more() -> None:
    allowed = Allowance(Rate(2, 4))
    assert [allowed.try_take("a", 0.0) for _ in range(5)] == [0, 0, 0, 0, 0.5]
    assert allowed.try_take("b", 0.0) == 0  # each has its own
    assert allowed.try_take("a", 0.5) == 0
    assert [allowed.try_take("a", 1000.0) for _ in range(5)] == [0, 0, 0, 0, 0.5]


def test_what_costs_more_than_there_ever_is_may_be_had_with_all() -> None:
    allowed = Allowance(Rate(1, 10))
    assert allowed.try_take("a", 0.0, 50.0) == 0
    assert allowed.try_take("a", 0.0, 1.0) == 41.0
    assert allowed.try_take("a", 41.0, 1.0) == 0


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 8)), max_size=50))
def test_in_no_stretch_of_time_more_than_the_rate_and_one_burst(
    takes: list[tuple[float, float]],
) -> None:
    allowed, now = Allowance(Rate(3, 8)), 0.0
    taken: list[tuple[float, float]] = []
    for pause, cost in takes:
        now += pause
        if allowed.try_take("a", now, cost) == 0:
            taken.append((now, cost))
    for at, (begin, _) in enumerate(taken):
        for end in range(at, len(taken)):
            total = sum(cost for _, cost in taken[at : end + 1])
            assert total <= 3 * (taken[end][0] - begin) + 8 + 1e-6


def test_who_says_when_is_right() -> None:
    allowed = Allowance(Rate(7, 3))
    for _ in range(3):
        allowed.take("a", 1.0)
    wait = allowed.wait("a", 1.0)
    assert allowed.wait("a", 1.0 + wait * 0.99) > 0
    assert allowed.try_take("a", 1.0 + wait + 1e-9) == 0


def test_the_book_of_strangers_stays_small() -> None:
    allowed = Allowance(Rate(1000, 1000))
    for number in range(3 * MOST_KNOWN):
        allowed.take(number, number / 100)
    assert len(allowed) <= MOST_KNOWN + 1000


def test_connections_wait_in_line_and_the_line_ends() -> None:
    limits = Limits({"handshakes": Rate(10, 5)})
    waits = [limits.handshake("192.0.2.1", 0.0) for _ in range(60)]
    assert waits[:5] == [0.0] * 5
    assert waits[5:8] == pytest.approx([0.1, 0.2, 0.3])
    assert waits[-1] is None
    assert max(wait for wait in waits if wait is not None) <= LINE
    assert limits.handshake("192.0.2.2", 0.0) == 0.0
    assert limits.handshake("192.0.2.1", 0.2) is not None  # one that was shut out costs nothing


def test_a_storm_behind_one_address_is_let_in_one_after_the_other() -> None:
    """Everybody is told a time, comes back then, and stays: nobody twice, none left out."""
    limits = Limits({"sessions": Rate(20, 10)})
    peers = [PeerId(number.to_bytes(32, "big")) for number in range(500)]
    slots = {peer: limits.session("192.0.2.1", peer, 0.0) for peer in peers}
    assert sum(wait == 0 for wait in slots.values()) == 10
    # Who comes too early is told the rest of its time, and keeps its place.
    assert limits.session("192.0.2.1", peers[-1], 1.0) == pytest.approx(slots[peers[-1]] - 1)
    assert max(slots.values()) == pytest.approx(490 / 20)
    for peer, wait in slots.items():
        if wait:
            assert limits.session("192.0.2.1", peer, wait) == 0
    limits.keep_members(frozenset())


def test_a_network_of_ipv6_counts_as_one_address() -> None:
    assert source_of("2001:db8:1:2:3::4") == source_of("2001:db8:1:2:ffff::1%eth0")
    assert source_of("2001:db8:1:2::1") != source_of("2001:db8:1:3::1")
    assert source_of("192.0.2.1") != source_of("192.0.2.2")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "searches",
        "searches=",
        "searches=-1",
        "x=1",
        "searches=inf",
        "searches=nan",
        "searches=1/",
    ],
)
def test_limits_that_make_no_sense(text: str) -> None:
    with pytest.raises(UsageError):
        parse_rates((text,))


def test_limits_are_set_one_by_one() -> None:
    rates = parse_rates(("searches=50", "announces=none", "sessions=3/4"))
    assert rates["sessions"] == Rate(3, 4)
    assert rates["searches"] == Rate(50, 5000)
    assert rates["publishes"] == DEFAULTS["publishes"]
    limits = Limits(rates)
    announce = Announce(call=1, stored=0, holdings=())
    assert all(limits.request(A, announce, 0.0) is None for _ in range(10_000))


def test_rates_are_of_the_last_minute() -> None:
    rates = Rates()
    for second in range(0, 120, 10):
        rates.count("Search", float(second))
    assert rates.totals["Search"] == 12
    assert rates.lately(119.0)["Search"] == 6
    assert rates.lately(1000.0)["Search"] == 0


@pytest.mark.trio
async def test_who_asks_too_much_is_told_when_to_ask_again(
    club: Swarm, mock_clock: trio.testing.MockClock
) -> None:
    wild, other = await club.present(club.admit("wild")), await club.present(club.admit("other"))
    club.tracker.limits = Limits({"searches": Rate(1, 2)})
    for _ in range(2):
        assert (await wild.ask(Search, words="")).total == 0
    put_off = await wild.ask(Search, words="")
    assert isinstance(put_off, Failed)
    assert (put_off.kind, put_off.again) == ("busy", 1000)
    assert "again in 1.0 s" in put_off.text
    assert (await other.ask(Search, words="")).total == 0
    mock_clock.jump(1.0)
    assert (await wild.ask(Search, words="")).total == 0
    assert club.tracker.metrics.limited_ever == 1


@pytest.mark.trio
async def test_a_manifest_that_is_put_off_does_not_break_the_connection(club: Swarm) -> None:
    machine, manifest = club.admit("wild"), manifest_of(3)
    talk = await club.present(machine)
    await talk.ask(Publish, record=signed(entry_of(manifest, machine), machine))
    club.tracker.limits = Limits({"publishes": Rate(1, 1), "announces": Rate(1, 1)})
    await talk.ask(Publish, record=signed(entry_of(manifest, machine, sequence=2), machine))
    header = PutManifest(call=900, length=len(manifest.encoded), manifest=manifest.id)
    await talk.channel.send_bytes(header, manifest.encoded)
    failed = await talk.told(Failed)
    assert (failed.call, failed.kind) == (900, "busy")
    club.tracker.limits = Limits()
    await talk.channel.send_bytes(header, manifest.encoded)
    assert isinstance(await talk.ask(GetManifest, manifest=manifest.id), ManifestDocument)


@pytest.mark.trio
async def test_an_honest_machine_meets_no_limit(club: Swarm) -> None:
    """A million holdings announced in one go, and a thousand questions."""
    limits = Limits()
    holdings = tuple(Holding(manifest=manifest_of(1).id, bits=None) for _ in range(1000))
    announce = Announce(call=1, stored=0, holdings=holdings)
    assert all(limits.request(A, announce, 0.0) is None for _ in range(1000))
    assert all(limits.request(B, Search(call=1, words=""), 0.0) is None for _ in range(1000))
