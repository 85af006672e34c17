"""page-upload: a file sent to the page by tus, and to nginx by PUT, by the same sender.

The page answers when all is on the disk, durably; nginx when it has given all to the kernel.
`durable_seconds` adds the fsync that it leaves out. `published_seconds` is when the page has an
entry of it: hashed, and known to the swarm, which nginx has no such thing as.
"""

import base64
import json
import socket
import time
from pathlib import Path

from benchmarks.http_bytes import ask, send
from benchmarks.own_page import OwnPage
from benchmarks.own_swarm import SECONDS
from benchmarks.rivals import nginx as rival
from benchmarks.rivals.nginx import nginx
from benchmarks.rounds import OWN, Case, Cases, Contender, Figures, Plan, RivalError
from benchmarks.samples import check_same, sync_seconds
from swarm import Peer, Swarm, write_random

_TUS = {"Tus-Resumable": "1.0.0"}
_UPLOADS = "/api/v1/uploads"


def measure_page_upload(plan: Plan) -> Cases:
    """As tus-js-client sends it: POST to begin, then one PATCH with all of it."""
    source = write_random(plan.folder / "source", plan.size)
    with Swarm(plan.folder / "swarm") as swarm:
        peer = swarm.add_peer("one", web=True, capacity="0")
        page = OwnPage(swarm, peer)
        contenders = [
            Contender(OWN, lambda number: _own(swarm, peer, page, source, number)),
            Contender(
                "nginx",
                lambda number: _put(source, plan.folder / f"nginx-{number}"),
                rival.NEEDS,
                rival=True,
            ),
        ]
        compared = ("seconds", "durable_seconds", "cpu_s_per_gb")
        yield Case(contenders, plan.size, "upload", compared)


def _own(swarm: Swarm, peer: Peer, page: OwnPage, source: Path, number: int) -> Figures:
    size = source.stat().st_size
    name = base64.b64encode(f"upload {number}".encode()).decode()
    headers = {**page.headers, **_TUS}
    described = {"Upload-Length": str(size), "Upload-Metadata": f"name {name}"}
    watch = page.watch()
    began = time.perf_counter()
    with socket.create_connection((page.host, page.port), timeout=SECONDS) as link:
        status, said = ask(link, "POST", _UPLOADS, headers | described)
        if status != 201:
            raise SystemExit(f"no upload could be begun: {status}")
        part = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        status, answer = send(link, "PATCH", said["location"], source, headers | part)
        if status != 204 or answer["upload-offset"] != str(size):
            raise SystemExit(f"the upload was answered with {status}, {answer}")
    seconds = time.perf_counter() - began
    figures = watch.figures(size)
    entry = _published(page, said["location"])
    published = time.perf_counter() - began
    swarm.ok(peer, "rm", entry)
    durable = {"durable_seconds": seconds, "published_seconds": published}
    return {"seconds": seconds, **durable, **figures}


def _published(page: OwnPage, location: str) -> str:
    """Wait until an upload is an entry; its id."""
    connection = page.connect()
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        connection.request("GET", f"{location}?wait=2", headers=page.headers)
        said = json.loads(connection.getresponse().read())
        if said.get("entry"):
            connection.close()
            return str(said["entry"])
        if said.get("state") == "failed" or "error" in said:
            break
    raise SystemExit(f"the upload was not added: {said}")


def _put(source: Path, folder: Path) -> Figures:
    with nginx(folder) as server:
        watch = server.watch()
        began = time.perf_counter()
        with socket.create_connection((server.host, server.port), timeout=SECONDS) as link:
            status, _ = send(link, "PUT", "/taken", source, {})
        seconds = time.perf_counter() - began
        watch.note()
        if status != 201:
            raise RivalError(f"nginx answered {status}")
        durable = seconds + sync_seconds(server.served / "taken")
        check_same(source, server.served / "taken")
    cpu = watch.cpu_seconds / (source.stat().st_size / 1e9)
    return {"seconds": seconds, "durable_seconds": durable, "cpu_s_per_gb": cpu}
