"""Answers GET over HTTP/1.1, one answer a connection, on trio.

For a few programs that watch this one: not many at a time, and no slow ones. Whatever is sent here
is read to the end of its head at most.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import h11
import structlog
import trio

PATIENCE = 10.0
"""Seconds for a whole connection."""
MOST_OPEN = 32
MOST_HEAD = 8 << 10
_READ = 4 << 10
_log = structlog.get_logger()


@dataclass(frozen=True)
class Answer:
    """What a path is answered with."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


Path = Callable[[], Awaitable[Answer]]


class PlainHttp:
    """Serves some paths. Its connections' troubles end here, bugs included."""

    def __init__(self, paths: dict[str, Path]) -> None:
        self._paths = paths
        self._open = 0

    async def serve(self, stream: trio.abc.Stream) -> None:
        """One connection, to its end. Raises nothing but Cancelled."""
        if self._open >= MOST_OPEN:
            await trio.aclose_forcefully(stream)
            return
        self._open += 1
        try:
            with trio.move_on_after(PATIENCE):
                await self._answer(stream)
        except (h11.ProtocolError, OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        except Exception:
            _log.exception("a watching program's connection was closed by a bug")
        finally:
            self._open -= 1
            await trio.aclose_forcefully(stream)

    async def _answer(self, stream: trio.abc.Stream) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MOST_HEAD)
        try:
            request = await _head(connection, stream)
        except h11.RemoteProtocolError as error:
            answer, with_body = Answer(error.error_status_hint, b"not understood\n"), True
        else:
            if request is None:
                return
            answer = await self._find(request)
            with_body = request.method != b"HEAD"
        await stream.send_all(_encoded(connection, answer, with_body=with_body))

    async def _find(self, request: h11.Request) -> Answer:
        path = self._paths.get(request.target.partition(b"?")[0].decode("ascii", "replace"))
        if path is None:
            return Answer(404, b"not found\n")
        if request.method not in (b"GET", b"HEAD"):
            return Answer(405, b"only GET\n")
        return await path()


async def _head(connection: h11.Connection, stream: trio.abc.Stream) -> h11.Request | None:
    """The request, None if the other side goes without one."""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            return event
        if event is not h11.NEED_DATA:
            return None
        connection.receive_data(bytes(await stream.receive_some(_READ)))


def _encoded(connection: h11.Connection, answer: Answer, *, with_body: bool) -> bytes:
    headers = [
        ("Content-Type", answer.content_type),
        ("Content-Length", str(len(answer.body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Connection", "close"),
    ]
    if answer.status == 405:
        headers.append(("Allow", "GET, HEAD"))
    parts = [connection.send(h11.Response(status_code=answer.status, headers=headers))]
    if with_body:
        parts.append(connection.send(h11.Data(data=answer.body)))
    return b"".join(part for part in parts if part)
