"""Uploads: a raw body streamed to the spool, then added to the swarm by the daemon.

Refuses bodies of unknown length, and those that stop coming for 30 seconds or end early.
"""

import asyncio

import aiohttp
import aiohttp.web
import msgspec

from protocol.messages.operating import Add, Added, EntryView
from protocol.paths import clean_name
from web.activity import note
from web.answers import AnswerError, invalid, json_answer
from web.daemon import Daemon
from web.routes import Raw, Route
from web.spool import Part, Spool

IDLE_SECONDS = 30.0


class UploadQuery(msgspec.Struct, frozen=True):
    """What the file is called and what is said of it; `tags` are separated by commas."""

    name: str
    caption: str = ""
    tags: str = ""


class Uploads:
    """POST /api/v1/upload."""

    def __init__(self, daemon: Daemon, spool: Spool, *, idle: float = IDLE_SECONDS) -> None:
        self._daemon = daemon
        self._spool = spool
        self._idle = idle

    def routes(self) -> list[Route]:
        """The one route."""
        upload = Route(
            "POST",
            "/api/v1/upload",
            self._upload,
            "Share a file: its bytes are the body.",
            {201: EntryView},
            query=UploadQuery,
            body=Raw("application/octet-stream"),
            errors=(408, 411, 415, 507),
        )
        return [upload]

    async def _upload(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        length = _declared_length(request)
        wanted = _describe(request)
        self._spool.check_room(length)
        async with self._spool.new_part() as part:
            await self._receive(request, part, length)
            await part.finish()
            entry = await self._add(wanted, part)
        note(request, "upload", entry=entry.id, text=entry.name)
        return json_answer(entry, status=201)

    async def _receive(self, request: aiohttp.web.Request, part: Part, length: int) -> None:
        try:
            while content := await asyncio.wait_for(request.content.readany(), self._idle):
                await part.write(content)
        except TimeoutError:
            text = f"The upload stopped: nothing came for {self._idle:.0f} seconds."
            raise AnswerError(408, "failed", text) from None
        except (ConnectionError, aiohttp.ClientPayloadError, aiohttp.web.HTTPException):
            raise invalid("The upload was cut off.") from None
        if part.length != length:
            raise invalid("The upload was cut off.")

    async def _add(self, wanted: Add, part: Part) -> EntryView:
        request = Add(
            call=0,
            path=str(part.path.resolve()),
            name=wanted.name,
            caption=wanted.caption,
            tags=wanted.tags,
            owned=True,
        )
        added = await self._daemon.ask(request, Added, within=None)
        part.keep()
        return added.entry


def _declared_length(request: aiohttp.web.Request) -> int:
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise AnswerError(415, "invalid", "Send the file as it is, without Content-Encoding.")
    if request.content_length is None:
        raise AnswerError(411, "invalid", "Send the length of the file as Content-Length.")
    return request.content_length


def _describe(request: aiohttp.web.Request) -> Add:
    """What the query says of the file; checked now, before the first byte is taken."""
    name = request.query.get("name", "")
    caption = request.query.get("caption", "")
    tags = dict.fromkeys(tag.strip() for tag in request.query.get("tags", "").split(","))
    tags.pop("", None)
    if not name:
        raise invalid("Give the file's name, as in /api/v1/upload?name=report.pdf")
    if len(caption) > 4096:
        raise invalid("The caption is too long: 4096 characters at most.")
    if len(tags) > 32 or any(len(tag) > 64 for tag in tags):
        raise invalid("At most 32 tags of 64 characters each.")
    return Add(call=0, path="/", name=clean_name(name), caption=caption, tags=tuple(tags))
