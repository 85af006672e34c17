"""The command that gives up this machine's copy of an entry."""

from typing import Annotated

from cyclopts import Parameter

from peer.cli.app import COMMON, Common, app, fields_of
from peer.cli.daemon_client import ask_daemon
from peer.cli.output import shown
from peer.words import bytes_text
from protocol.messages.base import Done
from protocol.messages.standing import Drop, Dropped

_Flag = Annotated[bool, Parameter(negative="")]


@app.command
def drop(entry: str, /, *, cancel: _Flag = False, common: Common = COMMON) -> None:
    """Give up this machine's copy of an entry, once enough others hold it. For all others it stays.

    Interrupted, it goes on; the same command then waits for the rest. Files you shared or fetched
    stay where they are. It comes back when you add or get it again.

    Parameters
    ----------
    entry
        Its link, its id, or the beginning of its id.
    cancel
        Keep it after all, or take it back where the others place it here.
    """
    printer = common.printer()
    if cancel:
        ask_daemon(common.path, lambda call: Drop(call=call, entry=entry, cancel=True), Done)
        printer.result({"dropped": False}, "it may stay here, or come back")
        return
    with printer.progress() as progress:
        dropped = ask_daemon(
            common.path, lambda call: Drop(call=call, entry=entry), Dropped, progress.show
        )
    printer.result(fields_of(dropped), _text(dropped))


def _text(dropped: Dropped) -> str:
    name = shown(dropped.name)
    if dropped.path is not None:
        return f"dropped {name}; {shown(dropped.path)} stays, and is not shared from here any more"
    if not dropped.size:
        return f"nothing of {name} is here, and nothing will come unless you get it"
    return f"dropped {name}, {bytes_text(dropped.size)}; others keep it"
