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
from web.api import ENTRY, number_in_query
from web.daemon import Daemon


class PurgedAmount(msgspec.Struct, frozen=True):
    """Answer of a purge: contents that went, and their bytes."""

    contents: int
    bytes: int


class Trash:
    """The routes under /api/v1/trash."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def routes(self) -> list[aiohttp.web.RouteDef]:
        """List, restore one, purge one, purge all."""
        web = aiohttp.web
        return [
            web.get("/api/v1/trash", self._list),
            web.post(f"/api/v1/trash/{ENTRY}/restore", self._restore),
            web.delete(f"/api/v1/trash/{ENTRY}", self._purge),
            web.delete("/api/v1/trash", self._purge),
        ]

    async def _list(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        start = number_in_query(request, "start", default=0, least=0, most=1 << 53)
        return await self._answer(GetTrash(call=0, start=start), TrashListed)

    async def _restore(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        return await self._answer(Restore(call=0, entry=request.match_info["id"]), Restored)

    async def _purge(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        done = await self._daemon.ask(Purge(call=0, entry=request.match_info.get("id")), Purged)
        return json_answer(PurgedAmount(done.contents, done.bytes))

    async def _answer(self, question: Request, kind: type[Reply]) -> aiohttp.web.Response:
        said: dict[str, Any] = plain(await self._daemon.ask(question, kind))
        return json_answer(said)
