"""One file on its way to a browser: what of it was asked for, and its verified bytes, in order.

A file that is complete goes by sendfile(2): the kernel moves the bytes and this process sees none.
Anything else is read as its pieces are verified. Whatever goes wrong after the first byte cuts the
connection: a short answer never looks complete.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import aiohttp.web
import structlog

from protocol.messages.operating import EntryView, Files, GetFiles, Show, Shown
from web.answers import AnswerError, not_found
from web.daemon import Daemon
from web.download_headers import Part, UnsatisfiableError, asked_part, entity_tag
from web.limits import LIMITS
from web.verified_bytes import VerifiedBytes

LEAST_BY_KERNEL = 256 << 10
"""Shorter answers are read: making sure that a file is unchanged costs a question more."""
PORTION = 512 << 10
"""What a reader must take within `send_seconds`, or it counts as gone; the first of them."""
LARGEST_PORTION = 8 << 20
"""What a fast reader is sent at once: for each portion there is some work beside the kernel's."""

_log = structlog.get_logger()


@dataclass(frozen=True)
class SharedFile:
    """One file of an entry, by its index in the manifest; `name` without folders."""

    entry: EntryView
    index: int
    size: int
    name: str


class Outgoing:
    """Answers with files. `by_kernel` counts the bytes that went by sendfile."""

    def __init__(self, daemon: Daemon, send_seconds: float = LIMITS.send_seconds) -> None:
        self._daemon = daemon
        self._send_seconds = send_seconds
        self.by_kernel = 0

    async def find(self, entry_id: str, index: int) -> SharedFile:
        """A file of an entry; AnswerError when there is none of this number."""
        entry = (await self._daemon.ask(Show(call=0, entry=entry_id), Shown)).entry
        page = await self._daemon.ask(GetFiles(call=0, entry=entry.id, start=index), Files)
        file = next((file for file in page.files if file.index == index), None)
        if file is None:
            raise not_found(f"{entry.name} has no file number {index}.")
        name = file.path.rpartition("/")[2] or entry.name
        return SharedFile(entry, index, file.size, name)

    async def answer(
        self, request: aiohttp.web.Request, file: SharedFile, headers: Mapping[str, str]
    ) -> aiohttp.web.StreamResponse:
        """The file or the part asked for, with these headers besides its own or in their place."""
        tag = headers.get("ETag") or entity_tag(file.entry.id, file.index)
        own = {"Accept-Ranges": "bytes", "Cache-Control": "private, no-cache", "ETag": tag}
        said = {**own, **headers}
        if tag in request.headers.get("If-None-Match", ""):
            return aiohttp.web.Response(status=304, headers=said)
        try:
            part = asked_part(request.headers, file.size, tag)
        except UnsatisfiableError:
            size = {"Content-Range": f"bytes */{file.size}"}
            return aiohttp.web.Response(status=416, headers=size)
        response = aiohttp.web.StreamResponse(status=206 if part.partial else 200, headers=said)
        response.content_length = part.stop - part.start
        if part.partial:
            response.headers["Content-Range"] = part.content_range
        if request.method == "HEAD":
            await response.prepare(request)
            return response
        return await self._send(request, response, file, part)

    async def _send(
        self,
        request: aiohttp.web.Request,
        response: aiohttp.web.StreamResponse,
        file: SharedFile,
        part: Part,
    ) -> aiohttp.web.StreamResponse:
        verified = VerifiedBytes(self._daemon, file.entry.id, file.index, part.start, part.stop)
        async with verified:
            await response.prepare(request)
            try:
                if part.stop - part.start >= LEAST_BY_KERNEL and not _is_tls(request):
                    await self._send_by_kernel(request, verified)
                while content := await verified.next():
                    await response.write(content)
            except Exception as error:
                cut(request, file.entry, error)
        return response

    async def _send_by_kernel(self, request: aiohttp.web.Request, verified: VerifiedBytes) -> None:
        """Send what can go this way; what is left has to be read."""
        loop = asyncio.get_running_loop()
        if not await verified.hold_still():
            return
        most = PORTION
        with _in_full_segments(request):
            while portion := verified.portion(most):
                file, position, length = portion
                began = loop.time()
                transport = request.transport
                if transport is None or transport.is_closing():
                    raise ConnectionResetError
                try:
                    async with asyncio.timeout(self._send_seconds):
                        sent = await loop.sendfile(
                            transport, file, position, length, fallback=False
                        )
                except (asyncio.SendfileNotAvailableError, NotImplementedError):
                    return
                self.by_kernel += sent
                verified.passed_on(sent, length)
                most = next_portion(most, loop.time() - began, self._send_seconds)


@contextlib.contextmanager
def _in_full_segments(request: aiohttp.web.Request) -> Iterator[None]:
    """Within this the kernel sends no short segment but the last: less work for a fast reader.

    tcp(7), TCP_CORK. Ends with what waits being sent.
    """
    _cork(request, 1)
    try:
        yield
    finally:
        _cork(request, 0)


def _cork(request: aiohttp.web.Request, on: int) -> None:
    transport, cork = request.transport, getattr(socket, "TCP_CORK", None)
    line = transport.get_extra_info("socket") if transport else None
    if line is not None and cork is not None:
        with contextlib.suppress(OSError):  # the connection has gone
            line.setsockopt(socket.IPPROTO_TCP, cork, on)


def next_portion(portion: int, took: float, allowed: float) -> int:
    """How much to send at once after a portion that took so many of the `allowed` seconds.

    Larger ones only to who took this one in a hundredth of the time it had: should it become as
    many times slower, it still does not count as gone.
    """
    if 100 * took < allowed:
        return min(LARGEST_PORTION, 2 * portion)
    return portion if 25 * took < allowed else max(PORTION, portion // 2)


def cut(request: aiohttp.web.Request, entry: EntryView, error: Exception) -> None:
    """End the connection: nothing may follow what was sent, least of all another answer."""
    if isinstance(error, AnswerError):
        _log.warning("download cut", entry=entry.id, why=error.text)
    elif not isinstance(error, ConnectionError | TimeoutError):
        _log.error("bug in a download", entry=entry.id, exc_info=error)
    if request.transport is not None:
        request.transport.abort()


def _is_tls(request: aiohttp.web.Request) -> bool:
    return request.transport is None or bool(request.transport.get_extra_info("sslcontext"))
