"""The brake on bursts of deletions: what passes, what is held, and for how long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.delete_brake import FEW, MOST, WINDOW, allowance, is_burst, recent

MINUTE = 60_000


def deleted_of(entries: int, moments: list[int]) -> list[int]:
    """The deletions that pass, of one at each moment, in a swarm of so many entries."""
    passed: list[int] = []
    held = False
    for now in moments:
        held = is_burst(passed, entries - len(passed), now, held=held)
        if not held:
            passed.append(now)
    return passed


@pytest.mark.parametrize(
    ("entries", "passing"),
    [(5, 5), (9, 9), (12, FEW), (45, 9), (50, 10), (150, 30), (500, 100), (100_000, MOST)],
)
def test_so_many_pass_at_once(entries: int, passing: int) -> None:
    assert len(deleted_of(entries, [0] * min(entries, 150))) == passing


def test_the_first_hundred_of_a_hundred_and_fifty_pass() -> None:
    moments = [number * 1000 for number in range(150)]
    assert deleted_of(1000, moments) == moments[:100]


def test_a_slow_hand_is_never_held() -> None:
    moments = [number * WINDOW // 100 for number in range(1000)]
    assert deleted_of(10_000, moments) == moments


def test_waiting_lets_nothing_more_pass_once_something_is_held() -> None:
    moments = [0] * 101 + [number * WINDOW for number in range(1, 50)]
    assert deleted_of(1000, moments) == [0] * 100


def test_a_clock_that_was_set_back_lets_nothing_more_pass() -> None:
    moments = [30 * MINUTE] * 100
    assert recent(moments, 0) == 100
    assert is_burst(moments, 900, 0, held=False)


@given(
    entries=st.integers(0, 3000),
    gaps=st.lists(st.integers(0, WINDOW), max_size=300),
)
def test_no_window_ever_has_more_than_its_allowance(entries: int, gaps: list[int]) -> None:
    moments = [sum(gaps[: number + 1]) for number in range(min(len(gaps), entries))]
    passed = deleted_of(entries, moments)
    assert passed == moments[: len(passed)]
    for moment in passed:
        inside = [each for each in passed if moment - WINDOW < each <= moment]
        assert len(inside) <= max(FEW, min(MOST, entries // 5))


@given(entries=st.integers(0, 1 << 40))
def test_the_allowance_is_within_its_bounds_and_never_shrinks(entries: int) -> None:
    assert FEW <= allowance(entries) <= MOST
    assert allowance(entries) <= allowance(entries + 1)
