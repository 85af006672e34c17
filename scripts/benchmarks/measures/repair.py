"""repair: a lost copy made anew, against `get` of the same, and what a reader on the page feels."""

import statistics
import time
from pathlib import Path

from benchmarks.bare_loop import PIECE
from benchmarks.own_swarm import SECONDS
from benchmarks.rounds import OWN, Case, Cases, Contender, Figures, Plan
from benchmarks.samples import check_same, remove
from swarm import Peer, Swarm, write_random

from peer.cli.daemon_client import ask_daemon
from protocol.messages.operating import GetStatus, Read, Readable, Status

CAPACITY = "1TiB"
FILM_BYTES = 256 << 20
STEP = 4 << 20
POLL = 0.02


def measure_repair(plan: Plan) -> Cases:
    """One machine that has everything; another joins, and is to hold it all too."""
    size = plan.size - plan.size % PIECE
    source = write_random(plan.folder / "source", size)
    film = write_random(plan.folder / "film", FILM_BYTES)
    contenders = [
        Contender(OWN, lambda number: _repair(plan.folder / f"repair{number}", source)),
        Contender("get", lambda number: _get(plan.folder / f"get{number}", source)),
    ]
    yield Case(contenders, size, label="rate")
    readers = [
        Contender(OWN, lambda number: _read(plan.folder / f"busy{number}", film, source)),
        Contender("idle", lambda number: _read(plan.folder / f"idle{number}", film, None)),
    ]
    yield Case(readers, label="reading", compared=("median_seconds",))


def _repair(folder: Path, source: Path) -> Figures:
    with Swarm(folder) as swarm:
        sender = swarm.add_peer("sender", capacity=CAPACITY)
        swarm.ok(sender, "add", str(source), seconds=SECONDS)
        keeper = swarm.add_peer("keeper", capacity=CAPACITY)
        return {"seconds": _until_held(keeper, source.stat().st_size)}


def _until_held(keeper: Peer, size: int) -> float:
    """Seconds that `size` bytes take, by how long the rest takes from the first look on."""
    while not (first := _status(keeper)).downloaded:
        time.sleep(POLL)
    started, status = time.perf_counter(), first
    while status.transfers or status.store.bytes < size:
        time.sleep(POLL)
        status = _status(keeper)
    return (time.perf_counter() - started) * size / (size - first.downloaded)


def _get(folder: Path, source: Path) -> Figures:
    with Swarm(folder) as swarm:
        sender = swarm.add_peer("sender", capacity=CAPACITY)
        entry = swarm.ok(sender, "add", str(source), seconds=SECONDS)["id"]
        taker = swarm.add_peer("taker", capacity="0")
        target = folder / "got"
        got = swarm.ok(taker, "get", entry, "-o", str(target), seconds=SECONDS)
        check_same(source, target)
        remove(target)
        return {"seconds": float(got["seconds"])}


def _read(folder: Path, film: Path, source: Path | None) -> Figures:
    """Jump through a film that is elsewhere, as a viewer does, maybe while a copy is repaired."""
    with Swarm(folder) as swarm:
        sender = swarm.add_peer("sender", capacity=CAPACITY)
        entry = swarm.ok(sender, "add", str(film), "--copies", "1", seconds=SECONDS)["id"]
        if source is not None:
            swarm.ok(sender, "add", str(source), seconds=SECONDS)
        viewer = swarm.add_peer("viewer", capacity=CAPACITY if source is not None else "0")
        waits = []
        for offset in _jumps(film.stat().st_size):
            started = time.perf_counter()
            _read_at(viewer, entry, offset)
            waits.append(time.perf_counter() - started)
        return {"median_seconds": statistics.median(waits), "most_seconds": max(waits)}


def _read_at(peer: Peer, entry: str, offset: int) -> None:
    ask_daemon(
        peer.data, lambda call: Read(call=call, entry=entry, file=0, offset=offset), Readable
    )


def _jumps(size: int) -> list[int]:
    """Offsets far apart, so that what is read ahead of one is not the next."""
    steps = list(range(0, size, STEP))
    return [steps[number * 37 % len(steps)] for number in range(24)]


def _status(peer: Peer) -> Status:
    return ask_daemon(peer.data, lambda call: GetStatus(call=call), Status)
