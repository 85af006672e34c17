"""add: hashing one file in the page cache, and what publishing it costs on top."""

import os
import time
from pathlib import Path

from benchmarks.bare_hash import hash_seconds
from benchmarks.own_swarm import SECONDS, account_of
from benchmarks.rivals import libtorrent
from benchmarks.rivals.libtorrent import Libtorrent
from benchmarks.rounds import OWN, Case, Cases, Contender, Figures, Plan
from swarm import Peer, Swarm, write_random


def measure_add(plan: Plan) -> Cases:
    """`add`, from command to published entry, against bare BLAKE3 and libtorrent's hashing."""
    source = write_random(plan.folder / "source", plan.size)
    rival = Libtorrent(source, plan.folder / "libtorrent")
    with Swarm(plan.folder / "swarm") as swarm:
        peer = swarm.add_peer("one", capacity="0")
        contenders = [Contender(OWN, lambda _: _add(swarm, peer, source, plan.size))]
        yield Case(contenders + hashing_contenders(source, rival), plan.size)


def hashing_contenders(source: Path, rival: Libtorrent) -> list[Contender]:
    """Who else reads and hashes a file.

    libtorrent makes a torrent with one hashing thread, and its Python cannot ask for more; what it
    does with two is seen when it checks the same file.
    """
    processors = os.cpu_count() or 1
    return [
        Contender("bare_blake3", lambda _: {"seconds": hash_seconds(source)}),
        Contender("bare_blake3_threads", lambda _: {"seconds": hash_seconds(source, processors)}),
        Contender("libtorrent", lambda _: {"seconds": rival.check()}, libtorrent.NEEDS, rival=True),
        Contender(
            "libtorrent_one_thread",
            lambda _: {"seconds": rival.hash()},
            libtorrent.NEEDS,
            rival=True,
        ),
    ]


def add_and_time(swarm: Swarm, peer: Peer, source: Path) -> tuple[str, Figures]:
    """Add a path; the entry's id, the seconds of the whole command, and the daemon's if told."""
    began = time.perf_counter()
    reply = swarm.ok(peer, "add", str(source), seconds=SECONDS)
    figures = {"seconds": time.perf_counter() - began}
    if reply.get("seconds") is not None:
        figures["daemon_seconds"] = float(reply["seconds"])
    return str(reply["id"]), figures


def _add(swarm: Swarm, peer: Peer, source: Path, size: int) -> Figures:
    account = account_of(peer)
    entry, figures = add_and_time(swarm, peer, source)
    account.note()
    swarm.ok(peer, "rm", entry)
    swarm.ok(peer, "ls")
    return figures | {
        "cpu_s_per_gb": account.cpu_seconds / (size / 1e9),
        "peak_mib": account.peak_mib,
    }
