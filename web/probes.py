"""What programs that watch this process ask: is it alive, can it serve, what has it counted."""

from collections.abc import Callable, Sequence

import aiohttp.web
import msgspec

from web.answers import json_answer, unreachable
from web.daemon import AWAY, Daemon
from web.metrics import CONTENT_TYPE, Metrics
from web.openapi import document
from web.routes import Raw, Route
from web.version import version


class Running(msgspec.Struct, frozen=True):
    """This process lives; whether the daemon does is told besides."""

    state: str
    daemon: str


class Ready(msgspec.Struct, frozen=True):
    """The daemon answers, so the page can."""

    state: str


class OpenApi(msgspec.Struct, frozen=True):
    """An OpenAPI document; the rest of it is not described here."""

    openapi: str


class Probes:
    """/healthz, /readyz, /metrics and the description of all routes."""

    def __init__(self, daemon: Daemon, metrics: Metrics) -> None:
        self._daemon = daemon
        self._metrics = metrics
        self._document = b"{}"

    def routes(self) -> list[Route]:
        """All of them; the first two need no session, see `Gate` for the third."""
        text = Raw("text/plain")
        return [
            Route("GET", "/healthz", self._running, "Whether the page lives.", {200: Running}),
            Route("GET", "/readyz", self._ready, "Whether the daemon answers.", {200: Ready}),
            Route("GET", "/metrics", self._count, "Counters for Prometheus.", {200: text}),
            Route("GET", "/api/v1/openapi.json", self._describe, "This.", {200: OpenApi}),
        ]

    def describe(self, routes: Sequence[Route], is_open: Callable[[str], bool]) -> None:
        """Answer openapi.json with these; `is_open` tells which paths need no session."""
        self._document = msgspec.json.encode(document(routes, version(), is_open))

    async def _running(self, _request: aiohttp.web.Request) -> aiohttp.web.Response:
        daemon = "connected" if self._daemon.connected else "unreachable"
        return json_answer(Running("ok", daemon))

    async def _ready(self, _request: aiohttp.web.Request) -> aiohttp.web.Response:
        if not self._daemon.connected:
            raise unreachable(AWAY)
        return json_answer(Ready("ready"))

    async def _count(self, _request: aiohttp.web.Request) -> aiohttp.web.Response:
        return aiohttp.web.Response(
            body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE}
        )

    async def _describe(self, _request: aiohttp.web.Request) -> aiohttp.web.Response:
        return aiohttp.web.Response(body=self._document, content_type="application/json")
