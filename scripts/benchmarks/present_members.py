"""Machines that are there for the tracker and nothing else: each says what the tracker has of it.

    python -m benchmarks.present_members TRACKER DATA...

So a filled catalogue (`large_catalogue`) keeps its holders, who have nothing on their disks. Prints
a line once all are present, and stays until it is ended.
"""

import sys
from pathlib import Path

import trio
from benchmarks.tracker_member import present

from peer.data_dir import DataDir
from protocol.ids import PeerId
from tracker import holdings
from tracker.data_dir import DataDir as TrackerDir
from tracker.database import connect_database


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
    digest = await trio.to_thread.run_sync(_digest, tracker, directory.load_identity().peer)
    async with present(directory, digest) as member, trio.open_nursery() as nursery:
        nursery.start_soon(member.ping)
        task_status.started()
        await member.read()


def _digest(tracker: Path, peer: bytes) -> bytes:
    database = connect_database(TrackerDir(tracker).place())
    try:
        return database.read_now(lambda connection: holdings.digest(connection, PeerId(peer)))
    finally:
        database.close()


if __name__ == "__main__":
    trio.run(main)
