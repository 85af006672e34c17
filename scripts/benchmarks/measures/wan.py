"""wan: one file over an emulated link of 200 Mbit/s and 50 ms, without loss and with 1%."""

from pathlib import Path

from benchmarks.own_swarm import Sharing, placed_swarm
from benchmarks.places import Ends
from benchmarks.rivals import https, iperf, libtorrent
from benchmarks.rivals.libtorrent import Libtorrent
from benchmarks.rounds import OWN, Case, Cases, Contender, Plan
from benchmarks.wan_link import NEEDS as LINK_NEEDS
from benchmarks.wan_link import LinkKind, wan_link
from swarm import write_random

NEEDS = LINK_NEEDS
KINDS = {"no loss": LinkKind(), "1% loss": LinkKind(loss_percent=1.0)}
_SEED = 2026
_WITHOUT_RIGHTS = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")


def measure_wan(plan: Plan) -> Cases:
    """From `get` to a durable file, against what iperf3 gets of the same link."""
    source = write_random(plan.folder / "source", plan.size)
    for number, (label, kind) in enumerate(KINDS.items()):
        folder = plan.folder / f"link-{number}"
        with (
            wan_link(folder, kind, plan.congestion_control, _SEED) as ends,
            placed_swarm(folder / "swarm", ends, *_through(plan)) as swarm,
        ):
            contenders = _contenders(Sharing(swarm, source), source, folder, ends)
            told = {"congestion_control": plan.congestion_control}
            yield Case(contenders, plan.size, label, told=told)


def _through(plan: Plan) -> tuple[str, ...]:
    """Twofold asks for BBR, and who may change the network gets all the kernel has."""
    return () if plan.congestion_control == "bbr" else _WITHOUT_RIGHTS


def _contenders(sharing: Sharing, source: Path, folder: Path, ends: Ends) -> list[Contender]:
    rival = Libtorrent(source, folder / "libtorrent", ends)
    size = source.stat().st_size
    return [
        Contender(OWN, lambda _: sharing.transfer(folder / "got")),
        Contender("iperf3", lambda _: iperf.transfer(size, ends, folder / "iperf3"), iperf.NEEDS),
        Contender("libtorrent", rival.transfer, libtorrent.NEEDS, rival=True),
        Contender(
            "https",
            lambda _: https.transfer(source, folder / "https", ends),
            https.NEEDS,
            rival=True,
        ),
    ]
