"""Who did what on this page: handlers note what they did, and what was done is kept and shown.

The owner sees everything; somebody who was let in, what they did themselves.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Annotated

import aiohttp.web
import msgspec
from msgspec import Meta

from web.activity_log import Act, ActivityLog, Kind
from web.answers import json_answer
from web.asking import read_query
from web.people import PERSON
from web.routes import Route

PAGE = 50
_Moment = Annotated[int, Meta(ge=0, le=1 << 53)]

Handler = Callable[[aiohttp.web.Request], Awaitable[aiohttp.web.StreamResponse]]


@dataclass(frozen=True)
class _Note:
    kind: Kind
    entry: str
    text: str
    person: str | None


_NOTE = aiohttp.web.RequestKey("activity", _Note)


def note(
    request: aiohttp.web.Request,
    kind: Kind,
    *,
    entry: str = "",
    text: str = "",
    person: str | None = None,
) -> None:
    """What this request did, by whoever's session it shows unless a person is named."""
    request[_NOTE] = _Note(kind, entry, text, person)


class ActivityQuery(msgspec.Struct, frozen=True):
    """Of whom ("" for the owner), what and when; `cursor` is that of the page before.

    From the millisecond `after` on, and before the millisecond `before`, since 1970.
    """

    person: Annotated[str, Meta(max_length=64)] | None = None
    kind: Kind | None = None
    after: _Moment | None = None
    before: _Moment | None = None
    cursor: Annotated[int, Meta(ge=0, le=1 << 53)] | None = None
    limit: Annotated[int, Meta(ge=1, le=PAGE)] = PAGE


class Activities(msgspec.Struct, frozen=True):
    """A page of acts, newest first; `cursor` is None on the last one."""

    acts: tuple[Act, ...]
    cursor: int | None
    people: tuple[str, ...]
    """Whom there is something of: all of them for the owner, else just the person who asks."""


class Activity:
    """GET /api/v1/activity, and the middleware that keeps what was noted."""

    def __init__(self, log: ActivityLog) -> None:
        self._log = log

    def routes(self) -> list[Route]:
        """The one route."""
        listing = Route(
            "GET",
            "/api/v1/activity",
            self._list,
            "Who did what on this page, newest first.",
            {200: Activities},
            query=ActivityQuery,
        )
        return [listing]

    @aiohttp.web.middleware
    async def keep(
        self, request: aiohttp.web.Request, handler: Handler
    ) -> aiohttp.web.StreamResponse:
        """Keep what the request did, also when its answer was cut off."""
        try:
            return await handler(request)
        finally:
            noted = request.get(_NOTE)
            if noted is not None:
                person = request.get(PERSON, "") if noted.person is None else noted.person
                self._log.add(noted.kind, person, entry=noted.entry, text=noted.text)

    async def _list(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        wanted = read_query(request, ActivityQuery)
        myself = request[PERSON]
        found = list(islice(self._found(wanted, myself), wanted.limit + 1))
        acts = tuple(found[: wanted.limit])
        cursor = acts[-1].number if len(found) > wanted.limit else None
        people = (myself,) if myself else self._log.people()
        return json_answer(Activities(acts, cursor, people))

    def _found(self, wanted: ActivityQuery, myself: str) -> Iterator[Act]:
        for act in self._log.newest():
            # Not "no further": a clock that was set back leaves them out of order.
            if (
                (not myself or act.person == myself)
                and wanted.person in (None, act.person)
                and wanted.kind in (None, act.kind)
                and (wanted.after is None or act.when >= wanted.after)
                and (wanted.before is None or act.when < wanted.before)
                and (wanted.cursor is None or act.number < wanted.cursor)
            ):
                yield act
