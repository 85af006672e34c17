"""Runs a whole swarm on this machine, to look at: a tracker and three peers with their pages.

Everything lies in one folder, removed at the end unless --keep says otherwise. Ctrl-C or SIGTERM
stops every process that was started here, the peers first.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
PEERS = ("nas", "desk", "laptop")
READY_SECONDS = 30
STOP_SECONDS = 10


class SwarmError(Exception):
    """Something did not start or ended early; the message says what, with its last words."""


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """Somebody asked us to stop."""


class Process:
    """One long-lived child. Its output goes to files beside its data."""

    def __init__(self, name: str, log: Path, command: list[str]) -> None:
        self.name = name
        self._log = log
        self._out = log.with_suffix(".out")
        with self._out.open("wb") as out, log.open("wb") as err:
            # A session of its own: Ctrl-C reaches us alone, and we stop the rest in good order.
            self._child = subprocess.Popen(
                command,
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def check(self) -> None:
        """SwarmError if it has ended."""
        code = self._child.poll()
        if code is not None:
            raise SwarmError(f"{self.name} ended by itself with code {code}:\n{self._last_words()}")

    def said(self) -> str:
        """What it has printed so far."""
        return self._out.read_text()

    def ask_to_stop(self) -> None:
        """Send SIGTERM, if it still runs."""
        if self._child.poll() is None:
            self._child.terminate()

    def wait(self) -> None:
        """Wait for its end, and kill it when that takes too long."""
        try:
            self._child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            print(f"{self.name} does not stop; killing it", file=sys.stderr)
            self._child.kill()
            self._child.wait()

    def _last_words(self) -> str:
        lines = (self.said() + self._log.read_text()).splitlines()[-15:]
        return "\n".join(f"    {line}" for line in lines)


class Swarm:
    """The tracker and the peers, and commands to them."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._tracker: Process | None = None
        self._peers: list[Process] = []

    def start(self) -> None:
        """Make the swarm, and bring up everybody."""
        self.command("tracker", "init", "--data", str(self._place / "tracker"), "--name", "demo")
        self._tracker = self._run("tracker", "tracker")
        while "listening" not in self._tracker.said():
            self.look()
            time.sleep(0.05)
        for name in PEERS:
            invite = self.command("tracker", "invite", "--data", str(self._place / "tracker"))
            join = ["join", "-", "--data", str(self._place / name), "--name", name]
            self.command("peer", *join, text=str(invite["invite"]))
            self._peers.append(self._run("peer", name, "--web", "127.0.0.1:0"))
        for name in PEERS:
            self.ask(name, "status", "--wait", str(READY_SECONDS))

    def ask(self, peer: str, *arguments: str) -> dict[str, Any]:
        """One `twofold` command to a peer's daemon; its result."""
        self.look()
        return self.command("peer", *arguments, "--data", str(self._place / peer))

    def command(self, module: str, *arguments: str, text: str = "") -> dict[str, Any]:
        """One command; its result. SwarmError with what it said when it fails."""
        child = subprocess.Popen(
            [sys.executable, "-m", module, *arguments, "--json"],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            out, errors = child.communicate(text)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        result: dict[str, Any] = json.loads(out.splitlines()[-1]) if out.strip() else {}
        if child.returncode != 0:
            said = str(result.get("error", "")) or errors.strip()
            raise SwarmError(f"{module} {arguments[0]}: {said}")
        return result

    def look(self) -> None:
        """SwarmError if a process has ended."""
        for process in (self._tracker, *self._peers):
            if process is not None:
                process.check()

    def stop(self) -> None:
        """Stop what was started: the peers together, then the tracker."""
        for peer in self._peers:
            peer.ask_to_stop()
        for peer in self._peers:
            peer.wait()
        if self._tracker is not None:
            self._tracker.ask_to_stop()
            self._tracker.wait()

    def _run(self, module: str, name: str, *arguments: str) -> Process:
        command = [sys.executable, "-m", module, "run", "--data", str(self._place / name)]
        command += ["--listen", "127.0.0.1:0", *arguments]
        return Process(name, self._place / f"{name}.log", command)


def share(swarm: Swarm, files: list[Path]) -> list[tuple[str, str]]:
    """Add every file, at the peers in turn; who has it and its id."""
    shared = []
    for number, file in enumerate(files):
        peer = PEERS[number % len(PEERS)]
        print(f"{peer} shares {file}", flush=True)
        shared.append((peer, str(swarm.ask(peer, "add", str(file))["id"])))
    return shared


def show_pages(swarm: Swarm) -> None:
    """Print where each peer's page is."""
    print("\nThe pages; each address lets one browser in, once, within ten minutes:")
    for peer in PEERS:
        print(f"  {peer:8}{_login(swarm, peer)}", flush=True)
    print()


def _login(swarm: Swarm, peer: str) -> str:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            return str(swarm.ask(peer, "login")["url"])
        except SwarmError:
            swarm.look()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def await_copies(swarm: Swarm, shared: list[tuple[str, str]]) -> None:
    """Wait until everything has its copies, and print how each entry stands."""
    for peer, entry in shared:
        while True:
            view = swarm.ask(peer, "show", entry)
            copies = view["copies"]
            if copies["have"] >= copies["want"]:
                break
            time.sleep(0.5)
        names = " and ".join(h["peer"] for h in view["holders"] if h["pieces"] == view["pieces"])
        print(f"{view['name']}: {copies['have']} of {copies['want']} copies, on {names}")


def copy_standard_library(place: Path) -> Path:
    """A folder of real files that every machine has, without what was installed into it."""
    source = Path(sysconfig.get_path("stdlib"))
    target = place / source.name
    leave_out = shutil.ignore_patterns("site-packages", "dist-packages", "__pycache__")
    shutil.copytree(source, target, ignore=leave_out, symlinks=True)
    return target


def run(place: Path, files: list[Path]) -> None:
    """Bring up the swarm, share the files, and stay until told to stop."""
    swarm = Swarm(place)
    try:
        print(f"Starting a tracker and the peers {', '.join(PEERS)} in {place}", flush=True)
        swarm.start()
        shared = share(swarm, files or [copy_standard_library(place)])
        show_pages(swarm)
        await_copies(swarm, shared)
        print(f"Commands work too: {_twofold()} ls --data {place / PEERS[0]}")
        print("Everything runs. Press Ctrl-C to stop it.", flush=True)
        while True:
            swarm.look()
            time.sleep(0.5)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        print("\nStopping the peers and the tracker", flush=True)
        swarm.stop()


def _twofold() -> str:
    program = Path(sys.executable).with_name("twofold")
    return os.path.relpath(program) if program.is_relative_to(Path.cwd()) else str(program)


def main() -> int:
    """Read the command line, run, and clean up; the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/run", description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="files and folders to share; by default the Python standard library",
    )
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="DIR",
        default=os.environ.get("TWOFOLD_RUN_DIR") or None,
        help="use this new folder and leave it there at the end (also: TWOFOLD_RUN_DIR)",
    )
    options = parser.parse_args()
    files = [file.absolute() for file in options.files]
    for file in files:
        if not file.exists():
            parser.error(f"{file} does not exist")
    keep = Path(options.keep).absolute() if options.keep else None
    if keep is not None and keep.exists() and any(keep.iterdir()):
        parser.error(f"{keep} is not empty; give a new folder")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    return _run_in(keep, files)


def _run_in(keep: Path | None, files: list[Path]) -> int:
    place = keep or Path(tempfile.mkdtemp(prefix="twofold-"))
    place.mkdir(parents=True, exist_ok=True)
    try:
        run(place, files)
    except Stopped:
        return 0
    except (SwarmError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        if keep is None:
            shutil.rmtree(place, ignore_errors=True)
        else:
            print(f"Kept in {keep}")
    return 0


def _stop(_number: int, _frame: object) -> None:
    raise Stopped


if __name__ == "__main__":
    sys.exit(main())
