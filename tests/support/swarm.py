"""Whole swarms for tests: real processes on loopback, real files, everything below one folder.

Nothing here sleeps to be in time: `wait_until` looks again and again until a deadline. Every
process is ended by its id when the swarm is closed, and by the kernel should the tests themselves be
killed.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

_T = TypeVar("_T")
Fields = dict[str, Any]

COMMAND_SECONDS = 60.0
READY_SECONDS = 20
STOP_SECONDS = 15.0
LOG_LINES = 25
_DIE_WITH_PARENT = 1
_LIBC = ctypes.CDLL(None)


@dataclass(frozen=True)
class Answer:
    """How one command ended. `result` is its last JSON line."""

    command: tuple[str, ...]
    code: int
    lines: tuple[Fields, ...]
    out: str
    errors: str

    @property
    def result(self) -> Fields:
        """The last line: a result or an error."""
        return self.lines[-1] if self.lines else {}

    def __str__(self) -> str:
        return f"{' '.join(self.command)}: code {self.code}\n{self.out}{self.errors}"


class Running:
    """A command or daemon under way. Its output goes to files."""

    def __init__(self, folder: Path, label: str, module: str, *arguments: str) -> None:
        self.command = (module, *arguments)
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.glob(f"{label}-*.err")))
        self._out = folder / f"{label}-{number}.out"
        self.errors = folder / f"{label}-{number}.err"
        with self._out.open("wb") as out, self.errors.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *self.command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=Path(__file__).parents[2],
                preexec_fn=_die_with_parent,
            )

    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def said(self) -> tuple[Fields, ...]:
        """Its whole lines so far."""
        text = self._out.read_text()
        return _json_lines(text[: text.rfind("\n") + 1])

    def finish(self, seconds: float = COMMAND_SECONDS) -> Answer:
        """Wait for its end."""
        code = self.process.wait(seconds)
        out, errors = self._out.read_text(), self.errors.read_text()
        return Answer(self.command, code, _json_lines(out), out, errors)

    def stop(self) -> int:
        """Ask it to end (SIGTERM), and wait; its exit code."""
        if self.alive():
            self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill9()
            raise AssertionError(f"{self.command} does not stop on SIGTERM") from None

    def kill9(self) -> None:
        """End it at once."""
        if self.alive():
            self.process.kill()
        self.process.wait(STOP_SECONDS)


@dataclass
class Peer:
    """One machine of the swarm: its data directory, and its daemon while that runs."""

    name: str
    data: Path
    web: str = "off"
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
    peers: dict[str, Peer] = field(default_factory=dict)
    tracker: Running | None = None
    _listen: str = "127.0.0.1:0"
    _started: list[Running] = field(default_factory=list)

    def __enter__(self) -> "Swarm":
        try:
            self.tracker_ok("init", "--name", self.name)
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
            running.kill9()

    # The tracker

    @property
    def tracker_data(self) -> Path:
        """The tracker's data directory."""
        return self.root / "tracker"

    @property
    def tracker_port(self) -> int:
        """Where the tracker listens on 127.0.0.1."""
        return int(self._listen.rpartition(":")[2])

    def start_tracker(self) -> None:
        """Start the tracker: where it was before, if it ran before."""
        data = str(self.tracker_data)
        arguments = ("run", "--data", data, "--listen", self._listen, "--json")
        running = self.tracker = self._run("tracker", "tracker", *arguments)
        self.wait_until(lambda: running.said() or not running.alive(), "the tracker listens")
        assert running.said(), self.describe()
        self._listen = str(running.said()[0]["listen"])

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

    def join_peer(self, name: str, *, web: bool = False, capacity: str = "50GiB") -> Peer:
        """A new machine, joined but not started."""
        peer = Peer(name, self.root / name, web="127.0.0.1:0" if web else "off")
        options = ("--name", name, "--capacity", capacity)
        self._succeeded(self.cli(peer, "join", "-", *options, text=self.invite()))
        self.peers[name] = peer
        return peer

    def start(self, peer: Peer, *, connected: bool = True) -> None:
        """Start a peer's daemon, and wait until it is ready."""
        options = ("--data", str(peer.data), "--listen", "127.0.0.1:0", "--web", peer.web, "--json")
        peer.daemon = self._run(peer.name, "peer", "run", *options)
        if connected:
            self.ok(peer, "status", "--wait", str(READY_SECONDS))

    def stop(self, peer: Peer) -> int:
        """Stop a peer's daemon in good order; its exit code."""
        assert peer.daemon is not None
        return peer.daemon.stop()

    def kill9(self, peer: Peer) -> None:
        """Kill a peer's daemon."""
        assert peer.daemon is not None
        peer.daemon.kill9()

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

    def wait_until(self, condition: Callable[[], _T], what: str, seconds: float = 20.0) -> _T:
        """Look until `condition` gives something true, and return that."""
        deadline = time.monotonic() + seconds
        while True:
            found = condition()
            if found:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds:.0f} s: {what}; last saw {found!r}")
            time.sleep(0.05)

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

    def _run(self, label: str, module: str, *arguments: str) -> Running:
        running = Running(self.root / "logs", label, module, *arguments)
        self._started.append(running)
        return running

    def _succeeded(self, answer: Answer) -> Fields:
        assert answer.code == 0, str(answer)
        assert answer.result.get("type") == "result", str(answer)
        return answer.result


def run_command(
    module: str, *arguments: str, text: str = "", seconds: float = COMMAND_SECONDS
) -> Answer:
    """Run one command to its end. Never may it show a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=seconds,
        cwd=Path(__file__).parents[2],
        preexec_fn=_die_with_parent,
    )
    lines = _json_lines(done.stdout) if "--json" in arguments else ()
    answer = Answer((module, *arguments), done.returncode, lines, done.stdout, done.stderr)
    assert "Traceback" not in answer.out + answer.errors, str(answer)
    return answer


def write_random(path: Path, size: int) -> Path:
    """A file that nothing else is like."""
    with path.open("wb") as file:
        while size > 0:
            size -= file.write(os.urandom(min(size, 1 << 22)))
    return path


def _json_lines(text: str) -> tuple[Fields, ...]:
    return tuple(json.loads(line) for line in text.splitlines())


def _die_with_parent() -> None:
    # Linux only; elsewhere closing the swarm must do.
    if sys.platform == "linux":
        _LIBC.prctl(_DIE_WITH_PARENT, signal.SIGKILL)
