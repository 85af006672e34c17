"""Fixtures of the peer's tests: peers of one swarm in this process, on a clock that jumps."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing
from peer_net import PeerNet


@pytest.fixture
async def net(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PeerNet]:
    async with trio.open_nursery() as nursery:
        yield PeerNet(tmp_path, nursery, monkeypatch)
        nursery.cancel_scope.cancel()
