"""Clocks that tests of several rooms go by."""

import math
from typing import Any

import pytest
import trio
import trio.testing


@pytest.fixture
def autojump_clock(monkeypatch: pytest.MonkeyPatch) -> trio.testing.MockClock:
    """As pytest-trio's, but it stands still while a thread works: disks are not in the test's time.

    The test itself must ask for it: pytest-trio passes over a clock that only a fixture asked for.
    """
    clock = trio.testing.MockClock(autojump_threshold=0)
    in_threads = trio.to_thread.run_sync
    at_work = 0

    async def standing_still(*arguments: Any, **options: Any) -> Any:
        nonlocal at_work
        at_work += 1
        clock.autojump_threshold = math.inf
        try:
            return await in_threads(*arguments, **options)
        finally:
            at_work -= 1
            if not at_work:
                clock.autojump_threshold = 0

    monkeypatch.setattr(trio.to_thread, "run_sync", standing_still)
    return clock
