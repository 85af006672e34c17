"""The `twofold` command.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not reachable, 5 refused. Every command
prints its result, or one line that says why there is none; never a traceback.
"""

import sys


def main() -> None:
    """Run one command, and exit with its code."""
    # Not above: the daemon's process uses parts of this package, and must stay small.
    from peer.cli.command import run_command
    from peer.cli.endings import leave

    leave(run_command(sys.argv[1:]))
