"""Lengths of time as people write them."""

import pytest

from protocol.durations import parse_duration
from protocol.errors import InvalidTextError


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("15m", 900), ("24h", 86_400), (" 7D ", 604_800)]
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "0s", "1.5h", "367d", "1y", "٣s", "9" * 30])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(InvalidTextError):
        parse_duration(text)
