"""The JSON interface: each route asks the daemon one thing and answers what it said."""

from typing import Annotated

import aiohttp.web
import msgspec
from msgspec import Meta

from protocol.errors import RemoteProtocolError
from protocol.messages.deleting import Removed
from protocol.messages.health import GetHealth, Health
from protocol.messages.operating import (
    EntryView,
    Files,
    Found,
    GetFiles,
    GetPeers,
    GetPieceMap,
    GetStatus,
    Peers,
    PieceMap,
    Remove,
    Show,
    Shown,
    Status,
)
from web.activity import note
from web.answers import AnswerError, json_answer, plain
from web.asking import BODY_SECONDS, StartQuery, read_json, read_query
from web.daemon import Daemon
from web.entries_query import EntriesQuery, read_entries_query
from web.fetches import Fetches
from web.piece_runs import PieceRows, piece_map_view
from web.routes import Route

ENTRY = "{id:[0-9a-f]{6,64}}"


class WantedEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /api/v1/fetch: a link or an id, as a person pasted it."""

    entry: Annotated[str, Meta(min_length=1, max_length=1000)]


class DeletionHeld(msgspec.Struct, frozen=True):
    """The deletion waits for somebody's approval."""

    held: bool


class Api:
    """The routes under /api/v1 that are one question each."""

    def __init__(
        self, daemon: Daemon, fetches: Fetches, *, body_seconds: float = BODY_SECONDS
    ) -> None:
        self._daemon = daemon
        self._fetches = fetches
        self._body_seconds = body_seconds

    def routes(self) -> list[Route]:
        """All of them."""
        entry = f"/api/v1/entries/{ENTRY}"
        return [
            Route("GET", "/api/v1/health", self._health, "How safe everything is.", {200: Health}),
            Route("GET", "/api/v1/status", self._status, "How the daemon is.", {200: Status}),
            Route("GET", "/api/v1/peers", self._peers, "The machines of the swarm.", {200: Peers}),
            Route(
                "GET",
                "/api/v1/entries",
                self._entries,
                "Search, newest first.",
                {200: Found},
                query=EntriesQuery,
            ),
            Route("GET", entry, self._entry, "One entry.", {200: EntryView}),
            Route(
                "DELETE",
                entry,
                self._remove,
                "Delete an entry for everyone.",
                {204: None, 202: DeletionHeld},
            ),
            Route(
                "GET",
                f"{entry}/files",
                self._files,
                "Its files, a page of them.",
                {200: Files},
                query=StartQuery,
            ),
            Route(
                "GET",
                f"{entry}/pieces",
                self._pieces,
                "Who holds which pieces of it.",
                {200: PieceRows},
            ),
            Route(
                "POST",
                "/api/v1/fetch",
                self._fetch,
                "Fetch an entry to this machine.",
                {202: EntryView},
                body=WantedEntry,
                errors=(404,),
            ),
        ]

    async def _health(self, _request: aiohttp.web.Request) -> aiohttp.web.Response:
        return json_answer(plain(await self._daemon.ask(GetHealth(call=0), Health)))

    async def _status(self, _request: aiohttp.web.Request) -> aiohttp.web.Response:
        return json_answer(plain(await self._daemon.ask(GetStatus(call=0), Status)))

    async def _peers(self, _request: aiohttp.web.Request) -> aiohttp.web.Response:
        return json_answer(plain(await self._daemon.ask(GetPeers(call=0), Peers)))

    async def _entries(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        question = read_entries_query(request.query).question()
        return json_answer(plain(await self._daemon.ask(question, Found)))

    async def _entry(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        question = Show(call=0, entry=request.match_info["id"])
        return json_answer((await self._daemon.ask(question, Shown)).entry)

    async def _remove(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        question = Show(call=0, entry=request.match_info["id"])
        entry = (await self._daemon.ask(question, Shown)).entry
        done = await self._daemon.ask(Remove(call=0, entry=entry.id), Removed)
        note(request, "delete", entry=entry.id, text=entry.name)
        if done.held:
            return json_answer(DeletionHeld(held=True), status=202)
        return aiohttp.web.Response(status=204)

    async def _files(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        start = read_query(request, StartQuery).start
        question = GetFiles(call=0, entry=request.match_info["id"], start=start)
        return json_answer(plain(await self._daemon.ask(question, Files)))

    async def _pieces(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        question = GetPieceMap(call=0, entry=request.match_info["id"])
        try:
            return json_answer(piece_map_view(await self._daemon.ask(question, PieceMap)))
        except RemoteProtocolError:
            raise AnswerError(500, "failed", "The daemon's piece map makes no sense.") from None

    async def _fetch(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        wanted = await read_json(request, WantedEntry, within=self._body_seconds)
        # White space: links are long, and mail programs break them.
        question = Show(call=0, entry="".join(wanted.entry.split()) or "-")
        entry = (await self._daemon.ask(question, Shown)).entry
        if self._fetches.start(entry):
            note(request, "fetch", entry=entry.id, text=entry.name)
        return json_answer(entry, status=202)
