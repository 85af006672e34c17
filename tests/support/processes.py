"""Processes that the tests start: commands and daemons, their output, and their ends."""

import ctypes
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Fields = dict[str, Any]

COMMAND_SECONDS = 60.0
STOP_SECONDS = 15.0
_CHECKOUT = Path(__file__).parents[2]
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
    """A command or daemon under way. Its output goes to files.

    `through` is a program, with its arguments, that becomes the command.
    """

    def __init__(
        self,
        folder: Path,
        label: str,
        module: str,
        *arguments: str,
        through: tuple[str, ...] = (),
    ) -> None:
        self.command = (module, *arguments)
        self.children: list[int] = []
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.glob(f"{label}-*.err")))
        self._out = folder / f"{label}-{number}.out"
        self.errors = folder / f"{label}-{number}.err"
        with self._out.open("wb") as out, self.errors.open("wb") as err:
            self.process = subprocess.Popen(
                [*through, sys.executable, "-m", *self.command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=_CHECKOUT,
                preexec_fn=_die_with_parent,
            )

    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def said(self) -> tuple[Fields, ...]:
        """Its whole lines so far."""
        text = self._out.read_text()
        return json_lines(text[: text.rfind("\n") + 1])

    def finish(self, seconds: float = COMMAND_SECONDS) -> Answer:
        """Wait for its end."""
        code = self.process.wait(seconds)
        out, errors = self._out.read_text(), self.errors.read_text()
        return Answer(self.command, code, json_lines(out), out, errors)

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
            self.children += [pid for pid in self._children_now() if pid not in self.children]
            self.process.kill()
        self.process.wait(STOP_SECONDS)

    def left_behind(self) -> list[int]:
        """Children (a daemon's page) that still run after `kill9`."""
        return [pid for pid in self.children if _is_module(pid)]

    def clear(self) -> None:
        """Kill it and whatever it has left behind."""
        self.kill9()
        for pid in self.left_behind():
            os.kill(pid, signal.SIGKILL)

    def _children_now(self) -> list[int]:
        lists = Path(f"/proc/{self.process.pid}/task").glob("*/children")  # one for each thread
        return [int(word) for each in lists for word in each.read_text().split()]


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
        cwd=_CHECKOUT,
    )
    lines = json_lines(done.stdout) if "--json" in arguments else ()
    answer = Answer((module, *arguments), done.returncode, lines, done.stdout, done.stderr)
    assert "Traceback" not in answer.out + answer.errors, str(answer)
    return answer


def _is_module(pid: int) -> bool:
    """Whether a process is there and is one of ours, not another that got the number."""
    try:
        return b"\0-m\0" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


def json_lines(text: str) -> tuple[Fields, ...]:
    """The JSON objects in a text, one a line."""
    return tuple(json.loads(line) for line in text.splitlines())


def _die_with_parent() -> None:
    # Linux only; elsewhere closing the swarm must do. Daemons are started by the main thread alone:
    # for the kernel, the parent is the thread.
    if sys.platform == "linux":
        _LIBC.prctl(_DIE_WITH_PARENT, signal.SIGKILL)
