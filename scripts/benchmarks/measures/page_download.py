"""page-download: a complete file from the page and from nginx, taken by the same clients."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping

from benchmarks.http_bytes import take
from benchmarks.needs import program
from benchmarks.own_page import OwnPage
from benchmarks.own_swarm import SECONDS
from benchmarks.rivals import nginx as rival
from benchmarks.rivals.nginx import nginx
from benchmarks.rounds import OWN, Case, Cases, Contender, Figures, Plan, RivalError
from swarm import Swarm, write_random

Client = Callable[[str, int, str, int, Mapping[str, str]], float]


def measure_page_download(plan: Plan) -> Cases:
    """By a client that drops what comes, and by curl; the file is in the page cache."""
    source = write_random(plan.folder / "source", plan.size)
    with Swarm(plan.folder / "swarm") as swarm:
        peer = swarm.add_peer("one", web=True, capacity="0")
        entry = swarm.ok(peer, "add", str(source), seconds=SECONDS)["id"]
        page = OwnPage(swarm, peer)

        def own(client: Client) -> Figures:
            watch = page.watch()
            path = f"/download/{entry}"
            seconds = client(page.host, page.port, path, plan.size, page.headers)
            return {"seconds": seconds, **watch.figures(plan.size)}

        def others(client: Client, number: int) -> Figures:
            with nginx(plan.folder / f"nginx-{number}") as server:
                os.link(source, server.served / "source")
                watch = server.watch()
                seconds = client(server.host, server.port, "/source", plan.size, {})
                watch.note()
            return {"seconds": seconds, "cpu_s_per_gb": watch.cpu_seconds / (plan.size / 1e9)}

        for label, client, needs in (("bare client", take, ()), ("curl", _curl, ("curl",))):
            contenders = [
                Contender(OWN, lambda _, client=client: own(client), needs),  # type: ignore[misc]
                Contender(
                    "nginx",
                    lambda number, client=client: others(client, number),  # type: ignore[misc]
                    (*rival.NEEDS, *needs),
                    rival=True,
                ),
            ]
            compared = ("seconds", "cpu_s_per_gb")
            yield Case(contenders, plan.size, f"download, {label}", compared)


def _curl(host: str, port: int, path: str, size: int, headers: Mapping[str, str]) -> float:
    command = [program("curl"), "-sSf", "--noproxy", "*", "-o", "/dev/null"]
    command += ["-w", "%{size_download}"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    began = time.perf_counter()
    done = subprocess.run(
        [*command, f"http://{host}:{port}{path}"], capture_output=True, text=True, timeout=SECONDS
    )
    seconds = time.perf_counter() - began
    if done.returncode or int(done.stdout) != size:
        raise RivalError(f"curl took {done.stdout} bytes: {done.stderr}")
    return seconds
