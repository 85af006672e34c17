"""The `twofold` command.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not reachable, 5 refused. Every command
prints its result, or one line that says why there is none; never a traceback.
"""

import os
import sys

import structlog
from cyclopts import CycloptsError

from peer.cli import entry_commands, machine_commands
from peer.cli.app import app
from peer.cli.output import Printer, start_log
from peer.errors import EXIT_CODES, PeerError
from protocol.drivers.on_trio import ConnectionLostError
from protocol.errors import InvalidTextError, RefusedError, RemoteProtocolError

_BUG = "internal error, please report it"

__all__ = ["app", "entry_commands", "machine_commands", "main", "run_command"]


def main() -> None:
    """Run one command, and exit with its code."""
    code = run_command(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def run_command(arguments: list[str]) -> int:
    """Run one command; its exit code."""
    printer = Printer(as_json="--json" in arguments)
    start_log("warning")
    try:
        code = app(arguments, exit_on_error=False, print_error=False)
    except KeyboardInterrupt:
        return printer.error("interrupted", 1)
    except BrokenPipeError:
        return 1
    except Exception as error:  # bugs included: a person gets one line, the log has the rest
        code, text = explain(error)
        # The daemon's standard error is its log, and a bug there must leave its trace.
        bug = text.startswith(_BUG) and arguments[:1] == ["run"]
        structlog.get_logger().log(40 if bug else 10, "the command failed", exc_info=True)
        return printer.error(text, code)
    return code if isinstance(code, int) else 0


def explain(error: BaseException) -> tuple[int, str]:
    """The exit code and the line for whatever ended a command."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, CycloptsError):
        return 2, str(error)
    if isinstance(error, PeerError):
        return EXIT_CODES[error.kind], str(error)
    if isinstance(error, InvalidTextError):
        return 2, str(error)
    if isinstance(error, RefusedError):
        return 5, str(error)
    if isinstance(error, ConnectionLostError):
        return 4, str(error)
    if isinstance(error, RemoteProtocolError | OSError):
        return 1, str(error)
    return 1, f"{_BUG}: {type(error).__name__}: {error}"
