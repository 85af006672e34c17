"""For all tests: the order, patience, no silent skipping in CI, and where to import from."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
sys.path.insert(0, str(Path(__file__).parent / "support"))

import postgres

_IN_CI = os.environ.get("CI") == "true"

# What a script runs in the background ignores Ctrl-C, and so would all that is started here.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick tests first, then whole swarms, then the browser."""

    def weight(item: pytest.Item) -> int:
        if item.get_closest_marker("browser"):
            return 2
        return 1 if item.get_closest_marker("swarm") else 0

    items.sort(key=weight)
    if items and weight(items[-1]) == 2:
        _be_patient()


def _be_patient() -> None:
    """What a page must show is waited for as long as a slow machine needs: no test measures it."""
    from playwright import async_api, sync_api

    for api in (async_api, sync_api):
        api.expect.set_options(timeout=60_000)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Postgres]:
    """A PostgreSQL for all tests that want one; it must be there in CI."""
    if postgres.programs() is None:
        assert os.environ.get("CI") != "true", "CI needs PostgreSQL: install Debian's postgresql"
        pytest.skip("PostgreSQL is not installed")
    with postgres.running() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres_server: postgres.Postgres) -> str:
    """The name of a database with all tables in it, to make others from."""
    return postgres_server.migrated()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """In CI a skipped test is a failed one."""
    report = yield
    if _IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and nothing is skipped in CI: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector):  # type: ignore[no-untyped-def]
    """The same for whole files."""
    report = yield
    if _IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, and nothing is skipped in CI: {report.longrepr}"
    return report
