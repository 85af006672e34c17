"""Fixtures of the peer's tests: peers of one swarm in this process, on a clock that jumps."""

import math
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from peer_net import PeerNet
from repeatable import make_repeatable


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


@pytest.fixture
async def net(
    tmp_path: Path,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> AsyncIterator[PeerNet]:
    """Peers that do the same in every run of a test; `TWOFOLD_SEED=n` makes them do something else.

    A test that blocks a thread on purpose asks for `threads` too.
    """
    if "threads" not in request.fixturenames:
        seed = f"{request.node.name} {os.environ.get('TWOFOLD_SEED', '')}"
        make_repeatable(random.Random(seed), monkeypatch)
    yield PeerNet(tmp_path, nursery, monkeypatch)
    nursery.cancel_scope.cancel()


@pytest.fixture
def threads() -> None:
    """Work that was given to threads is done in threads, not at once."""
