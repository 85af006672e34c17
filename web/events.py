"""Live events for open pages (server-sent events), from one poller however many listen.

Events: "status" when the daemon's status changed, "daemon" when it went away, "notice" for what
happened to something started earlier. A slow listener loses its oldest events, never the newest.
"""

import asyncio
from typing import Any, NoReturn

import aiohttp.web
import msgspec

from protocol.messages.operating import GetStatus, Status
from web.answers import AnswerError, plain
from web.daemon import Daemon

POLL_SECONDS = 1.0
HEARTBEAT_SECONDS = 15.0
_KEPT = 32
_HEARTBEAT = b": still here\n\n"
_AWAY = b'event: daemon\ndata: {"state":"unreachable"}\n\n'

_Listener = asyncio.Queue[bytes | None]


class Events:
    """Who listens, and the task that looks for news while anybody does."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._listeners: set[_Listener] = set()
        self._wanted = asyncio.Event()
        self._newest = b""
        daemon.on_change(self._daemon_changed)

    def routes(self) -> list[aiohttp.web.RouteDef]:
        """The one stream."""
        return [aiohttp.web.get("/api/v1/events", self._stream, allow_head=False)]

    def notice(self, text: str, *, good: bool) -> None:
        """Tell every open page something, once."""
        self._publish(_event("notice", {"text": text, "good": good}))

    async def poll(self) -> NoReturn:
        """Look at the daemon's status every second while anybody listens."""
        while True:
            await self._wanted.wait()
            await self._look()
            await asyncio.sleep(POLL_SECONDS)

    async def close(self, _application: aiohttp.web.Application) -> None:
        """End every stream; this process is about to stop."""
        for listener in self._listeners:
            _put(listener, None)

    async def _look(self) -> None:
        try:
            status = await self._daemon.ask(GetStatus(call=0), Status)
        except AnswerError:
            news = _AWAY
        else:
            news = _event("status", plain(status))
        if news != self._newest:
            self._newest = news
            self._publish(news)

    def _daemon_changed(self) -> None:
        if not self._daemon.connected and self._newest != _AWAY:
            self._newest = _AWAY
            self._publish(_AWAY)

    def _publish(self, event: bytes) -> None:
        for listener in self._listeners:
            _put(listener, event)

    async def _stream(self, request: aiohttp.web.Request) -> aiohttp.web.StreamResponse:
        response = aiohttp.web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        listener: _Listener = asyncio.Queue(_KEPT)
        self._join(listener)
        try:
            await _pump(listener, response)
        except ConnectionError:
            pass
        finally:
            self._leave(listener)
        return response

    def _join(self, listener: _Listener) -> None:
        if not self._listeners:
            self._newest = b""  # whatever was newest when the last one left is old by now
        self._listeners.add(listener)
        self._wanted.set()
        if self._newest:
            _put(listener, self._newest)

    def _leave(self, listener: _Listener) -> None:
        self._listeners.discard(listener)
        if not self._listeners:
            self._wanted.clear()


async def _pump(listener: _Listener, response: aiohttp.web.StreamResponse) -> None:
    await response.write(_HEARTBEAT)
    while True:
        try:
            event = await asyncio.wait_for(listener.get(), HEARTBEAT_SECONDS)
        except TimeoutError:
            event = _HEARTBEAT
        if event is None:
            return
        await response.write(event)


def _event(name: str, content: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode(content))


def _put(listener: _Listener, event: bytes | None) -> None:
    if listener.full():
        listener.get_nowait()
    listener.put_nowait(event)
