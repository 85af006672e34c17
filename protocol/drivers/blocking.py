"""Moves bytes between a blocking socket and a Connection, and nothing else.

For programs that ask one thing and end: an event loop takes longer to import than they run. The
same contract as `on_trio`; the time-out is the socket's, and so belongs to the caller.
"""

import socket
from contextlib import suppress

from protocol.connection import Connection, Ended, Established, Received, State
from protocol.errors import RemoteProtocolError
from protocol.hello import Credentials
from protocol.messages.base import Message


class ConnectionLostError(Exception):
    """The stream ended or broke; the message says how."""


class BlockingChannel:
    """A Connection over a socket that waits. Every wait may raise TimeoutError."""

    def __init__(self, sock: socket.socket, credentials: Credentials, *, initiator: bool) -> None:
        self.connection = Connection(credentials, initiator=initiator)
        self._socket = sock
        self._interrupted = False
        # A question is one small write, and nothing follows it before the answer.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)

    def handshake(self) -> Established:
        """Open the connection. Raises RefusedError, RemoteProtocolError, ConnectionLostError."""
        while True:
            try:
                event = self.connection.next_event()
            finally:
                self._write(self.connection.take_outgoing())
            if isinstance(event, Established):
                return event
            self._read()

    def receive(self) -> Received | Ended:
        """The next control message, or its good end."""
        while True:
            event = self.connection.next_event()
            if isinstance(event, Received | Ended):
                return event
            self._read()

    def send(self, message: Message) -> None:
        """Send one control message."""
        if self.connection.state is State.CLOSED:
            raise ConnectionLostError("the connection is closed")
        self._write(self.connection.send(message))

    def close(self, reason: str = "") -> None:
        """Say goodbye if that is possible, then close the socket."""
        farewell = self.connection.close(reason)
        # After half a message, nothing would be understood.
        if farewell and not self._interrupted:
            with suppress(OSError):
                self._socket.sendall(farewell)
        self._socket.close()

    def _write(self, outgoing: bytes) -> None:
        if not outgoing:
            return
        self._interrupted = True
        try:
            self._socket.sendall(outgoing)
        except TimeoutError:
            raise
        except OSError as error:
            raise ConnectionLostError(f"sending failed: {error}") from None
        self._interrupted = False

    def _read(self) -> None:
        try:
            count = self._socket.recv_into(self.connection.receive_space())
        except TimeoutError:
            raise
        except OSError as error:
            raise ConnectionLostError(f"receiving failed: {error}") from None
        try:
            self.connection.received(count)
        except RemoteProtocolError as error:
            raise ConnectionLostError(str(error)) from None
