"""Whom pieces come from and whom they go to, asked for only while somebody looks at it."""

import aiohttp.web

from protocol.messages.linking import GetLinks, GetSources, LinkedMachines, Sources
from web.answers import json_answer, plain
from web.daemon import Daemon
from web.routes import Route


class Transfers:
    """GET /api/v1/transfers/{id} and /api/v1/links."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def routes(self) -> list[Route]:
        """Both."""
        return [
            Route(
                "GET",
                "/api/v1/transfers/{id:[0-9a-f]{6,64}}",
                self._sources,
                "The machines that one download asks for pieces.",
                {200: Sources},
            ),
            Route(
                "GET",
                "/api/v1/links",
                self._links,
                "The machines that are linked, and what went there and came from there.",
                {200: LinkedMachines},
            ),
        ]

    async def _sources(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        question = GetSources(call=0, transfer=request.match_info["id"])
        return json_answer(plain(await self._daemon.ask(question, Sources)))

    async def _links(self, _request: aiohttp.web.Request) -> aiohttp.web.Response:
        return json_answer(plain(await self._daemon.ask(GetLinks(call=0), LinkedMachines)))
