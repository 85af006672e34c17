"""The request book of one source, and who is shunned: pure, on given times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer.swarm.shunned import WINDOW as DAY
from peer.swarm.shunned import Shunned
from peer.swarm.source import AHEAD, MOST_IN_FLIGHT, PATIENCE, TURNS, UNKNOWN, Source
from protocol.ids import PeerId

LENGTH = 1 << 20
PEER = PeerId(b"p" * 32)
OTHER = PeerId(b"q" * 32)


def measured(took: float, way: float, *, length: int = LENGTH) -> Source:
    """A source that delivers a piece each `took` seconds, `way` seconds after it is asked."""
    source, now = Source(length), 0.0
    for piece in range(40):
        source.ask(piece, now)
        source.begin(piece, now + way)
        source.deliver(piece, length, now + took)
        now += took
    assert source.rate == pytest.approx(length / took)
    return source


def fill(source: Source, now: float = 0.0) -> int:
    """Ask for as much as there is room for; how much is then in flight."""
    for piece in range(1000, 1000 + source.room()):
        source.ask(piece, now)
    return len(source.asked)


# --- how much to ask for ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "first"), [(256 << 10, 16), (1 << 20, 4), (2 << 20, 3), (16 << 20, 3)]
)
def test_the_first_requests_are_a_few_megabytes(length: int, first: int) -> None:
    assert fill(Source(length)) == first


def test_room_is_bandwidth_times_delay_as_measured() -> None:
    for took, way in [(0.01, 0.005), (0.01, 0.01), (0.001, 0.0005)]:
        expected = (TURNS * way + AHEAD) / took
        assert fill(measured(took, way)) == pytest.approx(expected, abs=1.01)
    assert fill(measured(0.0001, 0.0001)) == MOST_IN_FLIGHT


def test_a_long_way_needs_more_in_flight() -> None:
    """Twenty pieces a second, of which the first byte comes 0.3 s after it is asked for."""
    source = Source(LENGTH)
    for piece in range(60):
        source.ask(piece, piece * 0.05)
    for piece in range(60):
        source.begin(piece, 0.25 + piece * 0.05)
        source.deliver(piece, LENGTH, 0.3 + piece * 0.05)
    assert source.rate == pytest.approx(20 * LENGTH, rel=0.05)
    assert fill(source) == pytest.approx((TURNS * 0.25 + AHEAD) * 20, abs=1.5)


@pytest.mark.parametrize(("took", "window"), [(0.4, 3), (0.6, 2), (1.9, 2), (2.1, 1), (60.0, 1)])
def test_long_pieces_are_asked_for_with_fewer_ahead(took: float, window: int) -> None:
    assert fill(measured(took, 0.001)) == window


def test_the_least_time_to_the_first_byte_counts() -> None:
    """Later ones waited behind others in the sender's queue: that is no longer way."""
    source = Source(LENGTH)
    for piece in range(5):
        source.ask(piece, 0.0)
    for piece in range(5):
        source.begin(piece, 0.005 + piece * 0.01)
        source.deliver(piece, LENGTH, 0.01 + piece * 0.01)
    assert fill(source) == pytest.approx((TURNS * 0.005 + AHEAD) / 0.01, abs=1.01)


def test_room_comes_several_at_a_time() -> None:
    source = measured(0.001, 0.001)
    window = fill(source)
    assert window >= 40
    asked = list(source.asked)
    for number, piece in enumerate(asked, start=1):
        source.give_up(piece)
        free = source.room()
        assert free == (number if number >= window // 4 else 0)


def test_a_small_window_is_refilled_at_once() -> None:
    source = Source(4 * LENGTH)
    assert fill(source) == 3
    source.give_up(1000)
    assert source.room() == 1


def test_room_may_fall_below_what_is_asked() -> None:
    source = measured(0.001, 0.001)
    assert fill(source) > 10
    source.stalled = True
    assert source.room() == 0


def test_many_downloads_share_a_link() -> None:
    source = measured(0.0001, 0.001)
    assert source.room() == MOST_IN_FLIGHT
    assert source.room(10) == 10
    assert source.room(0) == 1, "a download must always get on, however many there are"


def test_whoever_stalled_gets_one_at_a_time_until_it_delivers() -> None:
    source = measured(0.001, 0.001)
    source.stalled = True
    assert fill(source) == 1
    assert source.room() == 0
    source.deliver(1000, LENGTH, 1.0)
    assert not source.stalled
    assert source.room() > 1


def test_an_answer_whose_beginning_was_not_seen_harms_nothing() -> None:
    """Cancelled, begun, asked for again, delivered: the way there and back is not known yet."""
    source = Source(LENGTH)
    source.ask(1, 0.0)
    source.cancel(1)
    source.begin(1, 3.0)
    source.ask(1, 3.1)
    source.deliver(1, LENGTH, 3.2)
    assert source.rate > 0
    assert source.room() == 3


# --- how fast it is --------------------------------------------------------------------------


def test_rate_is_measured_between_answers() -> None:
    source = Source(LENGTH)
    assert source.rate == 0.0
    for piece in range(3):
        source.ask(piece, 10.0)
    source.deliver(0, LENGTH, 11.0)
    assert source.rate == LENGTH
    source.deliver(1, LENGTH, 12.0)
    assert source.rate == pytest.approx(LENGTH)
    source.deliver(2, LENGTH, 12.5)
    assert LENGTH < source.rate < 2 * LENGTH
    assert source.received == 3 * LENGTH


def test_a_burst_after_a_wait_is_no_fast_source() -> None:
    """Ten at once each second: ten a second, whichever way the last of them is looked at."""
    source = Source(LENGTH)
    for piece in range(200):
        source.ask(piece, 0.0)
    for piece in range(200):
        source.deliver(piece, LENGTH, 1.0 + piece // 10 + piece % 10 * 1e-6)
        if piece > 50:
            assert source.rate < 200 * LENGTH
    rates = []
    for piece in range(200, 300):
        source.ask(piece, 21.0 + piece // 10 - 20)
        source.deliver(piece, LENGTH, 22.0 + piece // 10 - 20)
        rates.append(source.rate)
    assert min(rates) >= LENGTH * 0.9


def test_time_without_requests_is_not_slowness() -> None:
    source = Source(LENGTH)
    source.ask(0, 0.0)
    source.deliver(0, LENGTH, 1.0)
    source.ask(1, 1000.0)
    source.deliver(1, LENGTH, 1001.0)
    assert source.rate == pytest.approx(LENGTH)


def test_what_was_not_asked_gives_no_rate() -> None:
    source = Source(LENGTH)
    source.deliver(7, LENGTH, 1.0)
    assert (source.received, source.rate) == (LENGTH, 0.0)
    source.ask(1, 0.0)
    source.cancel(1)
    source.deliver(1, LENGTH, 1.0)
    assert source.rate == 0.0
    assert source.received == 2 * LENGTH


@given(
    st.lists(st.tuples(st.sampled_from("abdcg"), st.integers(0, 9), st.floats(0, 100)), max_size=80)
)
def test_the_book_is_sane_whatever_happens(steps: list[tuple[str, int, float]]) -> None:
    source, now = Source(LENGTH), 0.0
    asked: set[int] = set()
    late: set[int] = set()
    for what, piece, pause in steps:
        now += pause
        if what == "a":
            source.ask(piece, now)
            asked.add(piece)
            late.discard(piece)
        elif what == "b":
            source.begin(piece, now)
        elif what == "d":
            source.deliver(piece, LENGTH, now)
            asked.discard(piece)
            late.discard(piece)
        elif what == "c":
            source.cancel(piece)
            if piece in asked:
                asked.discard(piece)
                late.add(piece)
        else:
            source.give_up(piece)
            asked.discard(piece)
        assert set(source.asked) == asked
        assert source.late == late
        assert {p for p in range(10) if source.expects(p)} == asked | late
        assert 0 <= source.rate <= LENGTH / 1e-6 * 1.01
        assert 0 <= source.room() <= MOST_IN_FLIGHT
        assert source.room() >= (not asked)
        assert source.silent_for(now) >= 0
        assert not source.is_late(now) or asked


def test_an_answer_to_an_earlier_request_says_nothing_of_the_way() -> None:
    source = measured(0.01, 0.05)
    window = source.room()
    source.ask(50, 10.0)
    source.cancel(50)
    source.ask(50, 11.0)
    source.begin(50, 11.0001)
    source.deliver(50, LENGTH, 11.01)
    assert source.room() >= window
    source.ask(51, 12.0)
    source.begin(51, 12.0001)
    source.deliver(51, LENGTH, 12.01)
    assert source.room() < window


# --- when it is late -------------------------------------------------------------------------


def test_late_by_its_own_history() -> None:
    slow, quick = measured(10.0, 0.1), measured(0.01, 0.001)
    slow.ask(99, 1000.0)
    quick.ask(99, 1000.0)
    assert not quick.is_late(1000.0 + PATIENCE)
    assert quick.is_late(1000.1 + PATIENCE)
    assert not slow.is_late(1010.0 + PATIENCE)
    assert slow.is_late(1011.0 + PATIENCE)


def test_whoever_is_uneven_is_given_more_time() -> None:
    uneven, now = Source(LENGTH), 0.0
    for piece in range(100):
        uneven.ask(piece, now)
        now += 0.1 if piece % 2 else 1.9
        uneven.deliver(piece, LENGTH, now)
    uneven.ask(100, now)
    assert not uneven.is_late(now + 1.0 + 2 * 0.9 + PATIENCE)
    assert uneven.is_late(now + 1.0 + 8 * 0.9 + PATIENCE)


def test_without_a_history_there_is_a_fixed_time() -> None:
    source = Source(LENGTH)
    source.ask(1, 5.0)
    assert not source.is_late(5.0 + UNKNOWN)
    assert source.is_late(5.1 + UNKNOWN)


def test_each_delivery_starts_the_time_anew() -> None:
    source = measured(1.0, 0.1)
    for piece in range(100, 110):
        source.ask(piece, 1000.0)
    for number, piece in enumerate(range(100, 110)):
        now = 1001.0 + number
        assert source.silent_for(now) == 1.0
        assert not source.is_late(now)
        source.deliver(piece, LENGTH, now)
    assert source.silent_for(9e9) == 0.0


def test_who_was_asked_nothing_is_not_late() -> None:
    source = measured(0.01, 0.001)
    assert not source.is_late(1e9)
    source.ask(0, 5.0)
    source.give_up(0)
    source.ask(2, 5.0)
    source.cancel(2)
    assert not source.is_late(1e9)
    source.ask(1, 1e9)
    assert not source.is_late(1e9 + PATIENCE)


def test_what_we_let_wait_is_not_late() -> None:
    """But its rate is what we took of it: more need not be asked for."""
    source = measured(1.0, 0.1)
    source.excuse(7.0)
    source.ask(99, 1000.0)
    assert source.silent_for(1000.5) == 0.5, "what was before it was asked excuses nothing"
    source.excuse(27.0)
    assert source.silent_for(1020.5) == 0.5
    assert not source.is_late(1020.5)
    assert source.is_late(1022.0)
    source.excuse(1000.0)
    assert source.silent_for(1022.0) == 0.0
    source.deliver(99, LENGTH, 1023.0)
    assert source.rate == pytest.approx(LENGTH / (0.75 * 1.0 + 0.25 * 23.0))
    source.ask(100, 1023.0)
    assert source.silent_for(1024.0) == 1.0


def test_what_was_cancelled_may_still_come() -> None:
    source = Source(LENGTH)
    source.ask(1, 0.0)
    source.ask(2, 0.0)
    source.cancel(1)
    source.cancel(7)
    assert source.expects(1)
    assert source.expects(2)
    assert not source.expects(7)
    source.give_up(2)
    assert not source.expects(2)
    source.deliver(1, LENGTH, 1.0)
    assert not source.expects(1)


# --- shunned ---------------------------------------------------------------------------------


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
