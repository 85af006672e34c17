"""The page against its own description: what it is sent by chance it answers as it says it does."""

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from operator_double import OperatorDouble
from page_under_test import PageUnderTest, run_with_page, running_page
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from protocol.messages import operating as op
from protocol.messages.base import Message
from protocol.messages.deleting import Removed

EXAMPLES = 25
SEED = int(os.environ.get("TWOFOLD_SEED", "1"))
_HALF = tuple("01234567")
"""Ids that begin with these are replaced by one that there is."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
]


class _Lasting(OperatorDouble):
    """What is deleted stays, so that there is something to ask for."""

    def _on_remove(self, ask: op.Remove) -> list[Message]:
        self._find(ask.entry)
        return [Removed(call=ask.call, held=int(ask.entry[-1], 16) % 2 == 0)]


@dataclass
class _Served:
    origin: str
    headers: dict[str, str]
    entries: list[str]


@contextmanager
def _served(data: Path) -> Iterator[_Served]:
    """The page on a thread of its own, as schemathesis asks without an event loop."""
    double = _Lasting(data)
    loop = asyncio.new_event_loop()
    started: asyncio.Future[_Served] = loop.create_future()
    ended = asyncio.Event()

    async def serve() -> None:
        async with running_page(data, double) as page:
            entries = [
                double.hold_file("film.mp4", b"x" * 900),
                double.hold_folder("été", {"a/b.txt": b"1", "c.txt": b""}, tags=("t",)),
            ]
            started.set_result(_Served(page.origin, page.headers(), entries))
            await ended.wait()

    task = loop.create_task(serve())
    loop.run_until_complete(asyncio.wait([task, started], return_when="FIRST_COMPLETED"))
    thread = threading.Thread(target=lambda: loop.run_until_complete(task))
    thread.start()
    try:
        yield started.result()
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(20)
        loop.close()


def _description(data: Path) -> dict[str, Any]:
    found: list[bytes] = []

    async def work(page: PageUnderTest) -> None:
        status, body, _ = await page.ask("GET", "/api/v1/openapi.json")
        assert status == 200
        found.append(body)

    run_with_page(data, work)
    described: dict[str, Any] = msgspec.json.decode(found[0])
    return described


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_it_does_what_it_says(tmp_path: Path, mode: GenerationMode) -> None:
    described = _description(tmp_path)
    del described["paths"]["/api/v1/events"]  # has no end
    del described["paths"]["/api/v1/logout"]  # the rest would be asked without a session
    del described["security"]  # test_web_every_route.py tries sessions
    schema = schemathesis.openapi.from_dict(described, config=_config())
    # What is well-formed may still be no link and no cursor: that it is taken is not promised.
    more = [negative_data_rejection] if mode is GenerationMode.NEGATIVE else []
    with _served(tmp_path) as page:
        for found in schema.get_all_operations():
            operation = found.ok()
            raw = operation.definition.raw
            if any(each["name"] == "Tus-Resumable" for each in raw.get("parameters", ())):
                # A protocol of its own, not JSON: test_web_uploads.py tries it.
                continue
            if mode is GenerationMode.POSITIVE or "parameters" in raw or "requestBody" in raw:
                _try(operation, page, mode, [*CHECKS, *more])


def _config() -> SchemathesisConfig:
    """A request that is too long is refused as such, before anybody sees what is in it."""
    refused = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429, "5xx"]
    checks = {"negative_data_rejection": {"expected-statuses": refused}}
    return SchemathesisConfig.from_dict({"seed": SEED, "checks": checks})


def _try(operation: Any, page: _Served, mode: GenerationMode, checks: list[Any]) -> None:
    tried = 0

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        nonlocal tried
        tried += 1
        chosen = str(case.path_parameters.get("id", ""))
        if mode is GenerationMode.POSITIVE and chosen[:1] in _HALF:
            case.path_parameters["id"] = page.entries[len(chosen) % 2]
        if mode is GenerationMode.POSITIVE and isinstance(case.body, dict) and tried % 2:
            case.body["entry"] = page.entries[tried // 2 % 2]
        answer = case.call(base_url=page.origin, headers=page.headers, timeout=10)
        case.validate_response(answer, checks=checks, headers=page.headers)

    ask()
    assert tried
