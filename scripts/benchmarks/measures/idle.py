"""idle: what a daemon costs while nobody wants anything of it, and how fast it starts.

Terabytes are not hashed for this. The large daemons' databases are filled before they start, by the
peer's own classes, with manifests of sparse files whose every piece is zeros: exactly the rows that
`add` would have left.
"""

import contextlib
import sys
import time
from pathlib import Path

from benchmarks.footprint import Account, family, memory_mib
from benchmarks.idle_holdings import hold_sparse
from benchmarks.own_swarm import SECONDS, daemon_pid
from benchmarks.programs import Program
from benchmarks.rivals import libtorrent
from benchmarks.rounds import OWN, Case, Cases, Contender, Figures, Plan
from swarm import Peer, Swarm

from protocol.geometry import MAX_PIECE_LENGTH

WATCH_SECONDS = 30.0
SETTLE_SECONDS = 20.0
ENTRIES = 1000
PIECES = 1_000_000
FILES = 4
STARTED_WITH = 100 * 10**9
_LOOK_EVERY = 0.005
_BARE = "import trio; print(flush=True); trio.run(trio.sleep_forever)"


def measure_idle(plan: Plan) -> Cases:
    """Memory and processor, fresh, with 1,000 entries and with 1,000,000 pieces; start-up."""
    contenders = [
        Contender(OWN, lambda number: _own(plan.folder / f"own-{number}")),
        Contender("bare_python", lambda number: _bare(plan.folder / f"bare-{number}")),
        Contender(
            "libtorrent",
            lambda number: _libtorrent(plan.folder / f"libtorrent-{number}"),
            libtorrent.NEEDS,
            rival=True,
        ),
    ]
    yield Case(contenders, compared=("fresh_mib", "entries_mib"))


def _own(folder: Path) -> Figures:
    with contextlib.ExitStack() as stack:
        # Each alone with its own tracker: machines of one swarm would look at one another.
        swarms = [
            stack.enter_context(Swarm(folder / name)) for name in ("fresh", "entries", "pieces")
        ]
        peers = [
            swarms[0].add_peer("one", capacity="0"),
            _with_entries(swarms[1], folder / "small"),
            _with_pieces(swarms[2], folder / "sparse"),
        ]
        pids = {s.root.name: daemon_pid(p) for s, p in zip(swarms, peers, strict=True)}
        figures = _watch(pids)
    return figures | _start_up(folder / "start", folder / "large")


def _with_entries(swarm: Swarm, folder: Path) -> Peer:
    folder.mkdir()
    paths = [folder / f"{number:04}" for number in range(ENTRIES)]
    for number, path in enumerate(paths):
        path.write_bytes(number.to_bytes(4) * 1024)
    peer = swarm.add_peer("one", capacity="0")
    swarm.ok(peer, "add", *map(str, paths), seconds=SECONDS)
    swarm.restart(peer)  # idle, not just done with work
    return peer


def _with_pieces(swarm: Swarm, folder: Path) -> Peer:
    peer = swarm.join_peer("one", capacity="0")
    hold_sparse(peer, folder, files=FILES, size=PIECES // FILES * MAX_PIECE_LENGTH)
    swarm.start(peer)
    return peer


def _start_up(root: Path, folder: Path) -> Figures:
    with Swarm(root) as swarm:
        peer = swarm.join_peer("one", capacity="0")
        hold_sparse(peer, folder, size=STARTED_WITH)
        began = time.perf_counter()
        swarm.start(peer, connected=False)
        while peer.daemon is not None and not peer.daemon.said():
            if not peer.daemon.alive():
                raise SystemExit(swarm.describe())
            time.sleep(_LOOK_EVERY)
        return {"start_100gb_seconds": time.perf_counter() - began}


def _bare(folder: Path) -> Figures:
    """The interpreter with the event loop and nothing to do."""
    with Program([sys.executable, "-c", _BARE], folder) as program:
        program.read_line()
        figures = {"fresh_mib": memory_mib(program.process.pid)}
        return figures | {"entries_mib": figures["fresh_mib"]}


def _libtorrent(folder: Path) -> Figures:
    with (
        libtorrent.idle_with(1, folder / "one") as fresh,
        libtorrent.idle_with(ENTRIES, folder / "many") as many,
    ):
        return _watch({"fresh": fresh.process.pid, "entries": many.process.pid})


def _watch(pids: dict[str, int]) -> Figures:
    time.sleep(SETTLE_SECONDS)
    accounts = {name: Account(pid) for name, pid in pids.items()}
    time.sleep(WATCH_SECONDS)
    figures: Figures = {}
    for name, account in accounts.items():
        account.note()
        figures[f"{name}_mib"] = sum(map(memory_mib, family(pids[name])))
        figures[f"{name}_cpu_percent"] = 100 * account.cpu_seconds / WATCH_SECONDS
    return figures
