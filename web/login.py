"""The way in: a one-time URL from the terminal is traded for a session cookie.

Refuses used and unknown tokens, more than ten attempts a minute from one address or sixty from all,
and prefetching browsers, which would use the token up before the person does.
"""

import asyncio

import aiohttp.web

from protocol.messages.logins import LoginRedeemed, RedeemLogin
from web.activity import note
from web.answers import AnswerError, page_answer
from web.attempts import Attempts
from web.daemon import Daemon
from web.security import Gate
from web.session_book import Session, SessionBook
from web.words import language_of

COMMAND = "twofold login"


class Login:
    """The login page and what it does."""

    def __init__(self, daemon: Daemon, gate: Gate, book: SessionBook) -> None:
        self._daemon = daemon
        self._book = book
        self._gate = gate
        self._attempts = Attempts()

    def routes(self) -> list[aiohttp.web.RouteDef]:
        """GET only: a HEAD must not use the token up."""
        return [aiohttp.web.get("/login", self._login, allow_head=False)]

    async def _login(self, request: aiohttp.web.Request) -> aiohttp.web.StreamResponse:
        language = language_of(request.headers)
        if self._gate.has_session(request):
            return page_answer("You are logged in", refresh="/", language=language)
        token = request.query.get("token")
        if not token:
            return page_answer(
                "Log in",
                "On the machine whose page this is, run this command and open the address it shows."
                " The terminal of “twofold run” shows one, too.",
                command=COMMAND,
                language=language,
            )
        if "prefetch" in request.headers.get("Sec-Purpose", request.headers.get("Purpose", "")):
            return aiohttp.web.Response(status=503)
        self._count_attempt(request.remote or "")
        return await self._redeem(request, token)

    async def _redeem(self, request: aiohttp.web.Request, token: str) -> aiohttp.web.StreamResponse:
        session = self._book.use(token) or await self._of_owner(token)
        if session is None:
            return page_answer(
                "This address no longer works",
                "Each login address works once, and not for long: ten minutes unless it was made"
                " for a person. Ask who sent it to you, or run this for a new one:",
                status=403,
                command=COMMAND,
                language=language_of(request.headers),
            )
        # Not a redirect: after a click on another site it would go without the Strict cookie.
        language = language_of(request.headers)
        response = page_answer("You are logged in", refresh="/", language=language)
        await self._book.save_if_possible()
        self._gate.give_session(response, session)
        note(request, "login", person=session.person)
        return response

    async def _of_owner(self, token: str) -> Session | None:
        try:
            redeemed = await self._daemon.ask(RedeemLogin(call=0, token=token), LoginRedeemed)
        except AnswerError as error:
            if error.status not in (400, 403, 404):
                raise
            return None
        # The book alone says who of the people may come in: the daemon still knows a token that was
        # revoked.
        return None if redeemed.name else self._book.begin()

    def _count_attempt(self, remote: str) -> None:
        if not self._attempts.take(remote, asyncio.get_running_loop().time()):
            raise AnswerError(429, "refused", "Too many attempts to log in. Try again in a minute.")
