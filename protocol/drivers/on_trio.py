"""Moves bytes between a trio stream and a Connection, and nothing else.

One task may receive and one may send at a time. A send that is interrupted leaves half a message
on the wire, so it ends the connection. Time-outs belong to the caller.
"""

import trio

from protocol.connection import (
    BATCH_LENGTH,
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

SEALED_LENGTH = BATCH_LENGTH + 4096
"""Bytes of a buffer that holds a header and one batch of what follows it."""


class ConnectionLostError(Exception):
    """The stream ended or broke; the message says how."""


class TrioChannel:
    """A Connection over a trio stream, in memory or a socket."""

    def __init__(
        self, stream: trio.abc.HalfCloseableStream, credentials: Credentials, *, initiator: bool
    ) -> None:
        self.stream = stream
        self.connection = Connection(credentials, initiator=initiator)
        self.last_received = self.last_bytes = trio.current_time()
        """When anything came last, and when bytes that follow a message did."""

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
            self.last_bytes = self.last_received

    async def receive_document(self, length: int) -> bytes:
        """The `length` bytes that follow the message just received, as one object."""
        target = bytearray(length)
        await self.receive_bytes(memoryview(target))
        return bytes(target)

    async def send(self, message: Message) -> None:
        """Send one control message."""
        self._check_open()
        await self._write(self.connection.send(message))

    async def send_bytes(
        self, header: Message, content: memoryview | bytes, out: memoryview | None = None
    ) -> None:
        """Send a header and the bytes it announces, sealed a batch at a time into `out`.

        `out` has SEALED_LENGTH bytes; header and first batch leave in one call.
        """
        self._check_open()
        opening = self.connection.send(header)
        before = len(opening)
        if out is None:
            out = memoryview(bytearray(before + min(BATCH_LENGTH, len(content) * 2 + 256)))
        out[:before] = opening
        for sealed in self.connection.send_bytes(memoryview(content), out[before:]):
            # The header lies just before the first batch.
            await self._write(out[: before + len(sealed)] if opening else sealed)
            opening = b""

    async def aclose(self, reason: str = "", *, refused: bool = False) -> None:
        """Say goodbye if that is possible at once, then close the stream."""
        with trio.move_on_after(1, shield=True) as scope:
            try:
                farewell = self.connection.close(reason, refused=refused)
                if farewell:
                    await self.stream.send_all(farewell)
            except (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
                scope.cancel()
        await trio.aclose_forcefully(self.stream)

    def _check_open(self) -> None:
        """The task that receives may have met the end: no mistake of the task that sends."""
        if self.connection.state is State.CLOSED:
            raise ConnectionLostError("the connection is closed")

    async def _write(self, outgoing: bytes | memoryview) -> None:
        if not outgoing:
            return
        try:
            await self.stream.send_all(outgoing)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionLostError(f"sending failed: {error}") from None

    async def _read(self) -> None:
        space = self.connection.receive_space()
        try:
            if isinstance(self.stream, trio.SocketStream):
                count = await self.stream.socket.recv_into(space)
            else:
                received = await self.stream.receive_some(len(space))
                count = len(received)
                space[:count] = received
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError) as error:
            raise ConnectionLostError(f"receiving failed: {error}") from None
        self.last_received = trio.current_time()
        try:
            self.connection.received(count)
        except RemoteProtocolError as error:
            raise ConnectionLostError(str(error)) from None


async def open_channel(host: str, port: int, credentials: Credentials) -> TrioChannel:
    """Connect and shake hands. ConnectionLostError when nobody answers; see `handshake`."""
    try:
        stream = await trio.open_tcp_stream(host, port)
    except OSError as error:
        raise ConnectionLostError(f"cannot connect to {host}:{port}: {error}") from None
    channel = TrioChannel(stream, credentials, initiator=True)
    try:
        await channel.handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return channel
