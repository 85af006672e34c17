"""The rate that people see: steady on fast and slow lines, nothing when nothing moves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer.swarm.rate import STANDSTILL, STEPS, WINDOW, Rate


@pytest.mark.parametrize(
    ("size", "pause"), [(256 << 10, 0.001), (1 << 20, 0.1), (256 << 10, 2.6), (16 << 20, 4.2)]
)
def test_steady_arrivals_show_a_steady_rate(size: int, pause: float) -> None:
    rate, now = Rate(0.0), 0.0
    for number in range(1, 1 + int(30 / pause)):
        now += pause
        rate.add(size, now)
        if now >= WINDOW and number > STEPS:
            # Also between two arrivals, when an operator happens to look.
            for later in (0.0, pause / 2, pause * 0.99):
                assert rate.per_second(now + later) == pytest.approx(size / pause, rel=0.02)


def test_nothing_yet_is_nothing() -> None:
    assert Rate(5.0).per_second(5.0) == 0
    assert Rate(5.0).per_second(500.0) == 0


def test_what_stopped_falls_and_ends_at_nothing() -> None:
    rate = Rate(0.0)
    for number in range(1, 31):
        rate.add(1000, number * 0.1)
    before = rate.per_second(3.0)
    assert 0 < rate.per_second(4.5) < before
    assert rate.per_second(3.0 + WINDOW + 0.01) == 0


def test_a_slow_line_gets_time() -> None:
    rate = Rate(0.0)
    for number in range(1, 6):
        rate.add(1000, number * 5.0)
    assert rate.per_second(25.0 + STANDSTILL * 5.0 - 0.1) > 0
    assert rate.per_second(25.0 + STANDSTILL * 5.0 + 0.1) == 0


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(1, 1 << 24)), max_size=60))
def test_a_rate_is_never_more_than_came_in_half_a_second(moves: list[tuple[float, int]]) -> None:
    rate, now, came = Rate(0.0), 0.0, 0
    for pause, size in moves:
        now += pause
        came += size
        rate.add(size, now)
        assert 0 <= rate.per_second(now) <= came * 2
