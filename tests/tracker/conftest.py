"""Fixtures of the tracker's tests: a database with a swarm in it, and a running tracker."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trio
import trio.testing
from tracker_support import Swarm, found, running

from tracker.data_dir import SwarmKeys
from tracker.database import Database


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Database, SwarmKeys]]:
    _, database, keys, _ = found(tmp_path)
    yield database, keys
    database.close()


@pytest.fixture
async def club(
    tmp_path: Path, nursery: trio.Nursery, mock_clock: trio.testing.MockClock
) -> AsyncIterator[Swarm]:
    with running(tmp_path, nursery) as swarm:
        yield swarm
        nursery.cancel_scope.cancel()
