"""The request book of one source, the rate meter, and who is shunned: pure, on given times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer.swarm.rate import WINDOW, Rate
from peer.swarm.shunned import WINDOW as DAY
from peer.swarm.shunned import Shunned
from peer.swarm.source import LEAST_IN_FLIGHT, LEAST_STALL, MOST_IN_FLIGHT, STALL_FACTOR, Source
from protocol.ids import PeerId

LENGTH = 1 << 20
PEER = PeerId(b"p" * 32)
OTHER = PeerId(b"q" * 32)


def test_room_starts_small_and_grows_with_the_rate() -> None:
    source = Source(LENGTH)
    assert source.room() == LEAST_IN_FLIGHT
    for piece in range(LEAST_IN_FLIGHT):
        source.ask(piece, 0.0)
    assert source.room() == 0
    source.rate = 20 * LENGTH
    assert source.room() == 11 - LEAST_IN_FLIGHT
    source.rate = 10_000 * LENGTH
    assert source.room() == MOST_IN_FLIGHT - LEAST_IN_FLIGHT


def test_room_may_fall_below_what_is_asked() -> None:
    source = Source(LENGTH, rate=100 * LENGTH)
    for piece in range(30):
        source.ask(piece, 0.0)
    source.rate = 1.0
    assert source.room() <= 0
    assert list(range(source.room())) == []


def test_rate_is_measured_between_answers() -> None:
    source = Source(LENGTH)
    for piece in range(3):
        source.ask(piece, 10.0)
    source.deliver(0, LENGTH, 11.0)
    assert source.rate == LENGTH
    source.deliver(1, LENGTH, 12.0)
    assert source.rate == pytest.approx(LENGTH)
    source.deliver(2, LENGTH, 12.5)
    assert LENGTH < source.rate < 2 * LENGTH
    assert source.received == 3 * LENGTH


def test_time_without_requests_is_not_slowness() -> None:
    source = Source(LENGTH)
    source.ask(0, 0.0)
    source.deliver(0, LENGTH, 1.0)
    source.ask(1, 1000.0)
    source.deliver(1, LENGTH, 1001.0)
    assert source.rate == pytest.approx(LENGTH)


def test_what_was_not_asked_does_not_count() -> None:
    source = Source(LENGTH)
    source.deliver(7, LENGTH, 1.0)
    assert (source.received, source.rate) == (0, 0.0)
    source.give_up(7)
    source.ask(1, 0.0)
    source.give_up(1)
    source.deliver(1, LENGTH, 1.0)
    assert source.received == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1)), max_size=50))
def test_rate_is_never_negative_or_infinite(steps: list[tuple[int, float]]) -> None:
    source, now = Source(LENGTH), 0.0
    for piece, pause in steps:
        source.ask(piece, now)
        now += pause
        source.deliver(piece, LENGTH, now)
        assert 0 < source.rate <= LENGTH / 1e-4 * 1.01
        assert not source.asked


def test_stalled_by_its_own_history() -> None:
    slow = Source(LENGTH, rate=LENGTH / 10)
    slow.ask(0, 0.0)
    assert not slow.stalled(STALL_FACTOR * 10 - 1, 0.0)
    assert slow.stalled(STALL_FACTOR * 10 + 1, 0.0)
    quick = Source(LENGTH, rate=100 * LENGTH)
    quick.ask(0, 0.0)
    assert not quick.stalled(LEAST_STALL - 0.1, 0.0)
    assert quick.stalled(LEAST_STALL + 0.1, 0.0)


def test_who_was_asked_nothing_does_not_stall() -> None:
    source = Source(LENGTH, rate=100 * LENGTH)
    assert not source.stalled(1e9, 0.0)
    source.ask(0, 5.0)
    source.give_up(0)
    assert not source.stalled(1e9, 0.0)
    source.ask(1, 1e9)
    assert not source.stalled(1e9 + 1, 0.0)


def test_bytes_on_their_way_are_no_stall() -> None:
    source = Source(LENGTH, rate=100 * LENGTH)
    source.ask(0, 0.0)
    assert not source.stalled(100.0, 99.0)
    assert source.stalled(100.0, 90.0)


def test_rate_over_a_window() -> None:
    rate = Rate()
    assert rate.per_second(0.0) == 0
    for second in range(3):
        rate.add(1000, float(second))
    assert rate.per_second(2.0) == 1500
    assert rate.per_second(2.0 + WINDOW + 0.1) == 0
    rate.add(500, 10.0)
    assert rate.per_second(10.0) == 2000


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(0, 1 << 24)), max_size=60))
def test_rate_forgets_exactly_what_is_old(moves: list[tuple[float, int]]) -> None:
    rate, now = Rate(), 0.0
    moved = []
    for pause, size in moves:
        now += pause
        rate.add(size, now)
        moved.append((now, size))
    kept = [(at, size) for at, size in moved if now - at <= WINDOW]
    expected = int(sum(s for _, s in kept) / max(now - kept[0][0], 0.25)) if kept else 0
    assert rate.per_second(now) == expected


def test_two_bad_pieces_within_a_day_shun() -> None:
    shunned = Shunned()
    assert not shunned.is_shunned(PEER, 0.0)
    assert not shunned.strike(PEER, 0.0)
    assert not shunned.is_shunned(OTHER, 0.0)
    assert shunned.strike(PEER, DAY - 1)
    assert shunned.is_shunned(PEER, DAY - 1)
    assert not shunned.is_shunned(OTHER, DAY - 1)
    assert not shunned.is_shunned(PEER, DAY + 1)


def test_bad_pieces_a_day_apart_do_not() -> None:
    shunned = Shunned()
    assert not shunned.strike(PEER, 0.0)
    assert not shunned.strike(PEER, DAY + 1)
    assert shunned.strike(PEER, 2 * DAY)


def test_many_downloads_share_a_link() -> None:
    source = Source(LENGTH)
    source.rate = 1000 * LENGTH
    assert source.room() == MOST_IN_FLIGHT
    assert source.room(10) == 10
    assert source.room(0) == 1, "a download must always get on, however many there are"
