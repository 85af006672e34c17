"""One operator's connection: its requests are answered side by side, each on its own task."""

import structlog
import trio

from peer.errors import PeerError
from peer.operator.requests import Requests
from peer.swarm.outbox import Outbox
from protocol.connection import Ended
from protocol.drivers.on_trio import ConnectionLostError, TrioChannel
from protocol.errors import (
    LocalProtocolError,
    ProtocolError,
    RefusedError,
    RemoteProtocolError,
)
from protocol.liveness import PING_EVERY
from protocol.messages.base import Failed, Message, Ping, Reply, Request

log = structlog.get_logger()

MOST_AT_ONCE = 256


class OperatorSession:
    """Serves one command line or page until it goes away."""

    def __init__(self, channel: TrioChannel, requests: Requests) -> None:
        self._channel = channel
        self._requests = requests
        self._outbox = Outbox()
        self._limit = trio.CapacityLimiter(MOST_AT_ONCE)

    async def run(self) -> None:
        """Serve until the operator closes or the connection breaks."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                nursery.start_soon(self._ping)
                while True:
                    event = await self._channel.receive()
                    if isinstance(event, Ended):
                        break
                    if isinstance(event.message, Ping):
                        continue
                    if event.following or not isinstance(event.message, Request):
                        name = type(event.message).__name__
                        raise RemoteProtocolError(f"an operator may not send {name}")
                    nursery.start_soon(self._answer, event.message)
                nursery.cancel_scope.cancel()
        except* (RemoteProtocolError, RefusedError, ConnectionLostError) as group:
            log.debug("operator gone", reason=str(group.exceptions[0]))
        await self._channel.aclose()

    async def _answer(self, request: Request) -> None:
        async with self._limit:
            try:
                reply = await self._requests.answer(request, self._tell)
            except PeerError as error:
                text = str(error)[:4000]
                reply = Failed(call=request.call, kind=error.kind, text=text, field=error.field)
            except (ProtocolError, OSError) as error:
                reply = Failed(call=request.call, kind="failed", text=str(error)[:4000])
            self._outbox.put(reply)

    def _tell(self, progress: Message) -> None:
        self._outbox.put(progress)

    async def _write(self) -> None:
        while True:
            queued = self._outbox.next_message()
            if queued is None:
                await self._outbox.wait_filled()
            else:
                await self._send(queued[0])

    async def _send(self, message: Message) -> None:
        try:
            await self._channel.send(message)
        except LocalProtocolError as error:
            if not isinstance(message, Reply):
                raise
            # Too long for a message: nothing of it was sent, and the operator must hear of it.
            log.error("an answer cannot be sent", reason=str(error))
            text = f"the answer cannot be sent: {error}"
            await self._channel.send(Failed(call=message.call, kind="failed", text=text[:4000]))

    async def _ping(self) -> None:
        while True:
            await trio.sleep(PING_EVERY)
            self._outbox.put(Ping())
