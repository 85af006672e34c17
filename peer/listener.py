"""Accepts connections: shakes hands within ten seconds, then hands each to whom it belongs."""

from collections.abc import Awaitable, Callable

import structlog
import trio

from peer.admission import Admission
from peer.errors import PeerError
from peer.swarm.links import Links
from protocol.address import Address
from protocol.connection import Established
from protocol.drivers.on_trio import ConnectionLostError, TrioChannel, tune
from protocol.errors import RefusedError, RemoteProtocolError
from protocol.hello import Lane, MemberHello, OperatorHello
from protocol.ids import PeerId

log = structlog.get_logger()

HANDSHAKE_TIMEOUT = 8.0
MOST_UNFINISHED = 128


class Listener:
    """Serves one address. A stranger gets no byte back, whatever it sends."""

    def __init__(
        self,
        admission: Admission,
        links: Links,
        serve_operator: Callable[[TrioChannel], Awaitable[None]],
        shunned: Callable[[bytes], bool],
    ) -> None:
        self._admission = admission
        self._links = links
        self._serve_operator = serve_operator
        self._shunned = shunned
        self._unfinished = 0

    async def bind(self, address: Address) -> list[trio.SocketListener]:
        """Open the listening sockets. PeerError when the address cannot be had."""
        try:
            host = None if address.host in ("", "*") else address.host
            return list(await trio.open_tcp_listeners(address.port, host=host))
        except OSError as error:
            raise PeerError(f"cannot listen on {address}: {error.strerror or error}") from None

    async def serve(self, listeners: list[trio.SocketListener]) -> None:
        """Accept until cancelled."""
        await trio.serve_listeners(self._accept, listeners)

    async def _accept(self, stream: trio.SocketStream) -> None:
        if self._unfinished >= MOST_UNFINISHED:
            await trio.aclose_forcefully(stream)
            return
        self._unfinished += 1
        if isinstance(stream, trio.SocketStream):
            tune(stream)
        channel = TrioChannel(stream, self._admission.answering(), initiator=False)
        try:
            with trio.fail_after(HANDSHAKE_TIMEOUT):
                established = await channel.handshake()
        except (RemoteProtocolError, RefusedError, ConnectionLostError, trio.TooSlowError) as error:
            log.debug("connection turned away", reason=str(error) or "too slow")
            await trio.aclose_forcefully(stream)
            return
        finally:
            self._unfinished -= 1
        await self._hand_on(channel, established)

    async def _hand_on(self, channel: TrioChannel, established: Established) -> None:
        hello = established.hello
        if isinstance(hello, OperatorHello):
            await self._serve_operator(channel)
        elif isinstance(hello, MemberHello):
            try:
                member = self._admission.member(hello, established.static)
            except RefusedError as error:  # revoked since the handshake
                await channel.aclose(str(error), refused=True)
                return
            if self._shunned(member.peer):
                await channel.aclose("shunned: sent bad pieces", refused=True)
                return
            if hello.lane:
                await self._hand_on_lane(channel, member.peer, hello.lane)
                return
            link = self._links.adopt(channel, member.peer, hello.roster)
            if link is None:
                await channel.aclose("another connection is kept")
            else:
                # The stream is closed when this returns.
                await link.ended.wait()

    async def _hand_on_lane(self, channel: TrioChannel, peer: PeerId, use: Lane) -> None:
        try:
            lane = self._links.adopt_lane(channel, peer, use)
        except RefusedError as error:
            await channel.aclose(str(error), refused=True)
            return
        await lane.ended.wait()
