"""Machines on one network find each other by real multicast, each in a namespace of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from namespaces import ip, move, two_machines
from processes import Fields, json_lines
from swarm import write_random

pytestmark = pytest.mark.swarm

SIZE = 3_000_000
CHECKOUT = Path(__file__).parents[2]
_LISTEN = """
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
s.bind(("", 5353))
group = socket.inet_aton("224.0.0.251") + socket.inet_aton("10.91.0.2")
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
print("ready", flush=True)
while True:
    sys.stdout.buffer.write(s.recv(9000) + b"\\n")
    sys.stdout.buffer.flush()
"""


class Lan:
    """A tracker at 10.91.0.1, and two peers."""

    def __init__(self, root: Path, namespaces: tuple[str, str]) -> None:
        self.root = root
        self.namespaces = dict(zip(("a", "b"), namespaces, strict=True))
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, where: str, log: str, *command: str) -> "subprocess.Popen[bytes]":
        """A process left running in a namespace."""
        with (self.root / log).open("ab") as out:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespaces[where], sys.executable, *command],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                cwd=CHECKOUT,
            )
        self.running.append(process)
        return process

    def stop(self, process: "subprocess.Popen[bytes]", number: int = signal.SIGTERM) -> None:
        """End one of them."""
        process.send_signal(number)
        process.wait(15)
        self.running.remove(process)

    def ask(self, where: str, *command: str, text: str = "") -> Fields:
        """The result of a command that must succeed."""
        done = subprocess.run(
            [
                "ip",
                "netns",
                "exec",
                self.namespaces[where],
                sys.executable,
                "-m",
                *command,
                "--json",
            ],
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=CHECKOUT,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}{self.logs()}"
        return json_lines(done.stdout)[-1]

    def twofold(self, where: str, *command: str) -> Fields:
        """A `twofold` command of a peer."""
        return self.ask(where, "peer", *command, "--data", str(self.root / where))

    def run_peer(self, where: str, *options: str) -> "subprocess.Popen[bytes]":
        """Start a peer's daemon, on a port of its own each time."""
        data = str(self.root / where)
        command = ("run", "--data", data, "--listen", "0.0.0.0:0", "--web", "off", *options)
        process = self.start(where, f"{where}.log", "-m", "peer", *command)
        self.wait_until(lambda: (self.root / where / "operator.json").exists(), "it listens")
        return process

    def wait_until(self, condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what}\n{self.logs()}"
            time.sleep(0.1)

    def logs(self) -> str:
        return "\n".join(
            f"--- {log.name}\n{log.read_text(errors='replace')}" for log in self.root.glob("*.log")
        )

    def close(self) -> None:
        for process in self.running:
            process.kill()
            process.wait(15)


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[Lan]:
    """Two machines that have joined, and the tracker running."""
    with two_machines() as namespaces:
        lan = Lan(tmp_path, namespaces)
        try:
            data = str(tmp_path / "tracker")
            public = ("--public", "10.91.0.1:4100")
            lan.ask("a", "tracker", "init", "--data", data, "--name", "lab", *public)
            run = ("run", "--data", data, "--listen", "0.0.0.0:4100")
            lan.start("a", "tracker.log", "-m", "tracker", *run)
            lan.wait_until(lambda: (tmp_path / "tracker" / "operator.json").exists(), "a tracker")
            for where in ("a", "b"):
                invite = lan.ask("a", "tracker", "invite", "--data", data)["invite"]
                options = ("--data", str(tmp_path / where), "--name", f"machine-{where}")
                lan.ask(where, "peer", "join", "-", *options, text=str(invite))
            yield lan
        finally:
            lan.close()


def near(lan: Lan, where: str) -> list[str]:
    found = lan.twofold(where, "limit")["near"]
    assert isinstance(found, list)
    return found


def test_two_machines_find_each_other_with_the_tracker_dead(lan: Lan, tmp_path: Path) -> None:
    """Both have moved since they last heard of each other: only multicast can tell where to."""
    a, b = lan.run_peer("a"), lan.run_peer("b")
    for where in ("a", "b"):
        lan.twofold(where, "status", "--wait", "20")
    film = write_random(tmp_path / "film", SIZE)
    entry = lan.twofold("a", "add", str(film), "--wait")
    lan.stop(a)
    lan.stop(b)
    (tracker,) = lan.running
    lan.stop(tracker)
    move(lan.namespaces["a"], "10.91.0.1", "10.91.0.11")
    move(lan.namespaces["b"], "10.91.0.2", "10.91.0.12")
    lan.run_peer("a")
    lan.run_peer("b")
    song = write_random(tmp_path / "song", SIZE)
    lan.twofold("a", "add", str(song))
    lan.wait_until(lambda: near(lan, "a") == ["machine-b"], "a has found b")
    lan.wait_until(lambda: near(lan, "b") == ["machine-a"], "b has found a")
    known = lan.twofold("b", "show", str(entry["id"]))
    assert known["copies"]["want"] == 2
    lan.wait_until(
        lambda: lan.twofold("b", "status")["store"]["bytes"] >= 2 * SIZE, "b has the song too"
    )


def test_discovery_can_be_switched_off(lan: Lan) -> None:
    """By option, and by the settings while running."""
    lan.run_peer("a")
    b = lan.run_peer("b", "--no-lan")
    for where in ("a", "b"):
        lan.twofold(where, "status", "--wait", "20")
    time.sleep(2)
    assert near(lan, "a") == near(lan, "b") == []
    assert "LAN discovery" not in (lan.root / "b.log").read_text()
    lan.stop(b)
    b = lan.run_peer("b")
    lan.wait_until(lambda: "found on this network" in (lan.root / "a.log").read_text(), "a found b")
    settings = lan.root / "b" / "settings.toml"
    settings.write_text("[lan]\ndiscover = false\n")
    b.send_signal(signal.SIGHUP)
    lan.wait_until(lambda: "settings read" in (lan.root / "b.log").read_text(), "b has read them")
    lan.wait_until(lambda: near(lan, "a") == [], "b has said goodbye")


def test_a_stranger_on_the_network_learns_nothing(lan: Lan) -> None:
    listener = lan.start("b", "heard.log", "-c", _LISTEN)
    heard = lan.root / "heard.log"
    lan.wait_until(lambda: b"ready" in heard.read_bytes(), "it listens")
    lan.run_peer("a")
    lan.run_peer("b")
    lan.wait_until(lambda: "found on this network" in (lan.root / "b.log").read_text(), "b found a")
    lan.stop(listener)
    packets = heard.read_bytes()
    assert b"_twofold" in packets
    status = [lan.twofold(where, "status") for where in ("a", "b")]
    secrets = [
        socket.gethostname(),
        "machine-",
        "lab",
        *(str(each["peer"]["id"]) for each in status),
    ]
    for secret in secrets:
        assert secret.encode() not in packets
    for each in status:
        assert bytes.fromhex(str(each["peer"]["id"])) not in packets
    assert os.environ.get("USER", "no user of this name").encode() not in packets


def test_namespaces_are_gone() -> None:
    """Of this process: other runs on this machine may have their own."""
    assert f"twofold-{os.getpid()}-" not in ip("netns", "list")
