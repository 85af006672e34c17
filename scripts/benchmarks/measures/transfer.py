"""transfer: one file, one to one over loopback, verified and durable."""

from pathlib import Path

from benchmarks.bare_loop import PIECE, run_bare_loop
from benchmarks.own_swarm import Sharing
from benchmarks.rivals import aria2, https, libtorrent
from benchmarks.rivals.libtorrent import Libtorrent
from benchmarks.rounds import OWN, Case, Cases, Contender, Figures, Plan
from swarm import Swarm, write_random


def measure_transfer(plan: Plan) -> Cases:
    """From `get` to a durable file, against the bare loop, BitTorrent programs and HTTPS."""
    size = plan.size - plan.size % PIECE
    source = write_random(plan.folder / "source", size)
    with Swarm(plan.folder / "swarm") as swarm:
        sharing = Sharing(swarm, source)
        contenders = [
            Contender(OWN, lambda _: sharing.transfer(plan.folder / "got")),
            Contender("bare_loop", lambda _: bare_loop(source, plan.folder / "bare")),
            *_rivals(source, plan.folder),
        ]
        yield Case(contenders, size, compared=("seconds", "durable_seconds"))


def _rivals(source: Path, folder: Path) -> list[Contender]:
    clear = Libtorrent(source, folder / "libtorrent")
    secret = Libtorrent(source, folder / "libtorrent_rc4", encrypted=True)

    def by_aria2(_: int) -> Figures:
        return aria2.transfer(source, folder / "aria2")

    def by_https(_: int) -> Figures:
        return https.transfer(source, folder / "https")

    return [
        Contender("libtorrent", clear.transfer, libtorrent.NEEDS, rival=True),
        Contender("libtorrent_rc4", secret.transfer, libtorrent.NEEDS, rival=True),
        Contender("aria2", by_aria2, aria2.NEEDS, rival=True),
        Contender("https", by_https, https.NEEDS, rival=True),
    ]


def bare_loop(source: Path, target: Path) -> Figures:
    """The bare loop, once."""
    try:
        return {"seconds": run_bare_loop(source, target)}
    finally:
        target.unlink(missing_ok=True)
