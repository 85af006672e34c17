"""Taking connections off the kernel's line, which is long when thousands come at once.

Who has waited too long and gave up is dropped here, at next to no cost: else the tracker would be
busy with those that have gone while others wait until they give up too.
"""

import errno
import socket
from collections.abc import Awaitable, Callable, Iterator

import structlog
import trio

Handle = Callable[[trio.SocketStream], Awaitable[None]]
AT_ONCE = 16
"""Connections that are taken in before those that are here have a turn."""
_LOOKED_AT = 1024
_AGAIN = 0.1
"""Seconds until another try when there is no room for one more."""
_FAILED_ON_ITS_WAY = (
    errno.EPERM,
    errno.ECONNABORTED,
    errno.EPROTO,
    errno.ENETDOWN,
    errno.ENOPROTOOPT,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.EOPNOTSUPP,
    errno.ENETUNREACH,
    errno.ENONET,
    errno.ECONNRESET,
    errno.ETIMEDOUT,
    errno.ENOSR,
    errno.EPROTONOSUPPORT,
    errno.ESOCKTNOSUPPORT,
)
"""What accept(2) tells of a connection, not of the listener."""
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_ESTABLISHED = b"\1"
"""The first byte of struct tcp_info while neither side has ended it."""
_log = structlog.get_logger()


async def take_connections(
    listener: trio.SocketListener, handle: Handle, handlers: trio.Nursery, gone: Callable[[], None]
) -> None:
    """Take connections for ever; `gone` is called for each that had given up."""
    async with listener:
        # The same listener, without a wait for each connection.
        number, family = listener.socket.fileno(), listener.socket.family
        with socket.fromfd(number, family, socket.SOCK_STREAM) as line:
            line.setblocking(False)
            while True:
                await trio.lowlevel.wait_readable(line)
                try:
                    for stream in _waiting(line, gone):
                        handlers.start_soon(handle, stream)
                except OSError as error:
                    if error.errno not in _NO_ROOM:
                        raise
                    _log.error("no more connections can be taken just now", why=error.strerror)
                    await trio.sleep(_AGAIN)


def _waiting(line: socket.socket, gone: Callable[[], None]) -> Iterator[trio.SocketStream]:
    taken = 0
    for _ in range(_LOOKED_AT):
        try:
            connection, _ = line.accept()
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno not in _FAILED_ON_ITS_WAY:
                raise
            continue
        if _has_gone(connection):
            connection.close()
            gone()
            continue
        connection.setblocking(False)
        yield trio.SocketStream(trio.socket.from_stdlib_socket(connection))
        taken += 1
        if taken == AT_ONCE:
            return


def _has_gone(connection: socket.socket) -> bool:
    """Whether the other side has closed a connection already, as far as the kernel tells."""
    if not hasattr(socket, "TCP_INFO"):
        return False
    try:
        return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) != _ESTABLISHED
    except OSError:
        return False
