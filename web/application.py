"""Puts the room together: one aiohttp application over one daemon, and the last catch of errors."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiohttp.web
import structlog

from protocol.address import Address
from web.activity import Activity
from web.activity_log import FILE, ActivityLog
from web.answers import AnswerError, error_answer
from web.api import Api
from web.connections import Connections
from web.daemon import Daemon
from web.downloads import Downloads
from web.edits import Edits
from web.events import Events
from web.fetches import Fetches
from web.inviting import Inviting
from web.letting_in import LettingIn
from web.limits import LIMITS, Limits
from web.login import Login
from web.metrics import Metrics
from web.outgoing import Outgoing
from web.people_let_in import PeopleLetIn
from web.pictures import Pictures
from web.probes import Probes
from web.qr import QrCodes
from web.rates import Rates
from web.routes import Route
from web.security import Gate
from web.sessions import Sessions, load_sessions
from web.settings import Settings
from web.shares import SharedPaths
from web.static_files import StaticFiles
from web.transfers import Transfers
from web.trash import Trash
from web.upload_room import UploadRoom
from web.upload_rules import UploadRuleBook
from web.views import Views

_log = structlog.get_logger()

Handler = Callable[[aiohttp.web.Request], Awaitable[aiohttp.web.StreamResponse]]


@dataclass(frozen=True)
class Page:
    """The application and its limits; `events.poll` and `rates.keep` run beside it.

    `fetches.stop` comes at its end.
    """

    application: aiohttp.web.Application
    events: Events
    fetches: Fetches
    connections: Connections
    limits: Limits
    outgoing: Outgoing
    rates: Rates
    sessions: Sessions


def make_page(
    data: Path,
    daemon: Daemon,
    listen: Address,
    allow_hosts: tuple[Address, ...],
    limits: Limits = LIMITS,
) -> Page:
    """The page for this listening address; touches `data` (key, spool) but no network."""
    sessions = load_sessions(data)
    gate = Gate(listen, allow_hosts, sessions)
    people = PeopleLetIn(gate, sessions.book)
    rules = UploadRuleBook(daemon)
    uploads = UploadRoom(daemon, data, rules)
    metrics, connections = Metrics(), Connections(limits)
    events = Events(daemon, streams=limits.streams)
    fetches = Fetches(daemon, events)
    outgoing = Outgoing(daemon, limits.send_seconds)
    pictures = Pictures(daemon, outgoing, rules)
    gate.let_in = pictures.lets_in
    rates, activity = Rates(daemon), Activity(ActivityLog(data / FILE))
    shares = SharedPaths(daemon, events, data)
    application = aiohttp.web.Application(
        middlewares=[metrics.count, answer_errors, gate.admit, activity.keep]
    )
    application.on_response_prepare.append(gate.harden)
    probes = Probes(daemon, metrics)
    areas = (
        Login(daemon, gate, sessions.book),
        StaticFiles(),
        probes,
        Api(daemon, fetches, body_seconds=limits.body_seconds),
        events,
        uploads,
        rules,
        pictures,
        Downloads(daemon, outgoing),
        Views(daemon, outgoing),
        Edits(daemon),
        QrCodes(daemon),
        Trash(daemon),
        Inviting(daemon),
        LettingIn(daemon, sessions.book),
        people,
        activity,
        rates,
        Settings(daemon),
        shares,
        Transfers(daemon),
    )
    probes.describe(_add(application, areas), gate.is_open)
    application.cleanup_ctx.append(uploads.live)
    application.on_shutdown.append(events.close)
    application.on_cleanup.extend((shares.stop, people.stop))
    metrics.look(
        received=lambda: connections.received,
        sent=lambda: connections.sent + outgoing.by_kernel,
        connections=lambda: len(connections),
        streams=lambda: events.open,
        connected=lambda: daemon.connected,
    )
    return Page(application, events, fetches, connections, limits, outgoing, rates, sessions)


class _Area(Protocol):
    def routes(self) -> Sequence[Route | aiohttp.web.RouteDef]: ...


def _add(application: aiohttp.web.Application, areas: Iterable[_Area]) -> list[Route]:
    """Give the application all routes; those that are for programs, too, come back."""
    routes = [route for area in areas for route in area.routes()]
    application.add_routes(
        [route.definition() if isinstance(route, Route) else route for route in routes]
    )
    return [route for route in routes if isinstance(route, Route)]


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
    except ConnectionError:
        # Who seeks in a film goes away before the answer; there is nobody to tell, and no fault.
        return aiohttp.web.Response(status=499)
    except asyncio.CancelledError:
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
