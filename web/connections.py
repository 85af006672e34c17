"""The connections of the page: how many, how many bytes came, and the end of those that stall.

aiohttp cuts a client that does not finish its request's head. It does not cut one that does not
read its answer: that is done here, by looking now and then whether it has taken any.
"""

import asyncio
import fcntl
import sys
import termios
from collections.abc import Callable, Iterable
from typing import Any, cast

import structlog

from web.limits import Limits
from web.places import Places

_LOOKS = 6
"""How often each connection is looked at before it counts as stalled."""
_log = structlog.get_logger()


class Connections:
    """Makes what serves each connection, and watches over all of them."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: set[_Watched] = set()
        self._places = Places(limits.connections, limits.from_one)
        self._timer: asyncio.TimerHandle | None = None
        self.received = 0
        """Bytes that came on all connections, ever."""
        self.sent = 0
        """Bytes that were given to all connections to send."""

    def __len__(self) -> int:
        return len(self._open)

    def watched(self, serve: Callable[[], asyncio.Protocol]) -> Callable[[], asyncio.Protocol]:
        """What makes protocols like `serve` does, each watched over."""
        return lambda: _Watched(serve(), self)

    def admit(self, connection: "_Watched") -> bool:
        """Whether there is room for one more, which is then counted."""
        if not self._places.take(connection.remote):
            _log.warning("too many connections", remote=connection.remote, open=len(self._open))
            return False
        self._open.add(connection)
        self._look_later()
        return True

    def forget(self, connection: "_Watched") -> None:
        """One that was admitted has ended."""
        self._open.discard(connection)
        self._places.leave(connection.remote)

    def stop_reading(self) -> None:
        """Read no more from any connection: from now on aiohttp throws away what comes.

        What it does not read a sender keeps, and sends once, to the next process.
        """
        for connection in self._open:
            connection.stop_reading()

    def _look_later(self) -> None:
        if self._timer is None and self._open:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._limits.send_seconds / _LOOKS, self._look)

    def _look(self) -> None:
        self._timer = None
        for connection in list(self._open):
            if connection.stalled_looks() >= _LOOKS:
                _log.info("cut: an answer was not read", remote=connection.remote)
                connection.cut()
        self._look_later()


class _Watched(asyncio.Protocol):
    """Passes everything on to the protocol that serves the connection, and keeps count."""

    def __init__(self, served: asyncio.Protocol, connections: Connections) -> None:
        self._served = served
        self._connections = connections
        self._transport: _Counted | None = None
        self._admitted = False
        self._taken = 0
        self._looks = 0
        self.remote = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = _Counted(transport, self._connections)
        self.remote = str((transport.get_extra_info("peername") or ("",))[0])
        self._admitted = self._connections.admit(self)
        if self._admitted:
            self._served.connection_made(cast(asyncio.Transport, self._transport))
        else:
            transport.abort()

    def data_received(self, content: bytes) -> None:
        if self._admitted:
            self._connections.received += len(content)
            self._served.data_received(content)

    def eof_received(self) -> bool | None:
        return self._served.eof_received() if self._admitted else None

    def connection_lost(self, error: Exception | None) -> None:
        if self._admitted:
            self._connections.forget(self)
            self._served.connection_lost(error)

    def pause_writing(self) -> None:
        self._served.pause_writing()

    def resume_writing(self) -> None:
        self._served.resume_writing()

    def stalled_looks(self) -> int:
        """How many looks in a row have found bytes to send, and none taken since the one before."""
        waits, taken = self._transport.progress() if self._transport else (False, 0)
        self._looks = self._looks + 1 if waits and taken <= self._taken else 0
        self._taken = taken
        return self._looks

    def stop_reading(self) -> None:
        """Leave what comes with the kernel, whoever asks for more."""
        if self._transport is not None:
            self._transport.stop_reading()

    def cut(self) -> None:
        """End it now; what waits to be sent is thrown away."""
        if self._transport is not None:
            self._transport.abort()


class _Counted:
    """A transport that counts what is to be sent."""

    def __init__(self, transport: asyncio.Transport, connections: Connections) -> None:
        self._transport = transport
        self._connections = connections
        self._written = 0
        self._stopped = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, content: bytes) -> None:
        self._count(len(content))
        self._transport.write(content)

    def writelines(self, contents: Iterable[bytes]) -> None:
        parts = list(contents)
        self._count(sum(map(len, parts)))
        self._transport.writelines(parts)

    def resume_reading(self) -> None:
        if not self._stopped:
            self._transport.resume_reading()

    def stop_reading(self) -> None:
        self._stopped = True
        self._transport.pause_reading()

    def progress(self) -> tuple[bool, int]:
        """Whether bytes wait here to be sent, and how many the other end has taken, ever."""
        waiting = self._transport.get_write_buffer_size()
        # The kernel takes more only when much has gone: without its part a slow line looks stalled.
        return waiting > 0, self._written - waiting - _in_kernel(self._transport)

    def _count(self, length: int) -> None:
        self._written += length
        self._connections.sent += length


def _in_kernel(transport: asyncio.Transport) -> int:
    """How many bytes the kernel has and the other end has not confirmed; 0 where it cannot tell."""
    place = bytearray(4)
    try:
        fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, place)
    except (OSError, AttributeError):
        return 0
    return int.from_bytes(place, sys.byteorder)
