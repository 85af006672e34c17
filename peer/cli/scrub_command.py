"""The command that makes the daemon scrub now."""

from peer.cli.app import COMMON, Common, app
from peer.cli.daemon_client import ask_daemon
from protocol.messages.base import Done
from protocol.messages.scrubbing import Scrub


@app.command
def scrub(*, common: Common = COMMON) -> None:
    """Begin now to read everything held in the background; 'twofold status' tells what it found."""
    printer = common.printer()
    ask_daemon(common.path, lambda call: Scrub(call=call), Done)
    printer.result({}, "the scrub has begun; see 'twofold status'")
