"""fanout: one file, one to three at once over loopback."""

import time
from pathlib import Path

from benchmarks.bare_loop import PIECE
from benchmarks.measures.transfer import bare_loop
from benchmarks.own_swarm import SECONDS, Sharing
from benchmarks.rivals import libtorrent
from benchmarks.rivals.libtorrent import Libtorrent
from benchmarks.rounds import OWN, Case, Cases, Contender, Figures, Plan
from swarm import Swarm, write_random

TAKERS = 3


def measure_fanout(plan: Plan) -> Cases:
    """Until all three have it; and how many copies the source itself had to send."""
    size = plan.size - plan.size % PIECE
    source = write_random(plan.folder / "source", size)
    rival = Libtorrent(source, plan.folder / "libtorrent")
    with Swarm(plan.folder / "swarm") as swarm:
        sharing = Sharing(swarm, source)
        contenders = [
            Contender(OWN, lambda _: _fan_out(sharing, plan.folder, size)),
            Contender("bare_loop", lambda _: bare_loop(source, plan.folder / "bare")),
            Contender("libtorrent", lambda _: rival.fan_out(TAKERS), libtorrent.NEEDS, rival=True),
        ]
        yield Case(contenders, size)


def _fan_out(sharing: Sharing, folder: Path, size: int) -> Figures:
    swarm, sender = sharing.swarm, sharing.sender
    takers = [sharing.new_taker() for _ in range(TAKERS)]
    targets = [folder / f"got-{taker.name}" for taker in takers]
    sent = swarm.ok(sender, "status")["uploaded"]
    began = time.perf_counter()
    running = [
        swarm.begin(taker, "get", sharing.entry, "-o", str(target))
        for taker, target in zip(takers, targets, strict=True)
    ]
    for each in running:
        answer = each.finish(SECONDS)
        if answer.code:
            raise SystemExit(str(answer))
    seconds = time.perf_counter() - began
    copies = (swarm.ok(sender, "status")["uploaded"] - sent) / size
    for taker, target in zip(takers, targets, strict=True):
        sharing.finish(taker, target)
    return {"seconds": seconds, "copies_sent_by_source": copies}
