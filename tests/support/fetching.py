"""Downloads of whole peers in one process, and members of the swarm that misbehave."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import trio
from peer_net import PIECE, PeerNet, TestPeer, bytes_of

from peer.swarm.download import Download, Purpose
from protocol.drivers.on_trio import ConnectionLostError, TrioChannel
from protocol.manifest import Manifest
from protocol.messages.base import Message, Ping
from protocol.messages.peering import GetPiece
from protocol.messages.shared import Locate, Located

SIZE = 40 * PIECE + 1234
CONTENT = bytes_of(SIZE)
FULL = 160 * PIECE
FAST, SLOW = 10e6, 50_000.0
MOST_PIECES_ON_THEIR_WAY = 5
WHOLE = bytes_of(FULL, 3)


async def begin(
    peer: TestPeer, manifest: Manifest, path: Path | None = None, *, purpose: Purpose = "get"
) -> Download:
    """Start to fetch all of something."""
    return await peer.parts.downloads.fetch(
        manifest, path=path, wanted=None, purpose=purpose, name="film"
    )


async def get(peer: TestPeer, manifest: Manifest, path: Path | None = None) -> Download:
    """Fetch all of something to its end, good or bad."""
    download = await begin(peer, manifest, path)
    await download.closed.wait()
    return download


def nothing_leaks(*peers: TestPeer) -> None:
    """No buffer is in use, and no download is left."""
    for peer in peers:
        assert peer.parts.store.buffers.in_use == 0
        services = peer.parts.links.services
        assert services is not None
        assert services.serving.in_use == services.serving_lanes.in_use == 0
        assert services.lanes_room.in_use == 0
        assert peer.parts.downloads.all() == []


class Liar:
    """A member that speaks the protocol by hand to one peer."""

    def __init__(self, net: PeerNet, me: TestPeer, victim: TestPeer) -> None:
        self.net, self.me, self.victim = net, me, victim
        self.heard: list[Message] = []
        self.answers_locate = True
        self.channel: TrioChannel

    async def connect(self) -> "Liar":
        credentials = self.me.parts.admission.dialling(self.victim.me)
        self.channel = await self.net._open_channel(self.victim.name, 1, credentials)
        self.me.nursery.start_soon(self._listen)
        self.me.nursery.start_soon(self._ping)
        return self

    async def _ping(self) -> None:
        with suppress(ConnectionLostError):
            while True:
                await trio.sleep(3)
                await self.channel.send(Ping())

    async def _listen(self) -> None:
        try:
            while True:
                event = await self.channel.receive()
                following = getattr(event, "following", 0)
                if following:
                    await self.channel.receive_document(following)
                if hasattr(event, "message"):
                    self.heard.append(event.message)
                    if isinstance(event.message, Locate) and self.answers_locate:
                        call = event.message.call
                        await self.channel.send(Located(call=call, holders=()))
                else:
                    return
        except Exception as error:
            self.error = error

    async def until_heard(self, kind: type[Message], seconds: float = 60.0) -> Any:
        """The first message of a kind, once it has come."""
        with trio.fail_after(seconds):
            while True:
                for message in self.heard:
                    if isinstance(message, kind):
                        return message
                await trio.sleep(0.05)

    def asked(self) -> list[int]:
        return [m.piece for m in self.heard if isinstance(m, GetPiece)]
