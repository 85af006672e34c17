"""tracker-rebuild: how long a tracker that lost its database takes to list everything again.

100,000 entries, each held by two of 20 members and known to two more. The members are those parts
of real peers that speak to the tracker (`benchmarks.knowing_members`), all in one process; the
tracker is a real one. Timed from when the members begin to connect until every entry is listed, by
its manifest too, and every holding is known.
"""

import sqlite3
import subprocess
import sys
import time

from benchmarks.footprint import Account
from benchmarks.knowing_members import HELD_BY
from benchmarks.own_swarm import SECONDS
from benchmarks.programs import Program
from benchmarks.rounds import OWN, Case, Cases, Contender, Figures, Plan
from swarm import Swarm

ENTRIES = 100_000
MEMBERS = 20
_LOOK_EVERY = 0.2
_COUNTS = "SELECT (SELECT count(*) FROM search_keys), (SELECT count(*) FROM holdings)"


def measure_tracker_rebuild(plan: Plan) -> Cases:
    """Lose the database, and let the members connect."""
    with Swarm(plan.folder) as swarm:
        members = [swarm.join_peer(f"member{number:02}", capacity="0") for number in range(MEMBERS)]
        program = [sys.executable, "-m", "benchmarks.knowing_members"]
        folders = [str(member.data) for member in members]
        subprocess.run([*program, "fill", str(ENTRIES), *folders], check=True)
        contender = Contender(OWN, lambda number: _rebuild(swarm, [*program, "run", *folders]))
        yield Case([contender], told={"entries": ENTRIES, "members": MEMBERS})


def _rebuild(swarm: Swarm, command: list[str]) -> Figures:
    assert swarm.tracker is not None
    swarm.tracker.stop()
    path = swarm.tracker_data / "tracker.db"
    for name in (path, path.with_name("tracker.db-wal"), path.with_name("tracker.db-shm")):
        name.unlink(missing_ok=True)
    swarm.start_tracker()
    account = Account(swarm.tracker.process.pid)
    with Program(command, swarm.root / "members") as members:
        members.read_line(SECONDS)
        began = time.perf_counter()
        _await_all(path, began + SECONDS)
        took = time.perf_counter() - began
        account.note()
        members.account.note()
    return {
        "seconds": took,
        "tracker_cpu_seconds": account.cpu_seconds,
        "members_cpu_seconds": members.account.cpu_seconds,
    }


def _await_all(path: object, deadline: float) -> None:
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    wanted = (ENTRIES, HELD_BY * ENTRIES)
    while (found := database.execute(_COUNTS).fetchone()) != wanted:
        if time.perf_counter() > deadline:
            raise SystemExit(f"the tracker knows {found} of {wanted} entries and holdings")
        time.sleep(_LOOK_EVERY)
    database.close()
