"""Answers that list things, cut so that they fit one control message."""

from collections.abc import Callable
from typing import TypeVar

from protocol import codec
from protocol.messages.base import Reply

_R = TypeVar("_R", bound=Reply)


def fit(make: Callable[[int], _R], count: int) -> _R:
    """`make(n)` for the largest n of count, count/2, count/4 … whose answer fits."""
    while True:
        reply = make(count)
        if count == 0 or len(codec.encode(reply)) <= codec.MAX_CONTROL:
            return reply
        count //= 2
