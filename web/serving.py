"""A page on a listening socket, within its limits."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp.web
from aiohttp.http_exceptions import HttpProcessingError

from web.application import Page

SHUTDOWN_SECONDS = 2.0


@asynccontextmanager
async def serving(
    page: Page, listener: socket.socket, *, shutdown_seconds: float = SHUTDOWN_SECONDS
) -> AsyncIterator[None]:
    """Answer requests on this socket until the context ends; then end what is under way."""
    limits = page.limits
    runner = aiohttp.web.AppRunner(
        page.application,
        access_log=None,  # it would show login tokens
        auto_decompress=False,
        read_bufsize=1 << 20,
        handle_signals=False,
        logger=_logger(),
        keepalive_timeout=limits.head_seconds,
        lingering_time=limits.linger_seconds,
        max_line_size=limits.line_bytes,
        max_field_size=limits.line_bytes,
        max_headers=limits.headers,
        shutdown_timeout=shutdown_seconds,
    )
    await runner.setup()
    assert runner.server is not None
    serve = page.connections.watched(runner.server)
    server = await asyncio.get_running_loop().create_server(serve, sock=listener, backlog=128)
    try:
        yield
    finally:
        server.close()
        page.connections.stop_reading()
        await page.fetches.stop()
        await runner.cleanup()


def _logger() -> logging.Logger:
    """aiohttp's, without a traceback for each request of a stranger that is no HTTP."""
    logger = logging.getLogger("twofold.http")
    if not logger.filters:
        logger.addFilter(_is_ours)
    return logger


def _is_ours(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError)
