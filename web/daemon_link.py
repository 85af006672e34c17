"""One operator connection to the daemon: requests out, replies and progress matched by call number.

One task reads, one writes. Requests are checked against their own types before they leave, since
the daemon drops a connection that says something ill-formed. Invariant: whoever waits is told,
also when the connection ends.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import msgspec

from protocol.address import Address
from protocol.calls import CallBook
from protocol.connection import Ended
from protocol.drivers.on_asyncio import AsyncioChannel, ConnectionLostError, open_channel
from protocol.drivers.processor import preferred_ciphers
from protocol.errors import RemoteProtocolError
from protocol.messages.base import Message, Ping, Reply, Request
from protocol.messages.operating import Progress
from protocol.operator_access import OperatorAccess, operator_credentials
from web.answers import invalid, unreachable
from web.version import version

PING_SECONDS = 5.0
GONE = "The daemon of this machine stopped answering. Start it with: twofold run"

OnProgress = Callable[[Progress], None]


@dataclass
class _Waiter:
    reply: asyncio.Future[Reply]
    on_progress: OnProgress | None


class DaemonLink:
    """A connection that is open; `run` carries its messages until it ends."""

    def __init__(self, channel: AsyncioChannel) -> None:
        self._channel = channel
        self._calls: CallBook[_Waiter] = CallBook()
        self._outgoing: asyncio.Queue[Message] = asyncio.Queue()
        self._ended = False

    async def run(self) -> NoReturn:
        """Carry messages until the connection ends, then raise why, as a group."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read())
                tasks.create_task(self._write())
        finally:
            self._ended = True
            self._channel.close()
            for waiter in self._calls.drain():
                if not waiter.reply.done():
                    waiter.reply.set_exception(unreachable(GONE))
        raise ConnectionLostError("the connection ended")

    async def ask(self, request: Request, on_progress: OnProgress | None = None) -> Reply:
        """The daemon's reply. AnswerError when the request is ill-formed or the connection ends."""
        if self._ended:
            raise unreachable(GONE)
        waiter = _Waiter(asyncio.get_running_loop().create_future(), on_progress)
        number = self._calls.open(waiter)
        try:
            self._outgoing.put_nowait(_checked(msgspec.structs.replace(request, call=number)))
            return await waiter.reply
        finally:
            self._calls.forget(number)

    async def _read(self) -> NoReturn:
        while True:
            event = await self._channel.receive()
            if isinstance(event, Ended):
                raise ConnectionLostError(f"the daemon closed the connection: {event.reason}")
            if event.following:
                raise RemoteProtocolError("the daemon sent bytes that nobody asked for")
            self._take(event.message)

    def _take(self, message: Message) -> None:
        if isinstance(message, Progress):
            waiter = self._calls.find(message.call)
            if waiter and waiter.on_progress:
                waiter.on_progress(message)
        elif isinstance(message, Reply):
            waiter = self._calls.close(message)
            if waiter and not waiter.reply.done():
                waiter.reply.set_result(message)
        elif not isinstance(message, Ping):
            name = type(message).__name__
            raise RemoteProtocolError(f"a daemon does not say {name} to its operator")

    async def _write(self) -> NoReturn:
        while True:
            try:
                # Not wait_for: that of Python 3.11 loses a cancel that comes beside a message.
                async with asyncio.timeout(PING_SECONDS):
                    message = await self._outgoing.get()
            except TimeoutError:
                message = Ping()
            await self._channel.send(message)


async def open_link(access: OperatorAccess) -> DaemonLink:
    """Connect as an operator. Raises ConnectionLostError, ProtocolError or InvalidTextError."""
    address = Address.parse(access.address)
    credentials = operator_credentials(access, f"twofold-web {version()}", preferred_ciphers())
    return DaemonLink(await open_channel(address.host, address.port, credentials))


def _checked(request: Request) -> Request:
    try:
        return msgspec.convert(msgspec.to_builtins(request), type(request))
    except (msgspec.ValidationError, UnicodeEncodeError):
        raise invalid("Something in this request is too long or not text.") from None
