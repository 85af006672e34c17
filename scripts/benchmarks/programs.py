"""Programs that a measure starts: each ended by its id, its output in a file for when it fails."""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.footprint import Account, family, has_ended
from benchmarks.places import Place, inside
from benchmarks.rounds import RivalError

STOP_SECONDS = 10.0
RUN_SECONDS = 900.0
_DIE_WITH_PARENT = 1
_LOOK_EVERY = 0.01
_LIBC = ctypes.CDLL(None)


class Program:
    """A program under way. Use it as a context manager: it has ended afterwards."""

    def __init__(
        self,
        command: Sequence[str | Path],
        folder: Path,
        place: Place | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.began = time.perf_counter()
        self._name = Path(command[0]).name
        self._log = folder / f"{self._name}.log"
        with self._log.open("ab") as log, inside(place or Place("")):
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=folder,
                env={**os.environ, "HOME": str(folder), **(environment or {})},
                preexec_fn=_die_with_parent,
            )
        self.account = Account(self.process.pid)
        self._said = b""

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def read_line(self, seconds: float = RUN_SECONDS) -> str:
        """The next line it prints; RivalError when it ends instead, or takes too long."""
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        deadline = time.monotonic() + seconds
        while b"\n" not in self._said:
            left = max(0.0, deadline - time.monotonic())
            ready = select.select([descriptor], [], [], left)[0]
            got = os.read(descriptor, 1 << 16) if ready else b""
            if not got:
                raise self.failure("ended" if ready else f"said nothing for {seconds:.0f} s")
            self._said += got
        line, _, self._said = self._said.partition(b"\n")
        return line.decode()

    def finish(self, seconds: float = RUN_SECONDS) -> float:
        """Wait for its end, watching what it uses; the seconds since it was started.

        RivalError when it fails or takes too long.
        """
        pid = self.process.pid
        ended = os.pidfd_open(pid)
        try:
            while not has_ended(pid):
                self.account.note()
                select.select([ended], [], [], _LOOK_EVERY)
                if time.perf_counter() - self.began > seconds:
                    raise self.failure(f"runs for over {seconds:.0f} s")
            took = time.perf_counter() - self.began
        finally:
            os.close(ended)
        self.account.note()
        if self.process.wait():
            raise self.failure(f"ended with code {self.process.returncode}")
        return took

    def failure(self, what: str) -> RivalError:
        """An error that tells the end of its log too."""
        log = self._log.read_text(errors="replace")[-300:] if self._log.exists() else ""
        return RivalError(f"{self._name} {what}: {log.strip()}")

    def stop(self) -> None:
        """End it if it runs: in good order, or else it and all below it at once."""
        below = family(self.process.pid)
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            for pid in below:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait(STOP_SECONDS)


def wait_for_file(path: Path, program: Program, seconds: float = RUN_SECONDS) -> float:
    """Wait until a running program has made a file; the seconds since it was started."""
    while not path.exists():
        took = time.perf_counter() - program.began
        if has_ended(program.process.pid):
            raise program.failure("ended")
        if took > seconds:
            raise program.failure(f"is not done after {seconds:.0f} s")
        time.sleep(_LOOK_EVERY / 2)
    return time.perf_counter() - program.began


def _die_with_parent() -> None:
    _LIBC.prctl(_DIE_WITH_PARENT, signal.SIGKILL)
