"""People let in to this machine's page: one-time addresses that the owner hands out.

Refuses all but the owner, and names that look like nothing.
"""

from typing import Annotated
from urllib.parse import parse_qs, urlsplit

import aiohttp.web
import msgspec
from msgspec import Meta

from protocol.address import Address
from protocol.messages.logins import LoginMinted, MintLogin
from web.activity import note
from web.answers import json_answer
from web.asking import read_json
from web.daemon import Daemon
from web.people import PERSON, clean_person, require_owner
from web.places import is_loopback
from web.qr_picture import qr_picture
from web.routes import Route
from web.session_book import SessionBook

DEFAULT_HOURS, MOST_HOURS = 24, 168


class WantedLogin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /api/v1/logins: whose it is, and for how long the address may be used."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    hours: Annotated[int, Meta(ge=1, le=MOST_HOURS)] = DEFAULT_HOURS


class MadeLogin(msgspec.Struct, frozen=True):
    """An address that lets one browser in, told this once; `qr` is an address of a picture."""

    name: str
    url: str
    qr: str
    here: bool
    """Whether it only works on this machine, as the page listens for no others."""


class Me(msgspec.Struct, frozen=True):
    """Whose session this is; the owner has no name."""

    person: str
    owner: bool


class LettingIn:
    """POST /api/v1/logins, GET /api/v1/me."""

    def __init__(self, daemon: Daemon, book: SessionBook) -> None:
        self._daemon = daemon
        self._book = book

    def routes(self) -> list[Route]:
        """Both."""
        return [
            Route("GET", "/api/v1/me", self._me, "Whose session this is.", {200: Me}),
            Route(
                "POST",
                "/api/v1/logins",
                self._let_in,
                "Make a one-time login address for a person.",
                {201: MadeLogin},
                body=WantedLogin,
                errors=(409,),
            ),
        ]

    async def _me(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        person = request[PERSON]
        return json_answer(Me(person, owner=not person))

    async def _let_in(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        require_owner(request)
        wanted = await read_json(request, WantedLogin)
        name = clean_person(wanted.name)
        question = MintLogin(call=0, name=name, seconds=wanted.hours * 3600)
        minted = await self._daemon.ask(question, LoginMinted)
        url, here = _address(request, minted)
        # Kept here, by hash alone, and not only by the daemon: so that it can be revoked, and is
        # good after a restart, too.
        token = parse_qs(urlsplit(url).query)["token"][0]
        self._book.expect(token, name, wanted.hours * 3600)
        await self._book.save_if_possible()
        note(request, "person", text=name)
        return json_answer(MadeLogin(name, url, qr_picture(url), here), status=201)


def _address(request: aiohttp.web.Request, minted: LoginMinted) -> tuple[str, bool]:
    """The login's address for other devices, and whether it is of use on this machine only.

    Under the name that this page was asked by, which may be a proxy's, unless that is loopback.
    """
    host = request.headers["Host"]
    scheme = urlsplit(request.headers.get("Origin", "")).scheme or "http"
    name = Address.parse(host, default_port=0).host
    here = name == "localhost" or is_loopback(name)
    if here and minted.elsewhere:
        return minted.elsewhere, False
    parts = urlsplit(minted.url)
    return f"{scheme}://{host}{parts.path}?{parts.query}", here
