"""What of a tracker changes rosters, for peers in one process."""

from collections.abc import Callable
from typing import Any

import trio
from peer_net import PeerNet, TestPeer

from peer.errors import PeerError, UnreachableError
from protocol.ids import PeerId
from protocol.messages.base import Done, Message
from protocol.messages.tracking import ChangeCapacity, ChangeState


class RosterMaker:
    """What of a tracker changes rosters, and nothing else of one."""

    def __init__(self, net: PeerNet) -> None:
        self.net = net
        self.away = False
        self.asked: list[Message] = []
        self.one_at_a_time = trio.Lock()
        for peer in net.peers.values():
            self.serve(peer)

    def serve(self, peer: TestPeer) -> None:
        """Answer what this peer asks."""
        peer.parts.tracker.call = self.calls_of(peer)  # type: ignore[method-assign]

    def calls_of(self, peer: TestPeer) -> Callable[..., Any]:
        async def call(make: Callable[[int], Message], _: object, **__: object) -> Any:
            await trio.lowlevel.checkpoint()
            request = make(0)
            if self.away or not isinstance(request, ChangeState | ChangeCapacity):
                raise UnreachableError("the tracker cannot be reached")
            async with self.one_at_a_time:
                self.asked.append(request)
                await self.change(peer.me, request)
            return Done(call=0), b""

        return call

    async def change(self, peer: PeerId, request: ChangeState | ChangeCapacity) -> None:
        swarm = self.net.swarm
        if isinstance(request, ChangeCapacity):
            swarm.change(peer, capacity=request.capacity)
        elif request.state == "left" and request.roster != swarm.number:
            raise PeerError("the roster has changed meanwhile: look again")
        else:
            swarm.change(peer, state=request.state)
        await self.net.spread_roster()
