"""Requests under way, by session: so that a session which ends takes its open streams along."""

import contextlib
import socket
from collections.abc import Iterable, Iterator

import aiohttp.web


class UnderWay:
    """Who is being answered now."""

    def __init__(self) -> None:
        self._requests: dict[str, list[aiohttp.web.Request]] = {}

    def __contains__(self, session: str) -> bool:
        return session in self._requests

    @contextlib.contextmanager
    def during(self, session: str, request: aiohttp.web.Request) -> Iterator[None]:
        """This request of the session of this id is being answered."""
        requests = self._requests.setdefault(session, [])
        requests.append(request)
        try:
            yield
        finally:
            requests.remove(request)
            if not requests and self._requests.get(session) is requests:
                del self._requests[session]

    def cut(self, sessions: Iterable[str], *, but: aiohttp.web.Request) -> None:
        """End the connections on which these sessions are answered now, but for that of `but`."""
        for session in sessions:
            for request in self._requests.get(session, ()):
                if request is not but:
                    _hang_up(request)


def _hang_up(request: aiohttp.web.Request) -> None:
    """End a connection from under whatever reads or writes on it.

    Not by closing: sendfile waits on the file descriptor itself, and would wait on for one that has
    another connection by then.
    """
    transport = request.transport
    where = transport.get_extra_info("socket") if transport else None
    if where is not None:
        with contextlib.suppress(OSError):  # it has gone by itself
            where.shutdown(socket.SHUT_RDWR)
