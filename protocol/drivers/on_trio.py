"""Moves bytes between a trio stream and a Connection, and nothing else.

One task may receive and one may send at a time. A send that is interrupted leaves half a message
on the wire, so it ends the connection. Time-outs belong to the caller.
"""

import math
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

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
from protocol.drivers.tcp_info import TCP_INFO_ROOM, TcpReading, parse_tcp_info
from protocol.errors import RemoteProtocolError
from protocol.hello import Credentials
from protocol.messages.base import Message

SEALED_LENGTH = BATCH_LENGTH + 4096
"""Bytes of a buffer that holds a header and one batch of what follows it."""
TRICKLE, TRICKLE_PAUSE = 64 << 10, 0.002
"""Bytes that come slower than so many in so many seconds are waited for, not run after."""
UNSENT = 4 << 20
"""Bytes the kernel may be given ahead of what it has sent; its own buffer often allows less."""
TCP_NOTSENT_LOWAT = 25
_DROPPED = 64 << 10
Pace = Callable[[int], Awaitable[None]]
"""Called with the number of bytes that have just come; returns when more may come."""


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
        self.writing_since = math.inf
        """When the write under way began; infinite while there is none."""
        self._interrupted = False
        self._ahead = 0

    @property
    def interrupted(self) -> bool:
        """Whether part of something is on the wire: nothing behind it would be understood."""
        return self._interrupted

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
            self._ahead += await self._read()

    def receive_nowait(self) -> Received | Ended | None:
        """The next control message or end that is here already, else None."""
        event = self.connection.next_event()
        return event if isinstance(event, Received | Ended) else None

    async def receive_bytes(
        self, target: memoryview, pace: Pace | None = None, at_once: int | None = None
    ) -> None:
        """Fill `target` with the bytes that follow the message just received.

        With a `pace`, at most `at_once` bytes are taken off the stream between two calls of it.
        """
        self.connection.receive_into(target)
        ahead, self._ahead = self._ahead, 0
        if pace is not None and ahead:
            # What came with the header, which may be all of it.
            await pace(ahead)
            self.last_received = self.last_bytes = trio.current_time()
        while True:
            event = self.connection.next_event()
            if isinstance(event, BytesReceived):
                return
            if not isinstance(event, NeedData):
                raise RemoteProtocolError("expected bytes")
            count = await self._read(at_once)
            self.last_bytes = self.last_received
            if count < TRICKLE and self.connection.due > 2 * TRICKLE:
                # To wake up for every packet would cost more than everything else together.
                await trio.sleep(TRICKLE_PAUSE)
            if pace is not None:
                await pace(count)
                # We let it wait: that is no silence of its own.
                self.last_received = self.last_bytes = trio.current_time()

    async def receive_document(self, length: int) -> bytes:
        """The `length` bytes that follow the message just received, as one object."""
        target = bytearray(length)
        await self.receive_bytes(memoryview(target))
        return bytes(target)

    async def send(self, message: Message) -> None:
        """Send one control message."""
        self._check_open()
        await self._write(self.connection.send(message))

    async def send_all(self, messages: Sequence[Message | bytes]) -> None:
        """Send control messages that announce no bytes, in one call; some may be encoded already,
        as those are that many are sent."""
        self._check_open()
        await self._write(b"".join(map(self._sealed, messages)))

    def send_now(self, messages: Sequence[Message | bytes]) -> memoryview:
        """As `send_all`, what the kernel takes at once.

        What is left, mostly nothing, must go to `send_rest` before anything else is sent.
        """
        self._check_open()
        rest = memoryview(b"".join(map(self._sealed, messages)))
        if isinstance(self.stream, trio.SocketStream):
            try:
                rest = rest[os.write(self.stream.socket.fileno(), rest) :]
            except BlockingIOError:
                pass
            except OSError as error:
                raise ConnectionLostError(f"sending failed: {error}") from None
        self._interrupted = bool(rest)
        return rest

    async def send_rest(self, rest: memoryview) -> None:
        """Send what `send_now` has left."""
        await self._write(rest)

    def drop_received(self) -> None:
        """Throw away what the kernel has received and nobody will read.

        Closed with that, the connection would be reset, and what was sent last could be lost.
        """
        if isinstance(self.stream, trio.SocketStream):
            with suppress(OSError):
                os.read(self.stream.socket.fileno(), _DROPPED)

    def _sealed(self, message: Message | bytes) -> bytes:
        seal = self.connection
        return seal.send_encoded(message) if isinstance(message, bytes) else seal.send(message)

    async def send_bytes(
        self, header: Message, content: memoryview | bytes, out: memoryview | None = None
    ) -> None:
        """Send a header and the bytes it announces; see `send_many`."""
        await self.send_many([(header, memoryview(content))], out)

    async def send_many(
        self,
        parts: Sequence[tuple[Message, memoryview]],
        out: memoryview | None = None,
        pace: Pace | None = None,
    ) -> None:
        """Send headers, each with the bytes it announces: sealed into `out`, sent when it is full.

        `out` has at most SEALED_LENGTH bytes, and enough for a header and one transport message.
        With a `pace`, its call comes before each sending of so many bytes.
        """
        self._check_open()
        connection, used = self.connection, 0
        if out is None:
            size = sum(len(content) for _, content in parts)
            out = memoryview(bytearray(min(SEALED_LENGTH, size * 2 + 4096)))
        for header, content in parts:
            opening = connection.send(header)
            if used + len(opening) > len(out):
                used = await self._flush(out[:used], pace)
            out[used : used + len(opening)] = opening
            used += len(opening)
            rest = content
            while rest:
                taken, sealed = connection.seal_bytes(rest, out[used:])
                used += sealed
                rest = rest[taken:]
                if rest:
                    used = await self._flush(out[:used], pace)
        await self._flush(out[:used], pace)

    async def _flush(self, sealed: memoryview, pace: Pace | None) -> int:
        # What is sealed must be sent: a wait that is cancelled here interrupts it as well.
        self._interrupted = self._interrupted or bool(sealed)
        if pace is not None:
            await pace(len(sealed))
        await self._write(sealed)
        return 0

    async def aclose(self, reason: str = "", *, refused: bool = False) -> None:
        """Say goodbye if that is possible at once, then close the stream."""
        with trio.move_on_after(1, shield=True) as scope:
            try:
                farewell = self.connection.close(reason, refused=refused)
                # After half a message, nothing would be understood.
                if farewell and not self._interrupted:
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
        self._interrupted = True
        self.writing_since = trio.current_time()
        try:
            await self.stream.send_all(outgoing)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionLostError(f"sending failed: {error}") from None
        self._interrupted = False
        self.writing_since = math.inf

    async def _read(self, at_once: int | None = None) -> int:
        space = self.connection.receive_space()[:at_once]
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
        return count


async def open_channel(host: str, port: int, credentials: Credentials) -> TrioChannel:
    """Connect and shake hands. ConnectionLostError when nobody answers; see `handshake`."""
    try:
        stream = await trio.open_tcp_stream(host, port)
        tune(stream)
    except OSError as error:
        raise ConnectionLostError(f"cannot connect to {host}:{port}: {error}") from None
    channel = TrioChannel(stream, credentials, initiator=True)
    try:
        await channel.handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return channel


def tune(stream: trio.SocketStream) -> None:
    """Ask the kernel for what long and lossy ways need.

    That is BBR, where it is there and allowed, and enough in hand to send without waiting for us:
    trio's 16 KiB are gone in less time than this program needs to wake up.
    """
    # A kernel without either goes by its own choice; `congestion_control` tells which.
    give_ahead(stream, UNSENT)
    with suppress(OSError):
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"bbr")


def give_ahead(stream: trio.abc.Stream, unsent: int) -> None:
    """Let the kernel have so many bytes ahead of what it has sent."""
    if isinstance(stream, trio.SocketStream):
        with suppress(OSError):
            stream.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, unsent)


def read_tcp(stream: trio.abc.Stream) -> TcpReading | None:
    """How a connection fares, as the kernel tells; None where it does not."""
    if not isinstance(stream, trio.SocketStream) or not hasattr(socket, "TCP_INFO"):
        return None
    try:
        found = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_ROOM)
    except OSError:
        return None
    return parse_tcp_info(bytes(found), congestion_control(stream)) if found else None


def congestion_control(stream: trio.abc.Stream) -> str:
    """The name of what the kernel controls this connection by; "" where that is unknown."""
    if not isinstance(stream, trio.SocketStream):
        return ""
    try:
        name = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
    except OSError:
        return ""
    return bytes(name).rstrip(b"\0").decode("ascii", "replace") if name else ""
