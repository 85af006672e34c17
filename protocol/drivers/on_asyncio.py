"""Moves bytes between an asyncio socket and a Connection, and nothing else.

The same contract as `on_trio`: one task receives, one sends, an interrupted send ends it all.
"""

import asyncio
import socket

from protocol.connection import (
    BytesReceived,
    Connection,
    Ended,
    Established,
    NeedData,
    Received,
    State,
)
from protocol.errors import RemoteProtocolError
from protocol.hello import Credentials
from protocol.messages.base import Message


class ConnectionLostError(Exception):
    """The stream ended or broke; the message says how."""


class AsyncioChannel:
    """A Connection over a non-blocking socket."""

    def __init__(self, sock: socket.socket, credentials: Credentials, *, initiator: bool) -> None:
        self.connection = Connection(credentials, initiator=initiator)
        self._socket = sock
        self._loop = asyncio.get_running_loop()

    async def handshake(self) -> Established:
        """Open the connection. Raises RefusedError, RemoteProtocolError, ConnectionLostError."""
        while True:
            try:
                event = self.connection.next_event()
            finally:
                await self._write(self.connection.take_outgoing())
            if isinstance(event, Established):
                return event
            await self._read()

    async def receive(self) -> Received | Ended:
        """The next control message, or its good end."""
        while True:
            event = self.connection.next_event()
            if isinstance(event, Received | Ended):
                return event
            await self._read()

    async def receive_bytes(self, target: memoryview) -> None:
        """Fill `target` with the bytes that follow the message just received."""
        self.connection.receive_into(target)
        while True:
            event = self.connection.next_event()
            if isinstance(event, BytesReceived):
                return
            if not isinstance(event, NeedData):
                raise RemoteProtocolError("expected bytes")
            await self._read()

    async def send(self, message: Message) -> None:
        """Send one control message."""
        # The task that receives may have met the end: no mistake of the task that sends.
        if self.connection.state is State.CLOSED:
            raise ConnectionLostError("the connection is closed")
        await self._write(self.connection.send(message))

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    async def _write(self, outgoing: bytes) -> None:
        if not outgoing:
            return
        try:
            await self._loop.sock_sendall(self._socket, outgoing)
        except OSError as error:
            raise ConnectionLostError(f"sending failed: {error}") from None

    async def _read(self) -> None:
        try:
            count = await self._loop.sock_recv_into(self._socket, self.connection.receive_space())
        except OSError as error:
            raise ConnectionLostError(f"receiving failed: {error}") from None
        try:
            self.connection.received(count)
        except RemoteProtocolError as error:
            raise ConnectionLostError(str(error)) from None


async def open_channel(host: str, port: int, credentials: Credentials) -> AsyncioChannel:
    """Connect and shake hands. ConnectionLostError when nobody answers; see `handshake`."""
    loop = asyncio.get_running_loop()
    sock: socket.socket | None = None
    try:
        infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, number, _, address = infos[0]
        sock = socket.socket(family, kind, number)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        await loop.sock_connect(sock, address)
        channel = AsyncioChannel(sock, credentials, initiator=True)
        await channel.handshake()
    except OSError as error:
        if sock is not None:
            sock.close()
        raise ConnectionLostError(f"cannot connect to {host}:{port}: {error}") from None
    except BaseException:
        if sock is not None:
            sock.close()
        raise
    return channel
