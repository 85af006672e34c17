"""verify: reading and checking one file that is held, in the page cache."""

from benchmarks.measures.add import hashing_contenders
from benchmarks.own_swarm import SECONDS, account_of
from benchmarks.rivals.libtorrent import Libtorrent
from benchmarks.rounds import OWN, Case, Cases, Contender, Figures, Plan
from swarm import Peer, Swarm, write_random


def measure_verify(plan: Plan) -> Cases:
    """`verify` as the daemon reports it, against bare BLAKE3 and libtorrent's check."""
    source = write_random(plan.folder / "source", plan.size)
    rival = Libtorrent(source, plan.folder / "libtorrent")
    with Swarm(plan.folder / "swarm") as swarm:
        peer = swarm.add_peer("one", capacity="0")
        entry = swarm.ok(peer, "add", str(source), seconds=SECONDS)["id"]
        contenders = [Contender(OWN, lambda _: _verify(swarm, peer, entry, plan.size))]
        others = hashing_contenders(source, rival)
        # Making a torrent is not checking one.
        contenders += [each for each in others if each.name != "libtorrent_one_thread"]
        yield Case(contenders, plan.size)


def _verify(swarm: Swarm, peer: Peer, entry: str, size: int) -> Figures:
    account = account_of(peer)
    done = swarm.ok(peer, "verify", entry, seconds=SECONDS)
    account.note()
    if done["bad"] or done["bytes"] != size:
        raise SystemExit(f"verify found {done}")
    return {
        "seconds": done["seconds"],
        "cpu_s_per_gb": account.cpu_seconds / (size / 1e9),
        "peak_mib": account.peak_mib,
    }
