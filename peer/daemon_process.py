"""The daemon's own process: `twofold run` becomes this when it has understood its command line.

The libraries of the command line would stay in memory for as long as the daemon runs. The process
keeps its id, its files and whatever supervises it.
"""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from peer.cli.output import LogLevel, Printer
    from peer.daemon import DaemonConfig

_ROOT = str(Path(__file__).resolve().parents[1])


def become_daemon(config: "DaemonConfig", level: "LogLevel", *, as_json: bool) -> None:
    """Replace this process. Comes back only by raising OSError."""
    import msgspec

    told = {
        "config": msgspec.to_builtins(config, enc_hook=str),
        "level": level,
        "as_json": as_json,
    }
    sys.stdout.flush()
    sys.stderr.flush()
    # -P: what lies in the folder it was started in must not be imported instead of ours.
    os.execv(sys.executable, [sys.executable, "-P", __file__, json.dumps(told)])


def main() -> None:
    """Run the daemon to its end, and exit with its code."""
    if _ROOT not in sys.path:
        # A checkout that is not installed, or another than the one that is.
        sys.path.insert(0, _ROOT)
    from peer.lean import leave_out

    leave_out()
    import msgspec

    from peer.cli.endings import ended, leave
    from peer.cli.output import Printer, start_log
    from peer.daemon import DaemonConfig

    told = json.loads(sys.argv[1])
    start_log(told["level"])
    config = msgspec.convert(told["config"], DaemonConfig, dec_hook=lambda kind, text: kind(text))
    printer = Printer(as_json=told["as_json"])
    leave(ended(lambda: _run(config, printer), printer, log_bugs=True))


def _run(config: "DaemonConfig", printer: "Printer") -> None:
    import trio

    from peer.daemon import Daemon

    def say(kind: str, fields: dict[str, object]) -> None:
        if printer.as_json:
            printer.line(kind, fields)
        elif kind == "web":
            print(f"page: {fields['url']}\nfirst visit: {fields['login']}", flush=True)
            printer.qr_code(str(fields["elsewhere"]))
        else:
            print(f"{fields['peer']} listening on {fields['listen']}", flush=True)

    daemon = Daemon(config, say)
    trio.run(daemon.run)
    printer.result({}, "")


if __name__ == "__main__":
    main()
