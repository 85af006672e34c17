"""Asking the daemon of a data directory, over the ordinary protocol, as its operator."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import trio

from peer.data_dir import DataDir
from peer.errors import UnreachableError
from peer.rpc import error_of
from peer.version import VERSION
from protocol.address import Address
from protocol.connection import Ended
from protocol.drivers.on_trio import ConnectionLostError, TrioChannel, open_channel
from protocol.drivers.processor import preferred_ciphers
from protocol.errors import RefusedError, RemoteProtocolError
from protocol.messages.base import Failed, Message, Ping, Reply
from protocol.messages.operating import Progress
from protocol.operator_access import FILE_NAME, decode_operator_access, operator_credentials

_R = TypeVar("_R", bound=Reply)
CONNECT_TIMEOUT = 5.0
SILENT_AFTER = 20.0


class DaemonClient:
    """One question at a time to one daemon."""

    def __init__(self, channel: TrioChannel) -> None:
        self._channel = channel
        self._next = 0

    async def ask(
        self,
        make: Callable[[int], Message],
        reply: type[_R],
        tell: Callable[[Progress], None] = lambda _: None,
    ) -> _R:
        """Send one request and wait for its reply. Raises PeerError as the daemon said."""
        call, self._next = self._next, self._next + 1
        try:
            await self._channel.send(make(call))
            return await self._wait(reply, tell)
        except (ConnectionLostError, RemoteProtocolError) as error:
            raise UnreachableError(f"the daemon went away: {error}") from None
        except trio.TooSlowError:
            raise UnreachableError("the daemon does not answer") from None

    async def _wait(self, reply: type[_R], tell: Callable[[Progress], None]) -> _R:
        while True:
            with trio.fail_after(SILENT_AFTER):
                event = await self._channel.receive()
            if isinstance(event, Ended):
                raise UnreachableError("the daemon is stopping")
            message = event.message
            if isinstance(message, Progress):
                tell(message)
            elif isinstance(message, Failed):
                raise error_of(message)
            elif isinstance(message, reply):
                return message
            elif not isinstance(message, Ping):
                raise RemoteProtocolError(f"unexpected {type(message).__name__}")

    async def close(self) -> None:
        """Say goodbye."""
        await self._channel.aclose()


async def connect(data: Path) -> DaemonClient:
    """Reach the daemon of a data directory. UnreachableError when none runs."""
    absent = UnreachableError(
        f"no daemon runs on {data}: start it with 'twofold run --data {data}'"
    )
    try:
        access = decode_operator_access((data / FILE_NAME).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        if not DataDir(data).is_joined():
            joining = (
                "join one with 'twofold join INVITE', then start the daemon with 'twofold run'"
            )
            raise UnreachableError(f"{data} is in no swarm yet: {joining}") from None
        raise absent from None
    address = Address.parse(access.address)
    credentials = operator_credentials(access, VERSION, preferred_ciphers())
    try:
        with trio.fail_after(CONNECT_TIMEOUT):
            channel = await open_channel(address.host, address.port, credentials)
    except (ConnectionLostError, RemoteProtocolError, RefusedError, trio.TooSlowError):
        raise absent from None
    return DaemonClient(channel)


def ask_daemon(
    data: Path,
    make: Callable[[int], Message],
    reply: type[_R],
    tell: Callable[[Progress], None] = lambda _: None,
) -> _R:
    """Connect, ask one thing, close."""

    async def conversation() -> _R:
        client = await connect(data)
        try:
            return await client.ask(make, reply, tell)
        finally:
            await client.close()

    return trio.run(conversation)
