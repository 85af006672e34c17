"""small: many small files, added and got."""

import subprocess
import time
from pathlib import Path

from benchmarks.measures.add import add_and_time
from benchmarks.needs import program
from benchmarks.own_swarm import SECONDS
from benchmarks.rivals import libtorrent, rsync
from benchmarks.rivals.libtorrent import Libtorrent
from benchmarks.rounds import OWN, Case, Cases, Contender, Figures, Plan
from benchmarks.samples import (
    SMALL_FILE,
    check_same,
    files_below,
    library_files,
    remove,
    size_of,
    small_files,
)
from swarm import Peer, Swarm


def measure_small(plan: Plan) -> Cases:
    """Files of 4 KiB, then Python's own library, against `cp -r`, libtorrent and rsync."""
    number = plan.size // SMALL_FILE
    yield from _measure_tree("files", small_files(plan.folder / "files/tree", number), plan)
    yield from _measure_tree("library", library_files(plan.folder / "library/tree"), plan)


def _measure_tree(label: str, source: Path, plan: Plan) -> Cases:
    folder = plan.folder / f"work-{label}"
    folder.mkdir()
    rival = Libtorrent(source, folder / "libtorrent")
    with Swarm(folder / "swarm") as swarm:
        ours = _Small(swarm, source, folder / "got")
        contenders = [
            Contender(OWN, ours.add_and_get),
            Contender("cp", lambda _: _copy(source, folder / "copied"), ("cp",)),
            Contender("libtorrent", lambda _: _rival(rival), libtorrent.NEEDS, rival=True),
            Contender(
                "rsync", lambda _: rsync.get(source, folder / "rsync"), rsync.NEEDS, rival=True
            ),
        ]
        told = {"files": sum(1 for _ in files_below(source))}
        yield Case(contenders, size_of(source), label, ("add_seconds", "get_seconds"), told)


class _Small:
    """Adds a folder anew and gets it with a new taker, each round."""

    def __init__(self, swarm: Swarm, source: Path, target: Path) -> None:
        self._swarm = swarm
        self._sender: Peer = swarm.add_peer("sender", capacity="0")
        self._source, self._target = source, target

    def add_and_get(self, number: int) -> Figures:
        swarm, taker = self._swarm, self._swarm.add_peer(f"taker{number}", capacity="0")
        entry, added = add_and_time(swarm, self._sender, self._source)
        got = swarm.ok(taker, "get", entry, "-o", str(self._target), seconds=SECONDS)
        swarm.ok(self._sender, "rm", entry)
        swarm.stop(taker)
        check_same(self._source, self._target)
        remove(self._target)
        figures = {f"add_{name}": value for name, value in added.items()}
        return figures | {"get_seconds": got["seconds"]}


def _copy(source: Path, target: Path) -> Figures:
    began = time.perf_counter()
    subprocess.run([program("cp"), "-r", str(source), str(target)], check=True)
    seconds = time.perf_counter() - began
    remove(target)
    return {"get_seconds": seconds}


def _rival(rival: Libtorrent) -> Figures:
    add_seconds = rival.hash()
    return {"add_seconds": add_seconds, "get_seconds": rival.transfer()["seconds"]}
