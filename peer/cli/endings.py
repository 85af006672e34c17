"""How a command ends: its exit code, and the one line that says why."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from peer.cli.output import Printer, log_trace
from peer.errors import EXIT_CODES, PeerError
from protocol.errors import InvalidTextError, RefusedError, RemoteProtocolError

_BUG = "internal error, please report it"


def ended(
    work: Callable[[], object],
    printer: Printer,
    *,
    log_bugs: bool = False,
    wrong_usage: type[Exception] | None = None,
) -> int:
    """Do it all, and tell how it ended; `log_bugs` leaves the trace of a bug in the log."""
    try:
        code = work()
    except KeyboardInterrupt:
        return printer.error("interrupted", 1)
    except BrokenPipeError:
        return 1
    except Exception as error:  # bugs included: a person gets one line, the log has the rest
        code, text = explain(error, wrong_usage)
        log_trace("the command failed", bug=log_bugs and text.startswith(_BUG))
        return printer.error(text, code)
    return code if isinstance(code, int) else 0


def leave(code: int) -> NoReturn:
    """End the process, also when nobody reads what it prints."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def explain(error: BaseException, wrong_usage: type[Exception] | None = None) -> tuple[int, str]:
    """The exit code and the line for whatever ended a command."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if wrong_usage is not None and isinstance(error, wrong_usage):
        return 2, str(error)
    if isinstance(error, PeerError):
        return EXIT_CODES[error.kind], str(error)
    if isinstance(error, InvalidTextError):
        return 2, str(error)
    if isinstance(error, RefusedError):
        return 5, str(error)
    if _is_loss(error):
        return 4, str(error)
    if isinstance(error, RemoteProtocolError | OSError):
        return 1, str(error)
    return 1, f"{_BUG}: {type(error).__name__}: {error}"


def _is_loss(error: BaseException) -> bool:
    # Heavy, and most commands have no event loop.
    from protocol.drivers.on_trio import ConnectionLostError

    return isinstance(error, ConnectionLostError)
