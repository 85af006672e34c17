"""The weekly schedule: which window holds when."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from peer.errors import UsageError
from peer.limits.rates import Rates
from peer.limits.schedule import (
    EVERY_DAY,
    Times,
    Window,
    parse_days,
    parse_times,
    times_text,
    window_at,
)

MONDAY = datetime(2026, 11, 16)
any_times = st.builds(
    Times,
    days=st.frozensets(st.integers(0, 6), min_size=1),
    start=st.integers(0, 1439),
    end=st.integers(0, 1440),
)


def at(day: int, clock: str) -> datetime:
    """A moment of the week that begins on MONDAY; day 0 is Monday."""
    hours, minutes = clock.split(":")
    return MONDAY + timedelta(days=day, hours=int(hours), minutes=int(minutes))


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (
            "mon-fri 08:00-18:00",
            [(0, "8:00"), (4, "17:59"), (2, "12:00")],
            [(0, "7:59"), (4, "18:00"), (5, "12:00"), (6, "8:00")],
        ),
        (
            "fri,sat 22:00-06:00",
            [(4, "22:00"), (4, "23:59"), (5, "0:00"), (5, "5:59"), (5, "22:00"), (6, "3:00")],
            [(4, "3:00"), (4, "21:59"), (5, "6:00"), (6, "6:00"), (6, "22:00"), (0, "3:00")],
        ),
        ("sun 20:00-02:00", [(6, "23:00"), (0, "1:59")], [(6, "1:00"), (0, "2:00"), (0, "20:00")]),
        ("12:00-24:00", [(0, "12:00"), (6, "23:59")], [(0, "11:59"), (0, "0:00")]),
        ("tue 00:00-00:00", [(1, "0:00"), (1, "23:59")], [(0, "23:59"), (2, "0:00")]),
        ("tue 06:00-06:00", [(1, "6:00"), (2, "5:59")], [(1, "5:59"), (2, "6:00")]),
        ("fri-mon 00:00-24:00", [(4, "0:00"), (0, "23:59")], [(1, "0:00"), (3, "23:59")]),
    ],
)
def test_times(text: str, inside: list[tuple[int, str]], outside: list[tuple[int, str]]) -> None:
    times = parse_times(text)
    assert [each for each in inside if not times.cover(at(*each))] == []
    assert [each for each in outside if times.cover(at(*each))] == []


@given(times=any_times)
@settings(max_examples=30, deadline=None)
def test_times_cover_as_long_as_they_say(times: Times) -> None:
    length = (times.end - times.start - 1) % 1440 + 1
    covered = sum(times.cover(MONDAY + timedelta(minutes=n)) for n in range(0, 7 * 1440, 1))
    assert covered == length * len(times.days)


@given(times=any_times)
def test_times_survive_as_text(times: Times) -> None:
    assert parse_times(times_text(times)) == times


def test_times_read_well() -> None:
    assert times_text(parse_times(" Mon,tue,WED , sat  8:00 - 18:30 ")) == "mon-wed,sat 08:00-18:30"
    assert times_text(parse_times("08:00-24:00")) == "daily 08:00-24:00"
    assert parse_days("sat") == {5}
    assert parse_days("sun-mon") == {6, 0}
    assert parse_days("daily") == parse_days("mon-sun") == EVERY_DAY


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "write them like"),
        ("mon", "write them like"),
        ("mon 8-18", "write them like"),
        ("monday 08:00-18:00", "are no days"),
        ("mon- 08:00-18:00", "are no days"),
        ("mon-- 08:00-18:00", "are no days"),
        (",mon 08:00-18:00", "are no days"),
        ("08:60-18:00", "no time of day"),
        ("08:00-24:01", "no time of day"),
        ("24:00-08:00", "24:00 is its end"),
    ],
)
def test_what_is_no_time_is_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        parse_times(text)


def test_the_first_window_that_covers_a_moment_holds() -> None:
    night = Window(times=parse_times("22:00-06:00"), up=None)
    work = Window(times=parse_times("mon-fri 08:00-23:00"), up=1, down=2)
    windows = (night, work)
    assert window_at(windows, at(0, "9:00")) is work
    assert window_at(windows, at(0, "22:30")) is night
    assert window_at(windows, at(5, "9:00")) is None
    base = Rates(up=5, down=6)
    assert work.over(base) == Rates(up=1, down=2)
    assert night.over(base) == Rates(up=None, down=6)
    assert night.down is UNSET
