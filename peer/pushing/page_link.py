"""Requests to another machine's page: its host, our session, one connection a thread.

A connection that is lost is made anew; requests that did not come through raise LostError.
"""

import http.client
import socket
import threading
import weakref
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec

from peer.errors import NotPermittedError, PeerError, UsageError

TIMEOUT = 60.0
_CONNECT_TIMEOUT = 10.0
_LONGEST_ANSWER = 8 << 20
_STANDARD_PORTS = {"http": 80, "https": 443}


class LostError(Exception):
    """No answer came: the network or the page was away."""


class LoggedOutError(Exception):
    """The page wants a login first."""


@dataclass(frozen=True)
class PageAnswer:
    """What a page said."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def text(self) -> str:
        """Why not, for a person."""
        try:
            said = msgspec.json.decode(self.body)
            return str(said["error"]["text"])
        except (msgspec.MsgspecError, TypeError, KeyError):
            return f"the page answered {self.status}"


class PageLink:
    """Where a page is, and how to ask it."""

    def __init__(self, url: str) -> None:
        """UsageError unless this is http(s)://HOST[:PORT]."""
        self._scheme, self._host, self._port = _parts_of(url)
        shown = f"[{self._host}]" if ":" in self._host else self._host
        standard = self._port == _STANDARD_PORTS[self._scheme]
        self._name = shown if standard else f"{shown}:{self._port}"
        self.url = f"{self._scheme}://{self._name}"
        self.cookie: str | None = None
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: weakref.WeakSet[http.client.HTTPConnection] = weakref.WeakSet()
        """Those of all threads, as long as each has its own."""

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> PageAnswer:
        """One request. Raises LostError, LoggedOutError, and PeerError for what is no page."""
        own = {"Host": self._name, "Origin": self.url}
        if self.cookie:
            own["Cookie"] = self.cookie
        connection = self._connection()
        try:
            if connection.sock is None:
                _connect(connection)
            connection.request(method, path, body=body or None, headers={**own, **(headers or {})})
            answer = connection.getresponse()
            content = answer.read(_LONGEST_ANSWER)
            if answer.read(1):
                raise PeerError(f"{self.url} sends too much to be a Twofold page")
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise LostError(_why(error)) from None
        if answer.will_close:
            self.close()
        if answer.status == 401:
            raise LoggedOutError
        return PageAnswer(answer.status, answer.headers, content)

    def log_in(self, address: str) -> None:
        """Trade a one-time login address for a session. NotPermittedError when it is worth none."""
        token = parse_qs(urlsplit(address.strip()).query).get("token", [""])[0]
        if not token:
            raise UsageError("this is no login address; 'twofold login' on that machine prints one")
        answer = self.ask("GET", f"/login?{urlencode({'token': token})}")
        given = answer.headers.get("Set-Cookie", "").partition(";")[0]
        if answer.status != 200 or not given.startswith("twofold_session_"):
            raise NotPermittedError(
                "this login address no longer works: each is good once, within ten minutes; "
                "'twofold login' on that machine prints a new one"
            )
        self.cookie = given

    def close(self) -> None:
        """Let go of this thread's connection."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def cut(self) -> None:
        """Cut the connections of all threads: who waits for an answer gets LostError at once."""
        with self._lock:
            connections = list(self._connections)
        for each in connections:
            # Not TLS's own, which takes the session from under whoever reads.
            if (sock := each.sock) is not None:
                with suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            kind = (
                http.client.HTTPSConnection
                if self._scheme == "https"
                else http.client.HTTPConnection
            )
            connection = self._local.connection = kind(self._host, self._port)
            with self._lock:
                self._connections.add(connection)
        return connection


def _connect(connection: http.client.HTTPConnection) -> None:
    connection.timeout = _CONNECT_TIMEOUT
    connection.connect()
    connection.sock.settimeout(TIMEOUT)


def _parts_of(url: str) -> tuple[str, str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UsageError(f"{url!r} is not the address of a page") from None
    if parts.query or parts.fragment or parts.path not in ("", "/") or "@" in parts.netloc:
        raise UsageError("give only where the page is, as in http://nas.local:4180")
    if parts.scheme not in _STANDARD_PORTS or not parts.hostname:
        raise UsageError(f"{url!r} is not the address of a page, as http://nas.local:4180 is")
    return parts.scheme, parts.hostname, port or _STANDARD_PORTS[parts.scheme]


def _why(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return "its name is not known"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
