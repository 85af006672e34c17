"""Fixtures of the peer's tests: peers of one swarm in this process, on a clock that jumps."""

import os
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trio
import trio.testing
from clocks import autojump_clock as autojump_clock
from disks import BYTES, Disk
from lied_to import Liar
from peer_net import PeerNet, SwarmOfPeers, manifest_of
from repeatable import make_repeatable

from peer.data_dir import DataDir
from peer.database import Database, open_database
from protocol.manifest import Manifest


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


@pytest.fixture
def swarm() -> SwarmOfPeers:
    """The keys and roster of a swarm that nobody is in yet."""
    return SwarmOfPeers()


@pytest.fixture
def directory(tmp_path: Path, swarm: SwarmOfPeers) -> DataDir:
    """The data directory of a machine that has joined."""
    swarm.join(tmp_path / "data", "nas")
    return DataDir(tmp_path / "data")


@pytest.fixture
def database(directory: DataDir) -> Iterator[Database]:
    """Its database."""
    database = open_database(directory.database)
    yield database
    database.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """An empty store on a disk of its own."""
    disk = Disk(tmp_path / "data")
    yield disk
    disk.store.close()
    disk.database.close()


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A file of nine pieces and a bit."""
    path = tmp_path / "film"
    path.write_bytes(BYTES)
    return path


@pytest.fixture
def manifest(film: Path) -> Manifest:
    """What the film is made of."""
    return manifest_of(film)


@pytest.fixture
def liar(net: PeerNet, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch) -> Liar:
    """The tracker of these peers, which says what a test makes it say."""
    made = Liar(net.swarm, nursery)
    monkeypatch.setattr("peer.tracker_link.open_channel", made.open_channel)
    return made
