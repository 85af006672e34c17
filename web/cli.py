"""The command `twofold-web`: options in, exit code out.

Codes: 0 done, 1 failed, 2 wrong usage, 4 no daemon. Logs go to stderr; stdout carries the one line
that says where the page is, or with --json the error.
"""

import asyncio
import logging
import sys
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import msgspec
import platformdirs
import structlog
from cyclopts import App, CycloptsError, Parameter

from protocol.address import Address
from protocol.errors import InvalidTextError
from web.daemon import DaemonUnreachableError
from web.process import CannotListenError, Settings, serve

FAILED, WRONG_USAGE, NOT_REACHABLE = 1, 2, 4
Level = Literal["debug", "info", "warning", "error"]

app = App(name="twofold-web", help="Serve the page of the Twofold daemon of a data directory.")


@app.default
def run(
    *,
    data: Annotated[Path | None, Parameter(env_var="TWOFOLD_DATA")] = None,
    listen: str = "127.0.0.1:0",
    allow_host: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    supervised: Annotated[bool, Parameter(negative=())] = False,
    json: Annotated[bool, Parameter(negative=())] = False,
    log_level: Level = "info",
) -> None:
    """Serve the page of the Twofold daemon of a data directory.

    Normally the daemon starts this by itself; see `twofold run --web`.

    Parameters
    ----------
    data
        The daemon's data directory.
    listen
        Where to listen, as HOST:PORT; port 0 takes a free one.
    allow_host
        A further name under which the page may be visited, as NAME or NAME:PORT; may be repeated.
    supervised
        End when standard input ends.
    json
        Tell an error as JSON on standard output.
    log_level
        How much to log on standard error.
    """
    _log_to_stderr(log_level)
    try:
        settings = Settings(
            data=data or platformdirs.user_data_path("twofold"),
            listen=Address.parse(listen),
            allow_hosts=tuple(Address.parse(name, default_port=0) for name in allow_host),
            supervised=supervised,
        )
        asyncio.run(serve(settings))
    except InvalidTextError as error:
        _end(WRONG_USAGE, str(error), json=json)
    except DaemonUnreachableError as error:
        _end(NOT_REACHABLE, str(error), json=json)
    except CannotListenError as error:
        _end(FAILED, str(error), json=json)
    except OSError as error:
        _end(FAILED, f"{error.filename or 'the system'}: {error.strerror}", json=json)
    except Exception:
        structlog.get_logger().exception("bug in twofold-web")
        _end(FAILED, "something went wrong; the log says what", json=json)


def main() -> None:
    """The console script."""
    try:
        app(exit_on_error=False, print_error=False)
    except CycloptsError as error:
        _end(WRONG_USAGE, str(error), json="--json" in sys.argv)


def _end(code: int, text: str, *, json: bool) -> NoReturn:
    if json:
        document = {"type": "error", "error": text, "code": code}
        print(msgspec.json.encode(document).decode(), flush=True)
    else:
        print(f"error: {text}", file=sys.stderr)
    sys.exit(code)


def _log_to_stderr(level: Level) -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
