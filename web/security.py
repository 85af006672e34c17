"""Who may make which request: host allow-list, origin of changes, session, and response headers.

Every request passes here before any route sees it. Refuses foreign hosts (421: this is what stops
DNS rebinding), changes asked for by other sites (403), and strangers (401, or the login page).
"""

import ipaddress
from collections.abc import Awaitable, Callable, Iterable, Mapping
from urllib.parse import urlsplit

import aiohttp.web

from protocol.address import Address
from protocol.errors import InvalidTextError
from web.answers import AnswerError, error_answer, for_programs
from web.people import PERSON, SESSION
from web.places import is_loopback
from web.session_book import SESSION_SECONDS, Session
from web.sessions import Sessions
from web.under_way import UnderWay

_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src 'self'; frame-src 'self'; connect-src 'self'; font-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Server": "twofold",
}
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_OURSELVES = frozenset({"same-origin", "none"})
"""Of Sec-Fetch-Site: our page, or somebody who typed the address."""
_OPEN_PATHS = frozenset({"/login", "/healthz", "/readyz"})
_PASSED_ON = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")
"""What proxies add: the connection is from this machine then, and the request may not be."""
_ANY_ADDRESS = frozenset({"0.0.0.0", "::"})

Handler = Callable[[aiohttp.web.Request], Awaitable[aiohttp.web.StreamResponse]]


class Gate:
    """Admits or refuses requests to one listening address."""

    def __init__(
        self, listen: Address, allow_hosts: tuple[Address, ...], sessions: Sessions
    ) -> None:
        """`allow_hosts` with port 0 are allowed at our port; others at the port they say."""
        self._port = listen.port
        self._everywhere = listen.host in _ANY_ADDRESS
        own = {"127.0.0.1", "localhost", "::1", listen.host} - _ANY_ADDRESS
        self._hosts = own | {name.host for name in allow_hosts}
        self._elsewhere = {name for name in allow_hosts if name.port}
        self._sessions = sessions
        self.under_way = UnderWay()
        self.let_in: Callable[[aiohttp.web.Request], Awaitable[bool]] = _nobody
        """Who else needs no session, by what the owner has set."""

    @property
    def cookie(self) -> str:
        """The session cookie's name, with the port, since cookies of one host are seen by all."""
        return f"twofold_session_{self._port}"

    @aiohttp.web.middleware
    async def admit(
        self, request: aiohttp.web.Request, handler: Handler
    ) -> aiohttp.web.StreamResponse:
        """Refuse, or let the request through to its route."""
        host = self._check_host(request)
        if request.method not in _READING:
            _check_origin(request, host)
        elif not self.is_open(request.path):
            _check_reader(request)
        session = self._sessions.session(request.cookies.get(self.cookie))
        if session is not None:
            request[PERSON], request[SESSION] = session.person, session
            self._sessions.book.see(session)
            with self.under_way.during(session.id, request):
                return await handler(request)
        if not self._is_open_to(request) and not await self.let_in(request):
            return _ask_to_log_in(request)
        return await handler(request)

    async def harden(
        self, _request: aiohttp.web.BaseRequest, response: aiohttp.web.StreamResponse
    ) -> None:
        """Put the security headers on a response that is about to leave."""
        response.headers.setdefault("Content-Security-Policy", _CSP)
        response.headers.update(_HEADERS)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.headers.setdefault("Cache-Control", "no-store")

    def is_open(self, path: str) -> bool:
        """Whether this path needs no session: nothing of the swarm is told there."""
        return path in _OPEN_PATHS or path.startswith("/static/")

    def _is_open_to(self, request: aiohttp.web.Request) -> bool:
        if request.path == "/metrics":
            return asks_for_itself(request.remote or "", request.headers)
        return self.is_open(request.path)

    def has_session(self, request: aiohttp.web.Request) -> bool:
        """Whether the request shows a good session."""
        return PERSON in request

    def give_session(self, response: aiohttp.web.StreamResponse, session: Session) -> None:
        """Log the browser in."""
        response.set_cookie(
            self.cookie,
            self._sessions.token(session),
            max_age=SESSION_SECONDS,
            path="/",
            httponly=True,
            samesite="Strict",
        )

    def end_sessions(self, sessions: Iterable[Session], request: aiohttp.web.Request) -> None:
        """End these, and whatever is under way on them but this request."""
        ended = list(sessions)
        self._sessions.book.end(ended)
        self.under_way.cut((each.id for each in ended), but=request)

    def forget_session(self, response: aiohttp.web.StreamResponse) -> None:
        """Have the browser throw its cookie away."""
        response.del_cookie(self.cookie, path="/", httponly=True, samesite="Strict")

    def _check_host(self, request: aiohttp.web.Request) -> str:
        shown = request.headers.getall("Host", [])
        if len(shown) == 1 and self.allowed(shown[0], _local_address(request)):
            return shown[0]
        raise AnswerError(
            421,
            "foreign_host",
            "This page does not answer under that name. To allow it, start Twofold with "
            "--allow-host NAME (for example: twofold run --allow-host nas.local).",
        )

    def allowed(self, shown: str, local: str) -> bool:
        """Whether a Host header names us, on a connection that came in on the address `local`."""
        try:
            host = Address.parse(shown, default_port=self._port)
        except InvalidTextError:
            return False
        if host in self._elsewhere:
            return True
        if host.port != self._port:
            return False
        # An address cannot be rebound: it is ours when the connection came in on it.
        return host.host in self._hosts or (self._everywhere and host.host == local)


async def _nobody(_: aiohttp.web.Request) -> bool:
    return False


def asks_for_itself(remote: str, headers: Mapping[str, str]) -> bool:
    """Whether a program on this machine asks, and not somebody through a proxy on it."""
    try:
        shown = Address.parse(headers.get("Host", ""), default_port=0).host
    except InvalidTextError:
        return False
    named_here = shown == "localhost" or is_loopback(shown)
    return named_here and is_loopback(remote) and not any(name in headers for name in _PASSED_ON)


def _local_address(request: aiohttp.web.Request) -> str:
    name = request.transport.get_extra_info("sockname") if request.transport else None
    if not isinstance(name, tuple):
        return ""
    address = ipaddress.ip_address(str(name[0]).partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _check_origin(request: aiohttp.web.Request, host: str) -> None:
    """Changes come from our own page, which says so; browsers let no other page say it."""
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site")
    good_origin = origin is None or _is_origin_of(origin, host)
    good_site = site is None or site in _OURSELVES
    if not (good_origin and good_site) or (origin is None and site is None):
        raise _foreign()


def _check_reader(request: aiohttp.web.Request) -> None:
    """Pages of other ports are of the same site, and the session goes with what they ask for.

    They may link here; nothing else of theirs is answered, as a download sets machines to work.
    """
    site = request.headers.get("Sec-Fetch-Site", "none")
    linked = request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
    if site not in _OURSELVES and not linked:
        raise _foreign()


def _foreign() -> AnswerError:
    return AnswerError(403, "refused", "This request did not come from this machine's page.")


def _is_origin_of(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and origin == f"{parts.scheme}://{host}".lower()


def _ask_to_log_in(request: aiohttp.web.Request) -> aiohttp.web.Response:
    if for_programs(request.path):
        text = "You are not logged in. Run: twofold login"
        return error_answer(request.path, AnswerError(401, "refused", text))
    return aiohttp.web.Response(status=303, headers={"Location": "/login"})
