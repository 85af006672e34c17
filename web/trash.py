"""The trash of this machine: what was deleted, bringing it back, and emptying."""

import aiohttp.web
import msgspec

from protocol.messages.deleting import (
    GetTrash,
    Purge,
    Purged,
    Restore,
    Restored,
    TrashListed,
)
from web.activity import note
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
        found = await self._daemon.ask(GetTrash(call=0, start=start), TrashListed)
        return json_answer(plain(found))

    async def _restore(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        question = Restore(call=0, entry=request.match_info["id"])
        done = await self._daemon.ask(question, Restored)
        note(request, "restore", entry=done.id, text=done.name)
        return json_answer(plain(done))

    async def _purge(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        entry = request.match_info.get("id")
        name = await self._name(entry) if entry else ""
        done = await self._daemon.ask(Purge(call=0, entry=entry), Purged)
        note(request, "purge", entry=entry or "", text=name)
        return json_answer(PurgedAmount(done.contents, done.bytes))

    async def _name(self, entry: str) -> str:
        """What a deleted entry is called: afterwards nobody can tell."""
        start = 0
        while page := (await self._daemon.ask(GetTrash(call=0, start=start), TrashListed)).entries:
            for each in page:
                if each.id.startswith(entry):
                    return each.name
            start += len(page)
        return ""
