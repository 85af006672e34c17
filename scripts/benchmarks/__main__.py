"""`scripts/bench`: measures the real thing, each measure beside its limit in the same run.

One JSON line a round, then one with the medians. Rounds of a measure and of its limit take turns,
so that a machine whose speed drifts is unfair to neither.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.bare_loop import PIECE, run_bare_loop
from blake3 import blake3
from swarm import Peer, Swarm, write_random

_TICKS = os.sysconf("SC_CLK_TCK")
Figures = dict[str, float]


def main() -> int:
    """Run the measures that are named, or all of them."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("measures", nargs="*", choices=[[], *MEASURES], help="all if none is named")
    parser.add_argument("--mib", type=int, default=0, help="size of the file, in MiB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where files lie; a disk, not a tmpfs")
    given = parser.parse_args()
    for name in given.measures or MEASURES:
        measure, usual = MEASURES[name]
        size = (given.mib or usual) << 20
        with tempfile.TemporaryDirectory(prefix="twofold-bench-", dir=given.folder) as folder:
            rounds = measure(Path(folder), size - size % PIECE, given.rounds)
        for figures in rounds:
            _tell({"measure": name, "bytes": size, **figures})
        medians = {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}
        _tell({"measure": name, "bytes": size, "median_of": len(rounds), **medians})
    return 0


def measure_add(folder: Path, size: int, rounds: int) -> list[Figures]:
    """`add` of a file in the page cache, from command to published entry, against bare BLAKE3."""
    source = write_random(folder / "source", size)
    found = []
    with Swarm(folder / "swarm") as swarm:
        peer = swarm.add_peer("one", capacity="0")
        for _ in range(rounds):
            bare = _timed(lambda: _hash(source))
            before = _cpu_seconds(peer)
            began = time.perf_counter()
            entry = swarm.ok(peer, "add", str(source))
            seconds = time.perf_counter() - began
            cpu = _cpu_seconds(peer) - before
            swarm.ok(peer, "rm", entry["id"])
            swarm.ok(peer, "ls")
            found.append(_rates(size, seconds, bare) | {"cpu_s_per_gb": cpu / (size / 1e9)})
    return found


def measure_transfer(folder: Path, size: int, rounds: int) -> list[Figures]:
    """One to one over loopback, from `get` to a verified, durable file, against the bare loop."""
    source = write_random(folder / "source", size)
    found = []
    with Swarm(folder / "swarm") as swarm:
        sender = swarm.add_peer("sender", capacity="0")
        entry = swarm.ok(sender, "add", str(source))
        for number in range(rounds):
            bare = run_bare_loop(source, folder / "bare")
            (folder / "bare").unlink()
            taker = swarm.add_peer(f"taker{number}", capacity="0")
            before = _cpu_seconds(sender) + _cpu_seconds(taker)
            target = folder / f"got{number}"
            got = swarm.ok(taker, "get", entry["id"], "-o", str(target), seconds=600)
            cpu = _cpu_seconds(sender) + _cpu_seconds(taker) - before
            figures = _rates(size, got["seconds"], bare) | {"cpu_s_per_gb": cpu / (size / 1e9)}
            figures["taker_peak_mib"] = _peak_mib(taker)
            figures["sender_peak_mib"] = _peak_mib(sender)
            found.append(figures)
            _check_same(source, target)
            swarm.stop(taker)
            target.unlink()
    return found


def measure_fanout(folder: Path, size: int, rounds: int) -> list[Figures]:
    """One to three at once, until all have it; how many copies the source itself had to send."""
    source = write_random(folder / "source", size)
    found = []
    with Swarm(folder / "swarm") as swarm:
        sender = swarm.add_peer("sender", capacity="0")
        entry = swarm.ok(sender, "add", str(source))
        for number in range(rounds):
            bare = run_bare_loop(source, folder / "bare")
            (folder / "bare").unlink()
            takers = [swarm.add_peer(f"taker{number}{c}", capacity="0") for c in "abc"]
            sent = swarm.ok(sender, "status")["uploaded"]
            began = time.perf_counter()
            running = [
                swarm.begin(taker, "get", entry["id"], "-o", str(folder / taker.name))
                for taker in takers
            ]
            for each in running:
                answer = each.finish(600)
                if answer.code:
                    raise SystemExit(str(answer))
            seconds = time.perf_counter() - began
            copies = (swarm.ok(sender, "status")["uploaded"] - sent) / size
            rates = _rates(size, seconds, bare)
            found.append(rates | {"seconds": seconds, "copies_sent_by_source": copies})
            for taker in takers:
                _check_same(source, folder / taker.name)
                swarm.stop(taker)
                (folder / taker.name).unlink()
    return found


MEASURES: dict[str, tuple[Callable[[Path, int, int], list[Figures]], int]] = {
    "add": (measure_add, 2048),
    "transfer": (measure_transfer, 2048),
    "fanout": (measure_fanout, 1024),
}


def _rates(size: int, seconds: float, limit_seconds: float) -> Figures:
    return {
        "mb_per_s": size / 1e6 / seconds,
        "limit_mb_per_s": size / 1e6 / limit_seconds,
        "ratio": limit_seconds / seconds,
    }


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _hash(path: Path) -> bytes:
    hasher = blake3()
    buffer = memoryview(bytearray(2 << 20))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            hasher.update(buffer[:count])
    return hasher.digest()


def _check_same(source: Path, target: Path) -> None:
    if _hash(source) != _hash(target):
        raise SystemExit(f"{target} is not what was sent")


def _cpu_seconds(peer: Peer) -> float:
    fields = _proc(peer, "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _peak_mib(peer: Peer) -> float:
    line = next(x for x in _proc(peer, "status").splitlines() if x.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _proc(peer: Peer, name: str) -> str:
    if peer.daemon is None:
        raise SystemExit(f"{peer.name} does not run")
    return Path(f"/proc/{peer.daemon.process.pid}/{name}").read_text()


def _tell(figures: dict[str, object]) -> None:
    rounded = {k: round(v, 3) if isinstance(v, float) else v for k, v in figures.items()}
    print(json.dumps(rounded), flush=True)


if __name__ == "__main__":
    sys.exit(main())
