"""Fixtures of the tracker's tests: a database with a swarm in it, and a running tracker."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import tracker_support
import trio
import trio.testing
from postgres import Postgres
from sqlalchemy import URL
from tracker_support import Swarm, found, running

from tracker.data_dir import SwarmKeys
from tracker.database import Database


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each engine in turn; `found` makes its databases with it."""
    if request.param == "sqlite":
        yield request.param
        return
    server = request.getfixturevalue("postgres_server")
    template = request.getfixturevalue("postgres_template")
    names: list[str] = []

    def make() -> URL:
        names.append(server.make(template))
        url: URL = server.url(names[-1])
        return url

    tracker_support.make_place = make
    yield request.param
    tracker_support.make_place = None
    for name in names:
        server.drop(name)


@pytest.fixture
def server(
    postgres_server: Postgres, postgres_template: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Postgres]:
    """The server; `found` makes its swarms on it."""
    names: list[str] = []

    def make() -> URL:
        names.append(postgres_server.make(postgres_template))
        return postgres_server.url(names[-1])

    monkeypatch.setattr(tracker_support, "make_place", make)
    yield postgres_server
    for name in names:
        postgres_server.drop(name)


@pytest.fixture
def made(tmp_path: Path, engine: str) -> Iterator[tuple[Database, SwarmKeys]]:
    _, database, keys, _ = found(tmp_path)
    yield database, keys
    database.close()


@pytest.fixture
async def club(
    tmp_path: Path, engine: str, nursery: trio.Nursery, mock_clock: trio.testing.MockClock
) -> AsyncIterator[Swarm]:
    with running(tmp_path, nursery) as swarm:
        yield swarm
        nursery.cancel_scope.cancel()
