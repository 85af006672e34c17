"""How fast this machine sent and received within the last hour, a sample every ten seconds.

Kept in memory only. A gap is a time in which the daemon was away.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Annotated, NoReturn

import aiohttp.web
import msgspec
from msgspec import Meta

from protocol.messages.operating import GetStatus, Status
from web.answers import AnswerError, json_answer
from web.daemon import Daemon
from web.routes import Route

EVERY = 10.0
HOUR = 3600.0
_Number = Annotated[int, Meta(ge=0)]


class RateSample(msgspec.Struct, frozen=True):
    """Bytes a second, within the `EVERY` seconds that ended `ago` seconds ago."""

    ago: _Number
    down: _Number
    up: _Number


class RatesKept(msgspec.Struct, frozen=True):
    """The samples of the last hour, oldest first, and how many seconds each stands for."""

    every: _Number
    samples: tuple[RateSample, ...]


class Rates:
    """GET /api/v1/rates; `keep` runs beside the page."""

    def __init__(self, daemon: Daemon, *, now: Callable[[], float] = time.monotonic) -> None:
        self._daemon = daemon
        self._now = now
        self._last: tuple[float, int, int] | None = None
        self._kept: deque[tuple[float, int, int]] = deque(maxlen=int(HOUR / EVERY))

    def routes(self) -> list[Route]:
        """The one route."""
        summary = "How fast this machine received and sent within the last hour."
        return [Route("GET", "/api/v1/rates", self._rates, summary, {200: RatesKept})]

    async def keep(self) -> NoReturn:
        """Take a sample now and then, for as long as the page lives."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY)

    async def look(self) -> None:
        """Take one sample."""
        try:
            status = await self._daemon.ask(GetStatus(call=0), Status)
        except AnswerError:
            self._last = None
            return
        now = (self._now(), status.downloaded, status.uploaded)
        if self._last is not None and now[0] > self._last[0]:
            seconds = now[0] - self._last[0]
            down, up = (new - old for new, old in zip(now[1:], self._last[1:], strict=True))
            # A daemon that was started again counts anew.
            if down >= 0 and up >= 0:
                self._kept.append((now[0], int(down / seconds), int(up / seconds)))
        self._last = now

    async def _rates(self, _request: aiohttp.web.Request) -> aiohttp.web.Response:
        now = self._now()
        samples = tuple(
            RateSample(max(0, round(now - when)), down, up)
            for when, down, up in self._kept
            if now - when <= HOUR
        )
        return json_answer(RatesKept(int(EVERY), samples))
