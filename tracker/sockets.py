"""Listening sockets: for peers, and for programs that watch."""

from typing import Literal

import structlog
import trio

from protocol.address import Address
from tracker.errors import DataDirectoryError

METRICS = Address(host="127.0.0.1", port=4190)
_log = structlog.get_logger()


async def open_listeners(listen: Address) -> list[trio.SocketListener]:
    """Listen at an address; DataDirectoryError when it cannot be had."""
    try:
        return list(await trio.open_tcp_listeners(listen.port, host=listen.host))
    except OSError as error:
        why = error.strerror or str(error)
        raise DataDirectoryError(f"cannot listen on {listen}: {why}") from None


async def listen_for_watchers(
    wanted: Address | Literal["usual"] | None,
) -> list[trio.SocketListener]:
    """Listen there; a usual place that is taken keeps no tracker from starting."""
    if wanted is None:
        return []
    if isinstance(wanted, Address):
        return await open_listeners(wanted)
    try:
        return await open_listeners(METRICS)
    except DataDirectoryError:
        found = await open_listeners(Address(host=METRICS.host, port=0))
        _log.warning(
            "the usual address for metrics is taken",
            usual=str(METRICS),
            instead=address_of(found[0]),
        )
        return found


def address_of(listener: trio.SocketListener) -> str:
    """Where a listener is, as text."""
    host, port = bound_at(listener)
    return str(Address(host=host, port=port))


def bound_at(listener: trio.SocketListener) -> tuple[str, int]:
    """Where a listener is."""
    name = listener.socket.getsockname()
    return name[0], name[1]
