"""Peers of a `PeerNet` whose tracker lies."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio
from lying_tracker import LyingTracker
from peer_net import PeerNet, SwarmOfPeers, TestPeer, bytes_of, pair_of_wires, until

from protocol.drivers.on_trio import ConnectionLostError, TrioChannel
from protocol.entry import Entry
from protocol.hello import Credentials
from protocol.identity import generate_identity
from protocol.messages.operating import Find
from protocol.signing import Signed


class Liar(LyingTracker):
    """One that peers of a `PeerNet` reach at any host that `places` names."""

    def __init__(self, swarm: SwarmOfPeers, nursery: trio.Nursery) -> None:
        super().__init__(swarm.signing, swarm.key, bytes(range(32)), generate_identity())
        self._nursery = nursery
        self.dialled: list[str] = []
        self.places = {"tracker.test"}

    async def open_channel(self, host: str, port: int, credentials: Credentials) -> TrioChannel:
        """In place of the network, for `TrackerLink`."""
        self.dialled.append(f"{host}:{port}")
        if host not in self.places:
            raise ConnectionLostError("nobody there")
        ours, theirs = pair_of_wires()
        self._nursery.start_soon(self.serve, theirs)
        channel = TrioChannel(ours, credentials, initiator=True)
        await channel.handshake()
        return channel


async def meet(liar: Liar, *peers: TestPeer) -> None:
    """Connect peers to it, as the daemon does."""
    for peer in peers:
        liar.lies.roster = peer.parts.rosters.number
        peer.nursery.start_soon(peer.parts.tracker.run)
        peer.nursery.start_soon(peer.parts.rebuilding.run)
        peer.nursery.start_soon(peer.parts.rollbacks.run)
        await until(lambda p=peer: p.parts.tracker.connected, "it is connected")  # type: ignore[misc]
    await trio.sleep(1)


async def meet_again(liar: Liar, *peers: TestPeer) -> None:
    """The connections are cut, and come back."""
    before = liar.connections
    await liar.cut()
    await until(lambda: liar.connections >= before + len(peers), "they come back")
    await until(lambda: all(peer.parts.tracker.connected for peer in peers), "and are connected")
    await trio.sleep(1)


def shown(peer: TestPeer) -> list[str]:
    """The notices of `twofold status`."""
    return [notice.text for notice in peer.parts.status.make(0).notices]


def listing(*records: Signed) -> Callable[[object], list[Signed]]:
    return lambda _: list(records)


async def found(peer: TestPeer) -> list[str]:
    """What `twofold ls` lists."""
    answer = await peer.parts.lookup.find(Find(call=0, words="", limit=50))
    return [entry.name for entry in answer.entries]


@asynccontextmanager
async def holding(net: PeerNet, liar: Liar) -> AsyncIterator[tuple[TestPeer, TestPeer, Entry]]:
    """One and two, connected; two holds what it published, and the tracker lists."""
    one, two = await net.start("one", "two")
    manifest, _ = await two.hold(bytes_of(700_000))
    entry = await two.publish(manifest)
    liar.lies.listed = listing(two.sign(entry))
    await meet(liar, one, two)
    yield one, two, entry
