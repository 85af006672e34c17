"""Puts the room together: one aiohttp application over one daemon, and the last catch of errors."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp.web
import structlog

from protocol.address import Address
from web.answers import AnswerError, error_answer
from web.api import Api
from web.daemon import Daemon
from web.downloads import Downloads
from web.edits import Edits
from web.events import Events
from web.fetches import Fetches
from web.login import Login
from web.outgoing import Outgoing
from web.qr import QrCodes
from web.security import Gate
from web.sessions import load_sessions
from web.spool import Spool
from web.static_files import StaticFiles
from web.trash import Trash
from web.uploads import Uploads
from web.views import Views

_log = structlog.get_logger()

Handler = Callable[[aiohttp.web.Request], Awaitable[aiohttp.web.StreamResponse]]


@dataclass(frozen=True)
class Page:
    """The application; `events.poll` runs beside it and `fetches.stop` at its end."""

    application: aiohttp.web.Application
    events: Events
    fetches: Fetches
    outgoing: Outgoing


def make_page(
    data: Path, daemon: Daemon, listen: Address, allow_hosts: tuple[Address, ...]
) -> Page:
    """The page for this listening address; touches `data` (key, spool) but no network."""
    gate = Gate(listen, allow_hosts, load_sessions(data))
    spool = Spool(data)
    spool.remove_stale()
    events = Events(daemon)
    fetches = Fetches(daemon, events)
    outgoing = Outgoing(daemon)
    application = aiohttp.web.Application(middlewares=[answer_errors, gate.admit])
    application.on_response_prepare.append(gate.harden)
    for area in (
        Login(daemon, gate),
        StaticFiles(),
        Api(daemon, fetches),
        events,
        Uploads(daemon, spool),
        Downloads(daemon, outgoing),
        Views(daemon, outgoing),
        Edits(daemon),
        QrCodes(daemon),
        Trash(daemon),
    ):
        application.add_routes(area.routes())
    application.on_shutdown.append(events.close)
    return Page(application, events, fetches, outgoing)


@aiohttp.web.middleware
async def answer_errors(
    request: aiohttp.web.Request, handler: Handler
) -> aiohttp.web.StreamResponse:
    """Turn every error into an answer for a person or a program; bugs go to the log."""
    try:
        return await handler(request)
    except AnswerError as error:
        return error_answer(request.path, error)
    except aiohttp.web.HTTPException as error:
        return error_answer(request.path, _of_http(error))
    except (ConnectionError, asyncio.CancelledError):
        raise
    except Exception:
        _log.exception("bug while answering", method=request.method, path=request.path)
        text = "Something went wrong in this page; the log of twofold-web says what."
        return error_answer(request.path, AnswerError(500, "failed", text))


def _of_http(error: aiohttp.web.HTTPException) -> AnswerError:
    if error.status == 404:
        return AnswerError(404, "not_found", "There is nothing under this address.")
    if error.status == 405:
        return AnswerError(405, "invalid", "This address does not take that method.")
    return AnswerError(error.status, "invalid", "This request cannot be answered.")
