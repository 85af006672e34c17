"""iperf3: what one plain TCP connection gets of a link."""

import json
import subprocess
from pathlib import Path

from benchmarks.needs import program
from benchmarks.places import Ends, free_port, inside, wait_for_port
from benchmarks.programs import Program
from benchmarks.rounds import Figures, RivalError

NEEDS = ("iperf3",)
_SECONDS = 900


def transfer(size: int, ends: Ends, folder: Path) -> Figures:
    """Seconds that `size` bytes take from the sender to the taker."""
    place, port = ends.sender, free_port(ends.sender)
    serve = [program("iperf3"), "-s", "-B", place.address, "-p", str(port)]
    with Program(serve, folder, place):
        wait_for_port(place, port)
        # -R: the server sends, as the others' server does.
        options = ["-c", place.address, "-p", str(port), "-R", "-J", "-n", str(size)]
        with inside(ends.taker):
            done = subprocess.run(
                [program("iperf3"), *options], capture_output=True, text=True, timeout=_SECONDS
            )
    answer = json.loads(done.stdout or "{}")
    if done.returncode or "sum_received" not in answer.get("end", {}):
        raise RivalError(f"iperf3 failed: {answer.get('error', done.stderr)}")
    received = answer["end"]["sum_received"]
    return {"seconds": received["seconds"] * size / received["bytes"]}
