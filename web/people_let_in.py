"""Who was let in to this page: the owner sees them and ends their sessions; everybody logs out.

What was ended is refused at once and for good, and what is under way on it is cut.
"""

from collections.abc import Sequence

import aiohttp.web
import msgspec

from web.activity import note
from web.answers import AnswerError, json_answer
from web.people import SESSION, require_owner
from web.routes import Route
from web.security import Gate
from web.session_book import Session, SessionBook


class LetIn(msgspec.Struct, frozen=True):
    """A person's session, or their address while it is not used. Milliseconds since 1970."""

    id: str
    name: str
    made: int
    ends: int
    """When the address stops working, or once it was used, the session."""
    used: int
    """When they came in; 0 for not yet."""
    seen: int
    """When they asked for something last; 0 for never."""


class PeopleListed(msgspec.Struct, frozen=True):
    """Newest first; `others` is how many more sessions the owner has than the one that asks."""

    people: tuple[LetIn, ...]
    others: int


class SessionsEnded(msgspec.Struct, frozen=True):
    """How many."""

    ended: int


class PeopleLetIn:
    """The routes of /api/v1/people and /api/v1/logout."""

    def __init__(self, gate: Gate, book: SessionBook) -> None:
        self._gate = gate
        self._book = book

    def routes(self) -> list[Route]:
        """All of them."""
        people, logout = "/api/v1/people", "/api/v1/logout"
        return [
            Route("GET", people, self._list, "Who was let in.", {200: PeopleListed}, errors=(403,)),
            Route(
                "DELETE",
                people + "/{id:[0-9a-f]{32}}",
                self._revoke,
                "Shut out somebody who was let in: their session, or their unused address.",
                {204: None},
                errors=(507,),
            ),
            Route("POST", logout, self._log_out, "End this session.", {204: None}, errors=(507,)),
            Route(
                "POST",
                logout + "/others",
                self._log_out_others,
                "End all other sessions of the owner.",
                {200: SessionsEnded},
                errors=(507,),
            ),
        ]

    async def stop(self, _application: aiohttp.web.Application) -> None:
        """Keep who was seen when; this process is about to end."""
        await self._book.save_if_possible()

    async def _list(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        require_owner(request)
        people = sorted(self._book.of_people(), key=lambda each: each.made, reverse=True)
        others = len(self._others(request))
        return json_answer(PeopleListed(tuple(map(self._shown, people)), others))

    def _shown(self, session: Session) -> LetIn:
        if session.id in self._gate.under_way:
            self._book.see(session)  # an open page asks for nothing while nothing happens
        return LetIn(
            session.id, session.person, session.made, session.ends, session.used, session.seen
        )

    async def _revoke(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        require_owner(request)
        person = self._book.person(request.match_info["id"])
        note(request, "revoke", text=person.person)
        await self._end([person], request)
        return aiohttp.web.Response(status=204)

    async def _log_out(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        note(request, "logout")
        await self._end([request[SESSION]], request)
        response = aiohttp.web.Response(status=204)
        self._gate.forget_session(response)
        return response

    async def _log_out_others(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        require_owner(request)
        others = self._others(request)
        note(request, "logout")
        await self._end(others, request)
        return json_answer(SessionsEnded(len(others)))

    def _others(self, request: aiohttp.web.Request) -> list[Session]:
        return [each for each in self._book.of_owner() if each.id != request[SESSION].id]

    async def _end(self, sessions: Sequence[Session], request: aiohttp.web.Request) -> None:
        self._gate.end_sessions(sessions, request)
        try:
            await self._book.save()
        except OSError:
            text = (
                "That is ended now, but the disk did not take it, and it would be good again when"
                " Twofold is restarted. Make room on the disk of this machine, and log in anew."
            )
            raise AnswerError(507, "no_room", text) from None
