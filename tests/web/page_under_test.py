"""The real page, in this process, over an OperatorDouble and a real socket, and a client for it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from operator_double import OperatorDouble

from protocol.address import Address
from web.application import Page, make_page
from web.daemon import Daemon
from web.limits import Limits
from web.serving import serving

QUICK = Limits(linger_seconds=0.2)


@dataclass
class PageUnderTest:
    """Where it listens, what is behind it, and a browser-like client that is logged in."""

    double: OperatorDouble
    daemon: Daemon
    page: Page
    origin: str
    cookie: dict[str, str]
    http: aiohttp.ClientSession = field(repr=False)

    def vanish(self) -> None:
        """Be gone, as behind a network that went away: every connection ends, and none begins."""
        self.page.connections.admit = lambda _: False  # type: ignore[method-assign]
        self.cut_all()

    def cut_all(self) -> None:
        """End every connection now."""
        for connection in self.page.connections._open:
            connection.cut()

    def come_back(self) -> None:
        """Take connections again."""
        del self.page.connections.admit

    def headers(self, **more: str) -> dict[str, str]:
        """What our own page sends: a session and its origin."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookie.items())
        return {"Cookie": cookie, "Origin": self.origin} | more

    async def ask(
        self, method: str, path: str, **more: object
    ) -> tuple[int, bytes, "aiohttp.typedefs.LooseHeaders"]:
        """One request as our own page makes it: status, body, headers."""
        headers = self.headers(**more.pop("headers", {}))  # type: ignore[arg-type]
        async with self.http.request(
            method, self.origin + path, headers=headers, allow_redirects=False, **more
        ) as answer:
            return answer.status, await answer.read(), answer.headers


def new_session(page: Page, person: str = "") -> str:
    """The cookie of a fresh session."""
    return page.sessions.token(page.sessions.book.begin(person))


@asynccontextmanager
async def running_page(
    data: Path,
    double: OperatorDouble | None = None,
    host: str = "127.0.0.1",
    limits: Limits = QUICK,
    allow_hosts: tuple[str, ...] = (),
) -> AsyncIterator[PageUnderTest]:
    """A page on a free port, with tasks and all."""
    allowed = tuple(Address.parse(name, default_port=0) for name in allow_hosts)
    async with double or OperatorDouble(data) as behind:
        daemon = Daemon(data)
        await daemon.connect()
        listener = socket.create_server((host, 0))
        port = listener.getsockname()[1]
        page = make_page(data, daemon, Address(host=host, port=port), allowed, limits)
        beside = [asyncio.create_task(daemon.keep()), asyncio.create_task(page.events.poll())]
        cookie = {f"twofold_session_{port}": new_session(page)}
        # Verbatim: the page's cookie goes by hand, so that each test says who it is.
        async with aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        ) as http:
            shown = f"http://127.0.0.1:{port}"
            try:
                async with serving(page, listener, shutdown_seconds=1.0):
                    yield PageUnderTest(behind, daemon, page, shown, cookie, http)
            finally:
                for task in beside:
                    task.cancel()
                await asyncio.gather(*beside, return_exceptions=True)


def run_with_page(
    data: Path,
    work: Callable[[PageUnderTest], Awaitable[None]],
    *,
    double: OperatorDouble | None = None,
    limits: Limits = QUICK,
    seconds: float = 200,
    allow_hosts: tuple[str, ...] = (),
) -> None:
    """Run one test's coroutine against a fresh page, for a limited time."""

    async def scenario() -> None:
        async with (
            asyncio.timeout(seconds),
            running_page(data, double, limits=limits, allow_hosts=allow_hosts) as page,
        ):
            await work(page)

    asyncio.run(scenario())


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop run until something is so; the caller's time-out bounds it."""
    while not condition():  # noqa: ASYNC110 - the condition may lie in files
        await asyncio.sleep(0.005)
