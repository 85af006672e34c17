"""Whole swarms for tests: real processes on loopback, real files, everything below one folder.

Nothing here sleeps to be in time: `wait_until` looks again and again until a deadline. Every daemon
is ended by its id when the swarm is closed, and by the kernel should the tests be killed.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil
from processes import COMMAND_SECONDS, Answer, Fields, Running, run_command

from peer.cli.daemon_client import ask_daemon
from peer.errors import UnreachableError
from protocol.messages.operating import GetStatus, Status

_T = TypeVar("_T")

READY_SECONDS = 20
LOG_LINES = 25


@dataclass
class Peer:
    """One machine of the swarm: its data directory, and its daemon while that runs."""

    name: str
    data: Path
    web: str = "off"
    listen: str = "127.0.0.1:0"
    daemon: Running | None = None

    @property
    def content(self) -> Path:
        """Where its store keeps the group's pieces."""
        return self.data / "content"


@dataclass
class Swarm:
    """A tracker and its peers. Use it as a context manager."""

    root: Path
    name: str = "lab"
    database: str = "sqlite:"
    """Where the tracker's is; without a password."""
    peers: dict[str, Peer] = field(default_factory=dict)
    tracker: Running | None = None
    metrics: str = ""
    """Where the tracker tells how it does."""
    _listen: str = "127.0.0.1:0"
    _started: list[Running] = field(default_factory=list)

    def __enter__(self) -> "Swarm":
        try:
            self.tracker_ok("init", "--name", self.name, "--database", self.database)
            self.start_tracker()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill what still runs."""
        for running in self._started:
            running.clear()

    # The tracker

    @property
    def tracker_data(self) -> Path:
        """The tracker's data directory."""
        return self.root / "tracker"

    @property
    def tracker_port(self) -> int:
        """Where the tracker listens on 127.0.0.1."""
        return int(self._listen.rpartition(":")[2])

    def start_tracker(self, *options: str) -> None:
        """Start the tracker: where it was before, if it ran before."""
        where = ("--data", str(self.tracker_data), "--listen", self._listen)
        arguments = ("run", *where, "--metrics", "127.0.0.1:0", "--json", *options)
        running = self.tracker = self._run("tracker", "tracker", *arguments)
        self.wait_until(lambda: running.said() or not running.alive(), "the tracker listens")
        assert running.said(), self.describe()
        self._listen = str(running.said()[0]["listen"])
        self.metrics = str(running.said()[0]["metrics"])

    def kill_tracker(self) -> None:
        """Kill the tracker; `start_tracker` brings it back."""
        assert self.tracker is not None
        self.tracker.kill9()

    def tracker_cli(self, *arguments: str) -> Answer:
        """One `twofold-tracker` command."""
        return run_command("tracker", *arguments, "--data", str(self.tracker_data), "--json")

    def tracker_ok(self, *arguments: str) -> Fields:
        """The same, which must succeed; its result."""
        return self._succeeded(self.tracker_cli(*arguments))

    def invite(self, *arguments: str) -> str:
        """A new invite."""
        return str(self.tracker_ok("invite", *arguments)["invite"])

    # Peers

    def add_peer(self, name: str, *, web: bool = False, capacity: str = "50GiB") -> Peer:
        """A new machine: joined, started, connected."""
        peer = self.join_peer(name, web=web, capacity=capacity)
        self.start(peer)
        return peer

    def add_peers(self, *names: str, capacity: dict[str, str] | None = None) -> list[Peer]:
        """Several new machines at the same time; `capacity` by name, where it is another."""
        offered = capacity or {}
        with ThreadPoolExecutor(len(names)) as pool:
            peers = list(
                pool.map(
                    lambda name: self.join_peer(name, capacity=offered.get(name, "50GiB")), names
                )
            )
        for peer in peers:
            self.start(peer, connected=False)
        with ThreadPoolExecutor(len(names)) as pool:
            wait = ("status", "--wait", str(READY_SECONDS))
            list(pool.map(lambda peer: self.ok(peer, *wait), peers))
        return peers

    def join_peer(self, name: str, *, web: bool = False, capacity: str = "50GiB") -> Peer:
        """A new machine, joined but not started."""
        peer = Peer(name, self.root / name, web="127.0.0.1:0" if web else "off")
        options = ("--name", name, "--capacity", capacity)
        self._succeeded(self.cli(peer, "join", "-", *options, text=self.invite()))
        self.peers[name] = peer
        return peer

    def start(self, peer: Peer, *, connected: bool = True) -> None:
        """Start a peer's daemon, and wait until it is ready."""
        options = ("--data", str(peer.data), "--listen", peer.listen, "--web", peer.web)
        peer.daemon = self._run(peer.name, "peer", "run", *options, "--no-lan", "--json")
        if connected:
            self.ok(peer, "status", "--wait", str(READY_SECONDS))

    def pin(self, *peers: Peer) -> None:
        """Let them listen where they do now after each restart, as machines do."""
        for peer in peers:
            peer.listen = self.ok(peer, "status")["peer"]["listen"]

    def stop(self, peer: Peer) -> int:
        """Stop a peer's daemon in good order; its exit code."""
        assert peer.daemon is not None
        return peer.daemon.stop()

    def kill9(self, peer: Peer) -> None:
        """Kill a peer's daemon."""
        assert peer.daemon is not None
        peer.daemon.kill9()

    def start_again(self, peer: Peer) -> float:
        """Start a killed daemon; seconds until it answers, with or without a tracker."""
        began = time.monotonic()
        self.start(peer, connected=False)
        self.wait_until(lambda: _answers(peer), f"{peer.name} answers")
        return time.monotonic() - began

    def restart(self, peer: Peer) -> None:
        """Stop a peer's daemon if it runs, and start it."""
        self.stop(peer)
        self.start(peer)

    def cli(
        self, peer: Peer, *arguments: str, text: str = "", seconds: float = COMMAND_SECONDS
    ) -> Answer:
        """One `twofold` command on a peer."""
        command = (*arguments, "--data", str(peer.data), "--json")
        return run_command("peer", *command, text=text, seconds=seconds)

    def ok(self, peer: Peer, *arguments: str, seconds: float = COMMAND_SECONDS) -> Fields:
        """The same, which must succeed; its result."""
        return self._succeeded(self.cli(peer, *arguments, seconds=seconds))

    def begin(self, peer: Peer, *arguments: str) -> Running:
        """A `twofold` command left running."""
        command = (*arguments, "--data", str(peer.data), "--json")
        return self._run(f"{peer.name}-{arguments[0]}", "peer", *command)

    def copies(self, peer: Peer, entry: str) -> tuple[int, int]:
        """How many copies an entry has and wants, as a peer sees it."""
        copies = self.ok(peer, "show", entry)["copies"]
        return copies["have"], copies["want"]

    def holders(self, peer: Peer, entry: str) -> dict[str, Fields]:
        """Who holds pieces of an entry, by name, as a peer sees it."""
        return {each["peer"]: each for each in self.ok(peer, "show", entry)["holders"]}

    # Waiting and telling

    def wait_until(
        self, condition: Callable[[], _T], what: str, seconds: float = 20.0, every: float = 0.05
    ) -> _T:
        """Look until `condition` gives something true, and return that."""
        deadline = time.monotonic() + seconds
        while True:
            found = condition()
            if found:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds:.0f} s: {what}; last saw {found!r}")
            time.sleep(every)

    def describe(self) -> str:
        """The ends of all logs."""
        parts = []
        for running in self._started:
            lines = running.errors.read_text(errors="replace").splitlines()[-LOG_LINES:]
            state = "running" if running.alive() else f"ended, {running.process.returncode}"
            parts.append(f"--- {running.errors.stem} ({state})\n" + "\n".join(lines))
        return "\n".join(parts)

    def tracebacks(self) -> list[str]:
        """The logs that have a traceback in them."""
        logs = [running.errors for running in self._started]
        return [f"{log.stem}:\n{log.read_text()}" for log in logs if "Traceback" in log.read_text()]

    def _run(
        self, label: str, module: str, *arguments: str, through: tuple[str, ...] = ()
    ) -> Running:
        running = Running(self.root / "logs", label, module, *arguments, through=through)
        self._started.append(running)
        return running

    def _succeeded(self, answer: Answer) -> Fields:
        assert answer.code == 0, str(answer)
        assert answer.result.get("type") == "result", str(answer)
        return answer.result


@contextmanager
def held_still(*peers: Peer) -> Iterator[None]:
    """Stop peers and their pages as the kernel does, and let them go on afterwards."""
    daemons = [peer.daemon.process.pid for peer in peers if peer.daemon and peer.daemon.alive()]
    pages = [psutil.Process(pid).children(recursive=True) for pid in daemons]
    running = [*daemons, *(process.pid for each in pages for process in each)]
    for pid in running:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in running:
            os.kill(pid, signal.SIGCONT)


def _answers(peer: Peer) -> bool:
    try:
        ask_daemon(peer.data, lambda call: GetStatus(call=call), Status)
    except UnreachableError:
        return False
    return True


def write_random(path: Path, size: int) -> Path:
    """A file that nothing else is like."""
    with path.open("wb") as file:
        while size > 0:
            size -= file.write(os.urandom(min(size, 1 << 22)))
    return path
