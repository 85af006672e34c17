"""Swarms for tests, closed whatever happens; their logs go with the report of a failed test."""

import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import Postgres
from swarm import Swarm, write_random

_SWARMS = pytest.StashKey[list[Swarm]]()
BIG_SIZE = 300_000_000


def pytest_configure(config: pytest.Config) -> None:
    """A place for the open swarms."""
    config.stash[_SWARMS] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):  # type: ignore[no-untyped-def]
    """Attach the logs of every open swarm."""
    report = yield
    if report.failed:
        for swarm in item.config.stash[_SWARMS]:
            report.sections.append((f"logs of {swarm.root.name}", swarm.describe()))
    return report


def _open(config: pytest.Config, root: Path, database: str = "sqlite:") -> Iterator[Swarm]:
    with Swarm(root, database=database) as swarm:
        config.stash[_SWARMS].append(swarm)
        try:
            yield swarm
            assert not swarm.tracebacks(), "\n".join(swarm.tracebacks())
        finally:
            config.stash[_SWARMS].remove(swarm)
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def swarm(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Swarm]:
    """A tracker, and no peers yet, for one test."""
    yield from _open(request.config, tmp_path / "swarm")


@pytest.fixture
def swarm_on_postgres(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_server: Postgres
) -> Iterator[Swarm]:
    """The same with PostgreSQL as the tracker's database."""
    name = postgres_server.make()
    url = postgres_server.url(name).render_as_string()
    yield from _open(request.config, tmp_path / "swarm", url)
    postgres_server.drop(name)


@pytest.fixture(scope="module")
def three(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Swarm]:
    """A swarm of the peers a, b and c, for all tests of a file that leave it as it was."""
    for swarm in _open(request.config, tmp_path_factory.mktemp("three") / "swarm"):
        swarm.add_peers("a", "b", "c")
        yield swarm


@pytest.fixture(scope="session")
def big_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 300 MB."""
    return write_random(tmp_path_factory.mktemp("big") / "film of the summer.mkv", BIG_SIZE)


@pytest.fixture(scope="session")
def real_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the standard library: thousands of real files that nobody else writes to."""
    target = tmp_path_factory.mktemp("folder") / "standard library"
    leave_out = shutil.ignore_patterns("site-packages", "dist-packages")
    shutil.copytree(sysconfig.get_path("stdlib"), target, ignore=leave_out)
    return target
