"""The trash of this machine: what was deleted, bringing it back, and emptying."""

from typing import Any

import aiohttp.web
import msgspec

from protocol.messages.base import Reply, Request
from protocol.messages.deleting import (
    GetTrash,
    Purge,
    Purged,
    Restore,
    Restored,
    TrashListed,
)
from web.answers import json_answer, plain
from web.api import ENTRY
from web.asking import StartQuery, read_query
from web.daemon import Daemon
from web.routes import Route


class PurgedAmount(msgspec.Struct, frozen=True):
    """Answer of a purge: contents that went, and their bytes."""

    contents: int
    bytes: int


class Trash:
    """The routes under /api/v1/trash."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def routes(self) -> list[Route]:
        """List, restore one, purge one, purge all."""
        trash, one = "/api/v1/trash", f"/api/v1/trash/{ENTRY}"
        gone = {200: PurgedAmount}
        return [
            Route(
                "GET",
                trash,
                self._list,
                "What is deleted and still here.",
                {200: TrashListed},
                query=StartQuery,
            ),
            Route("POST", one + "/restore", self._restore, "Bring an entry back.", {200: Restored}),
            Route("DELETE", one, self._purge, "Remove a deleted entry for good.", gone),
            Route("DELETE", trash, self._purge, "Empty the trash.", gone),
        ]

    async def _list(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        start = read_query(request, StartQuery).start
        return await self._answer(GetTrash(call=0, start=start), TrashListed)

    async def _restore(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        return await self._answer(Restore(call=0, entry=request.match_info["id"]), Restored)

    async def _purge(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        done = await self._daemon.ask(Purge(call=0, entry=request.match_info.get("id")), Purged)
        return json_answer(PurgedAmount(done.contents, done.bytes))

    async def _answer(self, question: Request, kind: type[Reply]) -> aiohttp.web.Response:
        said: dict[str, Any] = plain(await self._daemon.ask(question, kind))
        return json_answer(said)
