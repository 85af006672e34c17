"""A peer made to hold large sparse files without hashing them; see `benchmarks.measures.idle`.

    python -m benchmarks.idle_holdings DATA FOLDER FILES BYTES

A process of its own, as whoever opens a peer's data directory keeps it locked until it ends.
"""

import subprocess
import sys
from pathlib import Path

import trio
from swarm import Peer

from peer.parts import Parts
from peer.store.splitter import FileStat
from protocol.geometry import choose_piece_length, place_files
from protocol.hashing import hash_piece
from protocol.ids import PieceHash
from protocol.manifest import FileRecord, Manifest, make_manifest
from protocol.messages.operating import Add

_COPIES = 1


def hold_sparse(peer: Peer, folder: Path, *, size: int, files: int = 1) -> None:
    """Have a joined, stopped peer share sparse files of about `size` bytes each."""
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "benchmarks.idle_holdings", peer.data, folder, files, size]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"no large holdings could be made:\n{done.stderr}")


def main() -> None:
    """Make the files, and the rows that `add` would have left for them."""
    data, folder = Path(sys.argv[1]), Path(sys.argv[2])
    files, size = int(sys.argv[3]), int(sys.argv[4])
    # Another length for each, or all of them would be one manifest.
    wanted = {folder / str(number): size - number for number in range(files)}
    for path, length in wanted.items():
        with path.open("wb") as file:
            file.truncate(length)
    parts = Parts(data)
    try:
        trio.run(_hold, parts, wanted)
    finally:
        parts.close()


async def _hold(parts: Parts, wanted: dict[Path, int]) -> None:
    parts.load()
    for path, size in wanted.items():
        manifest = _manifest_of_zeros(size)
        found = path.stat()
        stats = {0: FileStat(found.st_size, found.st_mtime_ns)}
        await parts.contents.add(manifest, path, full=True, stats=stats)
        request = Add(call=1, path=str(path))
        # The tracker is told by the daemon, when that starts.
        await parts.publishing.publish(manifest, path.name, request, _COPIES)


def _manifest_of_zeros(size: int) -> Manifest:
    offsets, geometry = place_files([size], choose_piece_length(size))
    hashes: dict[int, PieceHash] = {}
    for piece in {0, geometry.pieces - 1}:
        length = geometry.piece_size(piece)
        hashes[length] = hash_piece(bytes(length))
    every = [hashes[geometry.piece_size(piece)] for piece in range(geometry.pieces)]
    return make_manifest(geometry, every, [FileRecord(path="", offset=offsets[0], size=size)])


if __name__ == "__main__":
    main()
