"""Asking the daemon of a data directory, over the ordinary protocol, as its operator."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from peer.data_dir import DataDir
from peer.errors import UnreachableError, error_of
from peer.version import VERSION
from protocol.address import Address
from protocol.connection import Ended
from protocol.drivers.blocking import BlockingChannel, ConnectionLostError
from protocol.drivers.processor import preferred_ciphers
from protocol.errors import RefusedError, RemoteProtocolError
from protocol.hello import Credentials
from protocol.messages.base import Failed, Message, Ping, Reply
from protocol.messages.operating import Progress
from protocol.operator_access import FILE_NAME, decode_operator_access, operator_credentials

_R = TypeVar("_R", bound=Reply)
CONNECT_TIMEOUT = 5.0
SILENT_AFTER = 20.0


class DaemonClient:
    """One question at a time to one daemon."""

    def __init__(self, channel: BlockingChannel) -> None:
        self._channel = channel
        self._next = 0

    def ask(
        self,
        make: Callable[[int], Message],
        reply: type[_R],
        tell: Callable[[Progress], None] = lambda _: None,
    ) -> _R:
        """Send one request and wait for its reply. Raises PeerError as the daemon said."""
        call, self._next = self._next, self._next + 1
        try:
            self._channel.send(make(call))
            return self._wait(reply, tell)
        except (ConnectionLostError, RemoteProtocolError) as error:
            raise UnreachableError(f"the daemon went away: {error}") from None
        except TimeoutError:
            raise UnreachableError("the daemon does not answer") from None

    def _wait(self, reply: type[_R], tell: Callable[[Progress], None]) -> _R:
        while True:
            event = self._channel.receive()
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

    def close(self) -> None:
        """Say goodbye."""
        self._channel.close()


def connect(data: Path) -> DaemonClient:
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
            left = DataDir(data).load_left()
            which = f"has left the swarm {left.name!r}" if left else "is in no swarm yet"
            raise UnreachableError(f"{data} {which}: {joining}") from None
        raise absent from None
    address = Address.parse(access.address)
    credentials = operator_credentials(access, VERSION, preferred_ciphers())
    try:
        return DaemonClient(_open(address, credentials))
    except (ConnectionLostError, RemoteProtocolError, RefusedError, OSError):
        raise absent from None


def _open(address: Address, credentials: Credentials) -> BlockingChannel:
    sock = socket.create_connection((address.host, address.port), CONNECT_TIMEOUT)
    try:
        channel = BlockingChannel(sock, credentials, initiator=True)
        channel.handshake()
        sock.settimeout(SILENT_AFTER)
    except BaseException:
        sock.close()
        raise
    return channel


def ask_daemon(
    data: Path,
    make: Callable[[int], Message],
    reply: type[_R],
    tell: Callable[[Progress], None] = lambda _: None,
) -> _R:
    """Connect, ask one thing, close."""
    client = connect(data)
    try:
        return client.ask(make, reply, tell)
    finally:
        client.close()
