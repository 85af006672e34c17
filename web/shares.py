"""Files and folders that this machine shares from where they lie: listed, shared, given up.

Only for the owner of the machine: a path says what else there is on its disks, and sharing one
reads whatever the daemon may read.
"""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import aiohttp.web
import msgspec
import structlog
from msgspec import Meta

from protocol.fields import Caption, Name, PathText
from protocol.messages.base import Done, Reply
from protocol.messages.operating import Add, Added, EntryView, Show, Shown
from protocol.messages.settings import GetShares, Shares
from protocol.messages.standing import Drop, Dropped
from web.activity import note
from web.answers import AnswerError, invalid, json_answer, plain
from web.api import ENTRY
from web.asking import StartQuery, read_json, read_query
from web.daemon import Daemon
from web.events import Events
from web.people import require_owner
from web.routes import Route

SOON = 2.0
"""Seconds for which a request waits, so that what is wrong is told where it was asked."""
MOST_AT_ONCE = 8
_LONGEST = 64 << 10
_log = structlog.get_logger()


class WantedShare(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /api/v1/shares: an absolute path of this machine, or one that begins with ~/."""

    path: PathText
    name: Name | None = None
    caption: Caption = ""
    tags: Annotated[tuple[str, ...], Meta(max_length=32)] = ()


class ShareBegun(msgspec.Struct, frozen=True):
    """It is still being read; a notice tells every page of its end."""

    path: str


class ShareLeaves(msgspec.Struct, frozen=True):
    """Others do not hold it yet: it goes from here by itself once they do."""

    leaving: bool


class SharedPaths:
    """The routes of /api/v1/shares. `stop` at the end."""

    def __init__(self, daemon: Daemon, events: Events, data: Path) -> None:
        self._daemon = daemon
        self._data = data
        self._events = events
        self._tasks: set[asyncio.Task[Added]] = set()

    def routes(self) -> list[Route]:
        """All of them."""
        shares, one = "/api/v1/shares", f"/api/v1/shares/{ENTRY}"
        return [
            Route(
                "GET",
                shares,
                self._list,
                "The files and folders that are shared from where they lie.",
                {200: Shares},
                query=StartQuery,
                errors=(403,),
            ),
            Route(
                "POST",
                shares,
                self._share,
                "Share a file or folder of this machine where it lies.",
                {201: EntryView, 202: ShareBegun},
                body=WantedShare,
                errors=(404,),
            ),
            Route(
                "DELETE",
                one,
                self._give_up,
                "Keep no copy of an entry here any more, once others hold it.",
                {204: None, 202: ShareLeaves},
            ),
            Route(
                "POST",
                f"{one}/keep",
                self._keep,
                "Keep it here after all.",
                {204: None},
            ),
        ]

    async def stop(self, _application: aiohttp.web.Application) -> None:
        """Wait for none of them any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _list(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        require_owner(request)
        question = GetShares(call=0, start=read_query(request, StartQuery).start)
        return json_answer(plain(await self._daemon.ask(question, Shares)))

    async def _share(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        require_owner(request)
        wanted = await read_json(request, WantedShare, most=_LONGEST)
        path = await asyncio.to_thread(_whole, wanted.path, self._data)
        if len(self._tasks) >= MOST_AT_ONCE:
            text = f"{MOST_AT_ONCE} paths are being read already. Wait for one to end."
            raise AnswerError(503, "unreachable", text)
        task = asyncio.create_task(self._add(path, wanted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await asyncio.wait([task], timeout=SOON)
        finally:
            # Also when the browser has gone.
            if not task.done():
                task.add_done_callback(lambda ended: self._tell(ended, path))
        entry = _added(task).entry if task.done() else None
        text = entry.name if entry else Path(path).name
        note(request, "upload", entry=entry.id if entry else "", text=text)
        if entry is None:
            return json_answer(ShareBegun(path), status=202)
        return json_answer(entry, status=201)

    async def _add(self, path: str, wanted: WantedShare) -> Added:
        question = Add(
            call=0, path=path, name=wanted.name, caption=wanted.caption, tags=wanted.tags
        )
        return await self._daemon.ask(question, Added, within=None)

    def _tell(self, task: asyncio.Task[Added], path: str) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._events.notice(f"{task.result().entry.name} is shared.", good=True)
        else:
            _log.warning("not shared", why=str(error))
            why = error.text if isinstance(error, AnswerError) else "something went wrong"
            self._events.notice(f"{path} was not shared: {why}", good=False)

    async def _give_up(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        require_owner(request)
        entry = await self._entry(request)
        done = await self._daemon.ask(Drop(call=0, entry=entry.id, wait=False), Reply)
        note(request, "drop", entry=entry.id, text=entry.name)
        if isinstance(done, Dropped):
            return aiohttp.web.Response(status=204)
        return json_answer(ShareLeaves(leaving=True), status=202)

    async def _keep(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        require_owner(request)
        entry = await self._entry(request)
        await self._daemon.ask(Drop(call=0, entry=entry.id, cancel=True), Done)
        return aiohttp.web.Response(status=204)

    async def _entry(self, request: aiohttp.web.Request) -> EntryView:
        question = Show(call=0, entry=request.match_info["id"])
        return (await self._daemon.ask(question, Shown)).entry


def _added(task: asyncio.Task[Added]) -> Added:
    """What came of it soon; AnswerError at the field that is wrong."""
    try:
        return task.result()
    except AnswerError as error:
        field = error.field or ("path" if error.status in (400, 404, 500) else "")
        raise AnswerError(error.status, error.kind, error.text, field) from None


def _whole(text: str, data: Path) -> str:
    """The path as `twofold add` makes it whole; AnswerError for what is none."""
    path = Path(os.path.expanduser(text)) if text == "~" or text.startswith("~/") else Path(text)
    if "\0" in text or not path.is_absolute():
        why = "Write the whole path as this machine knows it, like /home/ana/films or ~/films."
        raise invalid(why, "path")
    try:
        resolved, keys = path.resolve(), data.resolve()
        # This machine's keys lie there, and what is shared every member can read.
        if resolved.is_relative_to(keys) or keys.is_relative_to(resolved):
            raise invalid("Twofold's own data lies there, with the keys of this machine.", "path")
        if path.name in ("", ".."):
            return str(resolved)
        return str(path.parent.resolve() / path.name)
    except (OSError, RuntimeError):
        raise invalid("This path leads in a circle, or cannot be read.", "path") from None
