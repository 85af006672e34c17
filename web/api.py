"""The JSON interface: each route asks the daemon one thing and answers what it said."""

import asyncio
from typing import Annotated

import aiohttp.web
import msgspec
from msgspec import Meta

from protocol.errors import RemoteProtocolError
from protocol.messages.deleting import Removed
from protocol.messages.health import GetHealth, Health
from protocol.messages.operating import (
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
from web.answers import AnswerError, invalid, json_answer, plain
from web.daemon import Daemon
from web.entries_query import read_entries_query
from web.fetches import Fetches
from web.piece_runs import piece_map_view

ENTRY = "{id:[0-9a-f]{6,64}}"
_LONGEST_BODY = 16 << 10
_BODY_SECONDS = 30.0


class WantedEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /api/v1/fetch: a link or an id, as a person pasted it."""

    entry: Annotated[str, Meta(min_length=1, max_length=1000)]


class Api:
    """The routes under /api/v1 that are one question each."""

    def __init__(self, daemon: Daemon, fetches: Fetches) -> None:
        self._daemon = daemon
        self._fetches = fetches

    def routes(self) -> list[aiohttp.web.RouteDef]:
        """All of them."""
        web = aiohttp.web
        return [
            web.get("/healthz", self._running),
            web.get("/api/v1/health", self._health),
            web.get("/api/v1/status", self._status),
            web.get("/api/v1/peers", self._peers),
            web.get("/api/v1/entries", self._entries),
            web.get(f"/api/v1/entries/{ENTRY}", self._entry),
            web.delete(f"/api/v1/entries/{ENTRY}", self._remove),
            web.get(f"/api/v1/entries/{ENTRY}/files", self._files),
            web.get(f"/api/v1/entries/{ENTRY}/pieces", self._pieces),
            web.post("/api/v1/fetch", self._fetch),
        ]

    async def _running(self, _request: aiohttp.web.Request) -> aiohttp.web.Response:
        state = "connected" if self._daemon.connected else "unreachable"
        return json_answer({"state": "ok", "daemon": state})

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
        asked = Remove(call=0, entry=request.match_info["id"])
        done = await self._daemon.ask(asked, Removed)
        if done.held:
            return json_answer({"held": True}, status=202)
        return aiohttp.web.Response(status=204)

    async def _files(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        start = number_in_query(request, "start", default=0, least=0, most=1 << 53)
        question = GetFiles(call=0, entry=request.match_info["id"], start=start)
        return json_answer(plain(await self._daemon.ask(question, Files)))

    async def _pieces(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        question = GetPieceMap(call=0, entry=request.match_info["id"])
        try:
            return json_answer(piece_map_view(await self._daemon.ask(question, PieceMap)))
        except RemoteProtocolError:
            raise AnswerError(500, "failed", "The daemon's piece map makes no sense.") from None

    async def _fetch(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        wanted = await _read_wanted(request)
        # White space: links are long, and mail programs break them.
        question = Show(call=0, entry="".join(wanted.entry.split()) or "-")
        entry = (await self._daemon.ask(question, Shown)).entry
        self._fetches.start(entry)
        return json_answer(entry, status=202)


def number_in_query(
    request: aiohttp.web.Request, name: str, *, default: int, least: int, most: int
) -> int:
    """A whole number from the query; AnswerError when it is none or out of bounds."""
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
        raise invalid(f"“{name}” must be a whole number from {least} to {most}.")
    return int(text)


async def _read_wanted(request: aiohttp.web.Request) -> WantedEntry:
    if (request.content_length or 0) > _LONGEST_BODY:
        raise invalid("That is too long to be a link.")
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            body = await request.read()
        return msgspec.json.decode(body, type=WantedEntry)
    except TimeoutError:
        raise AnswerError(408, "failed", "The request did not come in time.") from None
    except (msgspec.MsgspecError, UnicodeError):
        raise invalid('Send {"entry": "a link or an id"} as JSON.') from None
