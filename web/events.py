"""Live events for open pages (server-sent events), from one poller however many listen.

Events: "status" when the daemon's status changed, "daemon" when it went away, "notice" for what
happened to something started earlier. The newest notices are kept: a page that was away says the
id of the last event it saw, and is told what came since. Nothing is kept for each page, so one
that reads slowly misses old news, never the newest.
"""

import asyncio
import secrets
from collections import deque
from typing import Annotated, Any, NoReturn

import aiohttp.web
import msgspec
from msgspec import Meta

from protocol.messages.operating import GetStatus, Status
from web.answers import AnswerError, plain, unreachable
from web.asking import read_query
from web.daemon import Daemon
from web.routes import Raw, Route
from web.shown import encode

POLL_SECONDS = 1.0
HEARTBEAT_SECONDS = 15.0
STREAMS = 32
KEPT = 64
_HEARTBEAT = b": still here\n\n"
_AGAIN = b"retry: 1000\n"
"""After how many milliseconds a browser comes back to a stream that was cut."""
_HEADERS = {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
"""The second so that a proxy sends each event at once."""
_AWAY = b'event: daemon\ndata: {"state":"unreachable"}\n\n'


class EventsQuery(msgspec.Struct, frozen=True):
    """The last event seen, for a program that cannot send Last-Event-ID."""

    after: Annotated[str, Meta(max_length=64)] = ""


class _Stream:
    """One open page: what it was sent, and whether there may be more."""

    def __init__(self, request: aiohttp.web.Request, sent: int) -> None:
        self._request = request
        self.news = asyncio.Event()
        self.news.set()
        self.sent = sent
        """The number of the last notice it has."""
        self.state = b""
        """The newest status it has."""

    @property
    def gone(self) -> bool:
        """Whether the browser has hung up; the next write will tell its task."""
        return self._request.transport is None


class Events:
    """Who listens, what has happened, and the task that looks for news while anybody listens."""

    def __init__(self, daemon: Daemon, *, streams: int = STREAMS, kept: int = KEPT) -> None:
        self._daemon = daemon
        self._most = streams
        self._streams: set[_Stream] = set()
        self._wanted = asyncio.Event()
        self._state = b""
        self._run = secrets.token_hex(4)
        """In every id, as a page may come back to a process that counts anew."""
        self._last = 0
        self._notices: deque[tuple[int, bytes]] = deque(maxlen=kept)
        self._closed = False
        daemon.on_change(self._daemon_changed)

    @property
    def open(self) -> int:
        """How many pages listen."""
        return sum(1 for stream in self._streams if not stream.gone)

    def routes(self) -> list[Route]:
        """The one stream."""
        stream = Route(
            "GET",
            "/api/v1/events",
            self._stream,
            "Live events: status, daemon and notice, as long as the connection lasts.",
            {200: Raw("text/event-stream")},
            query=EventsQuery,
            headers={"Last-Event-ID": "The last event seen: notices since then are sent first."},
            head=False,
        )
        return [stream]

    def notice(self, text: str, *, good: bool) -> None:
        """Tell every open page something, once; also those that come back soon."""
        self._last += 1
        event = _event("notice", {"text": text, "good": good})
        self._notices.append((self._last, self._mark(self._last) + event))
        self._wake()

    async def poll(self) -> NoReturn:
        """Look at the daemon's status every second while anybody listens."""
        while True:
            await self._wanted.wait()
            await self._look()
            await asyncio.sleep(POLL_SECONDS)

    async def close(self, _application: aiohttp.web.Application) -> None:
        """End every stream; this process is about to stop."""
        self._closed = True
        self._wake()

    async def _look(self) -> None:
        try:
            status = await self._daemon.ask(GetStatus(call=0), Status)
        except AnswerError:
            self._set_state(_AWAY)
        else:
            self._set_state(_event("status", plain(status)))

    def _daemon_changed(self) -> None:
        if not self._daemon.connected:
            self._set_state(_AWAY)

    def _set_state(self, state: bytes) -> None:
        if state != self._state:
            self._state = state
            self._wake()

    def _wake(self) -> None:
        for stream in self._streams:
            stream.news.set()

    async def _stream(self, request: aiohttp.web.Request) -> aiohttp.web.StreamResponse:
        after = request.headers.get("Last-Event-ID") or read_query(request, EventsQuery).after
        if self.open >= self._most:
            raise unreachable("Too many pages are open. Close some, and try again.")
        stream = _Stream(request, self._number(after))
        self._join(stream)
        response = aiohttp.web.StreamResponse(headers=_HEADERS)
        try:
            await response.prepare(request)
            await response.write(_AGAIN + self._mark(stream.sent) + _HEARTBEAT)
            await self._pump(stream, response)
        except ConnectionError:
            pass
        finally:
            self._leave(stream)
        return response

    async def _pump(self, stream: _Stream, response: aiohttp.web.StreamResponse) -> None:
        while not self._closed:
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await stream.news.wait()
            except TimeoutError:
                await response.write(_HEARTBEAT)
                continue
            stream.news.clear()
            if news := self._news_for(stream):
                await response.write(news)

    def _news_for(self, stream: _Stream) -> bytes:
        news = [notice for number, notice in self._notices if number > stream.sent]
        stream.sent = self._last
        if stream.state != self._state:
            stream.state = self._state
            news.append(self._state)
        return b"".join(news)

    def _number(self, after: str) -> int:
        """The last notice a page has seen; all of them when it comes for the first time."""
        run, _, number = after.partition("-")
        if not after or not (number.isascii() and number.isdigit() and len(number) < 16):
            return self._last
        return min(int(number), self._last) if run == self._run else 0

    def _mark(self, number: int) -> bytes:
        return b"id: %s-%d\n" % (self._run.encode(), number)

    def _join(self, stream: _Stream) -> None:
        if not self._streams:
            self._state = b""  # whatever was newest when the last one left is old by now
        self._streams.add(stream)
        self._wanted.set()

    def _leave(self, stream: _Stream) -> None:
        self._streams.discard(stream)
        if not self._streams:
            self._wanted.clear()


def _event(name: str, content: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), encode(content))
