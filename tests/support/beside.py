"""One more tracker of a swarm of real processes, on the same PostgreSQL."""

import shutil
import socket
from dataclasses import dataclass, field
from pathlib import Path

from processes import Answer, Fields, Running, run_command
from swarm import Swarm


@dataclass
class Beside:
    """A second tracker: set up as `docs/operations.md` says."""

    swarm: Swarm
    name: str = "beside"
    port: int = field(default_factory=lambda: _free_port())
    running: Running | None = None

    @property
    def data(self) -> Path:
        """Its data directory."""
        return self.swarm.root / self.name

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    def set_up(self) -> Answer:
        """Copy the keys, and make it."""
        self.data.mkdir(mode=0o700)
        for key in ("swarm.key", "identity.key"):
            shutil.copy2(self.swarm.tracker_data / key, self.data / key)
        return self.cli("beside", "--public", self.address, "--database", self.swarm.database)

    def start(self) -> None:
        """Run it."""
        where = ("--data", str(self.data), "--listen", self.address)
        arguments = ("run", *where, "--metrics", "127.0.0.1:0", "--json")
        running = self.running = self.swarm._run(self.name, "tracker", *arguments)
        self.swarm.wait_until(lambda: running.said() or not running.alive(), "it listens")
        assert running.said(), self.swarm.describe()

    def kill(self) -> None:
        """Kill it."""
        assert self.running is not None
        self.running.kill9()

    def cli(self, *arguments: str) -> Answer:
        """One `twofold-tracker` command of its own."""
        return run_command("tracker", *arguments, "--data", str(self.data), "--json")

    def ok(self, *arguments: str) -> Fields:
        """The same, which must succeed; its result."""
        answer = self.cli(*arguments)
        assert answer.code == 0, str(answer)
        return answer.result


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
