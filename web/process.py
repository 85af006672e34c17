"""The life of the page's process: reach the daemon, listen, say so on stdout, serve, end.

Ends on SIGINT or SIGTERM, and when supervised also when the supervisor's end of stdin closes, so
that no page outlives its daemon.
"""

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import msgspec
import structlog

from protocol.address import Address
from web.application import make_page
from web.daemon import Daemon
from web.serving import serving

_SHOWN_AS = {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}
_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the command line says."""

    data: Path
    listen: Address
    allow_hosts: tuple[Address, ...]
    supervised: bool


class CannotListenError(Exception):
    """The address is taken or not ours; the message says so to a person."""


async def serve(settings: Settings) -> None:
    """Run until told to end. Raises DaemonUnreachableError, CannotListenError at the start."""
    daemon = Daemon(settings.data)
    await daemon.connect()
    listener = await asyncio.to_thread(_bind, settings.listen)
    listen = Address(host=settings.listen.host, port=listener.getsockname()[1])
    page = make_page(settings.data, daemon, listen, settings.allow_hosts)
    stop = _stop_event(supervised=settings.supervised)
    async with asyncio.TaskGroup() as tasks:
        works = (daemon.keep(), page.events.poll(), page.rates.keep())
        beside = [tasks.create_task(work) for work in works]
        async with serving(page, listener):
            announce(listen)
            await stop.wait()
        await _end(beside)


async def _end(tasks: Sequence[asyncio.Task[NoReturn]]) -> None:
    """Cancel tasks until they have ended.

    Once is not enough: Python 3.11 loses a cancel that reaches a TaskGroup as one of its own tasks
    fails, and a killed daemon ends our standard input and our connection at the same moment.
    """
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=0.5)


def announce(listen: Address) -> None:
    """Say on stdout, in one JSON line, where the page is."""
    shown = Address(host=_SHOWN_AS.get(listen.host, listen.host), port=listen.port)
    url = f"http://{shown}"
    print(msgspec.json.encode({"type": "ready", "url": url}).decode(), flush=True)
    _log.info("listening", url=url)


def _bind(listen: Address) -> socket.socket:
    try:
        found = socket.getaddrinfo(
            listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, address = found[0][0], found[0][4]
        both = listen.host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(address, family=family, backlog=128, dualstack_ipv6=both)
    except OSError as error:
        why = error.strerror or "not possible"
        raise CannotListenError(f"cannot listen on {listen}: {why}") from None


def _stop_event(*, supervised: bool) -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if supervised:
        threading.Thread(target=_watch_stdin, args=(loop, stop), daemon=True).start()
    return stop


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    # A thread: an event loop cannot wait for every kind of file that stdin may be.
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    with contextlib.suppress(RuntimeError):  # the loop has ended by itself
        loop.call_soon_threadsafe(stop.set)
