"""Machines that are there for the tracker and nothing else: each says what the tracker has of it.

    python -m benchmarks.present_members TRACKER DATA...

So a filled catalogue (`large_catalogue`) keeps its holders, who have nothing on their disks. Prints
a line once all are present, and stays until it is ended.
"""

import sqlite3
import sys
from pathlib import Path

import trio

from peer.data_dir import DataDir, JoinedSwarm
from peer.version import VERSION
from protocol.address import Address
from protocol.drivers.on_trio import TrioChannel, open_channel
from protocol.drivers.processor import preferred_ciphers
from protocol.hello import Credentials, MemberHello
from protocol.identity import Identity
from protocol.ids import ManifestId
from protocol.inventory import inventory_digest
from protocol.liveness import PING_EVERY
from protocol.messages.base import Ping
from protocol.messages.tracking import Present, Presented
from tracker.data_dir import DataDir as TrackerDir


async def main() -> None:
    """Present all, and keep their connections."""
    tracker, folders = Path(sys.argv[1]), [Path(data) for data in sys.argv[2:]]
    async with trio.open_nursery() as nursery:
        for data in folders:
            await nursery.start(_be_there, tracker, DataDir(data))
        print("present", flush=True)


async def _be_there(
    tracker: Path, directory: DataDir, *, task_status: trio.TaskStatus[None]
) -> None:
    identity, joined = directory.load_identity(), directory.load_joined()
    address = Address.parse(joined.tracker_addresses[0])
    channel = await open_channel(address.host, address.port, _credentials(identity, joined))
    digest = await trio.to_thread.run_sync(_digest, tracker, identity.peer)
    await channel.send(
        Present(call=1, addresses=(), capacity=0, stored=0, digest=digest, seen=1 << 40)
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_ping, channel)
        while True:
            event = await channel.receive()
            following = getattr(event, "following", 0)
            if following:
                await channel.receive_document(following)
            message = getattr(event, "message", None)
            if isinstance(message, Presented):
                assert message.in_sync, "the tracker wants to be told anew"
                task_status.started()


async def _ping(channel: TrioChannel) -> None:
    while True:
        await trio.sleep(PING_EVERY)
        await channel.send(Ping())


def _credentials(identity: Identity, joined: JoinedSwarm) -> Credentials:
    return Credentials(
        psk=joined.psk,
        static=identity.static,
        hello=MemberHello(version=VERSION, membership=joined.membership, roster=1 << 20),
        admit=lambda _hello, _static: None,
        ciphers=preferred_ciphers(),
    )


def _digest(tracker: Path, peer: bytes) -> bytes:
    database = sqlite3.connect(TrackerDir(tracker).database)
    with database:
        found = database.execute("SELECT manifest, bits FROM holdings WHERE peer = ?", (peer,))
        digest = inventory_digest((ManifestId(manifest), bits) for manifest, bits in found)
    database.close()
    return digest


if __name__ == "__main__":
    trio.run(main)
