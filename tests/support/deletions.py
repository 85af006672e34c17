"""What tests of deletion ask of peers."""

from peer_net import PIECE, PeerNet, TestPeer, bytes_of, until

from peer.operator.deleting import Deleting
from protocol.entry import Entry, Tombstone
from protocol.ids import AuthorKey
from protocol.manifest import Manifest
from protocol.messages.deleting import (
    BurstDecided,
    Bursts,
    DecideBurst,
    GetBursts,
    GetTrash,
    Purge,
    Purged,
    Removed,
    Restore,
    Restored,
    TrashListed,
)
from protocol.messages.operating import Remove

SIZE = 6 * PIECE + 99
BYTES = bytes_of(SIZE)


def deleting(peer: TestPeer) -> Deleting:
    return peer.parts.requests.deleting


async def remove(peer: TestPeer, entry: Entry) -> Removed:
    return await deleting(peer).remove(Remove(call=1, entry=entry.id.hex()))


async def restore(peer: TestPeer, entry: Entry) -> Restored:
    return await deleting(peer).restore(Restore(call=1, entry=entry.id.hex()))


async def trash_of(peer: TestPeer) -> TrashListed:
    return await deleting(peer).trash(GetTrash(call=1))


async def purge(peer: TestPeer, entry: Entry | None) -> Purged:
    named = entry.id.hex() if entry else None
    return await deleting(peer).purge(Purge(call=1, entry=named))


async def bursts(peer: TestPeer) -> Bursts:
    return await deleting(peer).bursts(GetBursts(call=1))


async def decide(peer: TestPeer, target: str, *, approve: bool = True) -> BurstDecided:
    return await deleting(peer).decide(DecideBurst(call=1, target=target, approve=approve))


def holds(peer: TestPeer, manifest: Manifest) -> bool:
    content = peer.parts.contents.get(manifest.id)
    return content is not None and content.complete


def in_trash(peer: TestPeer, manifest: Manifest) -> bool:
    lies_there = (peer.parts.directory.trash / manifest.id.hex()).exists()
    return lies_there and peer.parts.contents.get(manifest.id) is None


def tombstone(entry: Entry, sequence: int, by: TestPeer | None = None) -> Tombstone:
    return Tombstone(
        salt=entry.salt,
        author=entry.author,
        sequence=sequence,
        manifest=entry.manifest,
        deleted=5,
        by=AuthorKey(by.me) if by else None,
    )


async def replicated(net: PeerNet, *names: str) -> tuple[list[TestPeer], Manifest, Entry]:
    """Peers, and an entry of the first that the first two hold, and nobody else."""
    nothing = dict.fromkeys(names[2:], 0)
    peers = await net.start(*names, replicating=True, capacity=nothing)
    manifest, _ = await peers[0].hold(BYTES)
    entry = await peers[0].publish(manifest)
    peers[0].parts.replication.wake()
    await until(lambda: all(holds(peer, manifest) for peer in peers[:2]), "two copies")
    return peers, manifest, entry


async def make_admin(net: PeerNet, peer: TestPeer) -> None:
    net.swarm.change(peer.me, admin=True)
    await net.spread_roster()


async def with_entries(peers: list[TestPeer], count: int) -> list[Entry]:
    """So many entries of the first peer that all peers know, of content nobody needs to hold."""
    manifest, _ = await peers[0].hold(b"little")
    entries = []
    for number in range(count):
        entry = await peers[0].publish(manifest, f"{number:03}")
        entries.append(entry)
        for peer in peers[1:]:
            await peer.parts.catalogue.learn(peers[0].sign(entry))
    return entries


def held(peer: TestPeer, entries: list[Entry]) -> list[int]:
    """Which of the entries have a deletion that waits for approval."""
    return [n for n, entry in enumerate(entries) if peer.parts.catalogue.is_held(entry.id)]


async def gone(peer: TestPeer, entries: list[Entry]) -> list[int]:
    """Which of the entries are deleted."""
    found = [await peer.parts.catalogue.find(entry.id) for entry in entries]
    return [n for n, known in enumerate(found) if known and isinstance(known[0], Tombstone)]
