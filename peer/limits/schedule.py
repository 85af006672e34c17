"""The weekly schedule of limits: at which times which rates hold. Pure: takes local time."""

import re
from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from peer.errors import UsageError
from peer.limits.rates import Rates

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY = frozenset(range(7))
_DAY = 24 * 60
RateChange = int | UnsetType | None
"""A rate, None for none at all, unset to leave it as it is."""


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """Days as numbers, Monday 0; `start` and `end` are minutes of the day.

    An end that is not after the start is on the day after.
    """

    days: frozenset[int]
    start: int
    end: int

    def cover(self, moment: datetime) -> bool:
        """Whether a moment, in local time, lies in them."""
        minute, today = moment.hour * 60 + moment.minute, moment.weekday()
        if self.start < self.end:
            return today in self.days and self.start <= minute < self.end
        yesterday = (today - 1) % 7
        return (today in self.days and minute >= self.start) or (
            yesterday in self.days and minute < self.end
        )


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Rates that hold at these times. Unset: as without the schedule."""

    times: Times
    up: RateChange = UNSET
    down: RateChange = UNSET

    def over(self, base: Rates) -> Rates:
        """The rates that hold at its times."""
        return Rates(
            up=base.up if self.up is UNSET else self.up,
            down=base.down if self.down is UNSET else self.down,
        )


def window_at(windows: tuple[Window, ...], moment: datetime) -> Window | None:
    """The window that holds at a moment of local time: the first that covers it."""
    return next((window for window in windows if window.times.cover(moment)), None)


def parse_times(text: str) -> Times:
    """From "mon-fri 08:00-18:00", or "22:00-06:00" for every day. UsageError otherwise."""
    match = re.fullmatch(r"(?:(.*\S)\s+)?(\d\d?:\d\d)\s*-\s*(\d\d?:\d\d)", text.strip())
    if match is None:
        raise UsageError(f"{text!r} are no times; write them like 'mon-fri 08:00-18:00'")
    days = EVERY_DAY if match[1] is None else parse_days(match[1])
    return Times(days=days, start=parse_start(match[2]), end=parse_end(match[3]))


def times_text(times: Times) -> str:
    """What `parse_times` reads as exactly these times."""
    return f"{days_text(times.days)} {clock_text(times.start)}-{clock_text(times.end)}"


def parse_days(text: str) -> frozenset[int]:
    """From "mon-fri", "sat,sun", "fri-mon" or "daily". UsageError otherwise."""
    if text.strip().lower() == "daily":
        return EVERY_DAY
    found: set[int] = set()
    for part in text.lower().split(","):
        first, dash, last = (word.strip() for word in part.partition("-"))
        if first not in DAYS or (dash and last not in DAYS):
            raise UsageError(f"{text!r} are no days; write them like mon-fri, or sat,sun, or daily")
        start = DAYS.index(first)
        count = (DAYS.index(last) - start) % 7 if dash else 0
        found.update((start + step) % 7 for step in range(count + 1))
    return frozenset(found)


def days_text(days: frozenset[int]) -> str:
    """What `parse_days` reads as exactly these days."""
    if days == EVERY_DAY:
        return "daily"
    runs: list[list[int]] = []
    for day in sorted(days):
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ",".join("-".join(dict.fromkeys((DAYS[run[0]], DAYS[run[-1]]))) for run in runs)


def parse_start(text: str) -> int:
    """Minutes of the day from "08:00"; UsageError otherwise."""
    minutes = parse_end(text)
    if minutes == _DAY:
        raise UsageError("a day begins at 00:00; 24:00 is its end")
    return minutes


def parse_end(text: str) -> int:
    """The same, or "24:00" for the end of the day."""
    match = re.fullmatch(r"(\d\d?):(\d\d)", text.strip())
    minutes = int(match[1]) * 60 + int(match[2]) if match else _DAY + 1
    if match is None or int(match[2]) > 59 or minutes > _DAY:
        raise UsageError(f"{text!r} is no time of day; write it like 08:00")
    return minutes


def clock_text(minutes: int) -> str:
    """ "08:00" from minutes of the day."""
    return f"{minutes // 60:02}:{minutes % 60:02}"
