"""Commands about this machine as a member: capacity, drain, leave. Thin."""

import sys
from typing import Annotated

from cyclopts import Parameter

from peer.cli.app import COMMON, Common, app, fields_of
from peer.cli.daemon_client import ask_daemon
from peer.errors import UsageError
from peer.units import parse_size
from peer.words import bytes_text, counted
from protocol.messages.base import Done
from protocol.messages.standing import Drain, Leave, Left, OfferRoom, RoomOffered

_Flag = Annotated[bool, Parameter(negative="")]
_MOST = 1 << 62


@app.command
def capacity(size: str, /, *, common: Common = COMMON) -> None:
    """Change how much this machine offers for the group's pieces.

    Parameters
    ----------
    size
        500GiB, 2TB; 0 keeps none. Of the disk, 2% and at least 1 GiB stay free in any case.
    """
    printer = common.printer()
    wanted = parse_size(size)
    if wanted > _MOST:
        raise UsageError(f"{size!r} is more than any machine has")
    told = ask_daemon(
        common.path, lambda call: OfferRoom(call=call, capacity=wanted), RoomOffered
    ).told
    text = f"this machine offers {bytes_text(wanted)} now"
    if not told:
        text += "; the others hear of it when the tracker is back"
    printer.result({"capacity": wanted, "told": told}, text)


@app.command
def drain(*, stop: _Flag = False, common: Common = COMMON) -> None:
    """Take no new pieces, and go on keeping and serving what is here.

    Parameters
    ----------
    stop
        Take pieces again.
    """
    printer = common.printer()
    ask_daemon(common.path, lambda call: Drain(call=call, on=not stop), Done)
    text = "takes pieces again" if stop else "takes no new pieces; to undo: twofold drain --stop"
    printer.result({"draining": not stop}, f"this machine {text}")


@app.command
def leave(
    *,
    keep_data: _Flag = False,
    force: _Flag = False,
    cancel: _Flag = False,
    yes: _Flag = False,
    common: Common = COMMON,
) -> None:
    """Leave the swarm, when everything this machine holds is held elsewhere.

    Interrupted, it goes on moving; the same command then waits for the rest.

    Parameters
    ----------
    keep_data
        Leave what is stored on the disk. Files that were shared or fetched always stay.
    force
        Wait at most 100 s, for what was promised, and give up what exists only here.
    cancel
        Stay after all.
    yes
        Do not ask.
    """
    printer = common.printer()
    if cancel:
        if force or keep_data:
            raise UsageError("--cancel goes alone")
        ask_daemon(common.path, lambda call: Leave(call=call, cancel=True), Done)
        printer.result({"leaving": False}, "this machine stays")
        return
    if not yes and not _is_sure(keep_data=keep_data):
        raise UsageError("not leaving; say yes, or give --yes")
    with printer.progress() as progress:
        left = ask_daemon(
            common.path,
            lambda call: Leave(call=call, force=force, keep=keep_data),
            Left,
            progress.show,
        )
    printer.result(fields_of(left), _farewell(left))


def _is_sure(*, keep_data: bool) -> bool:
    if not sys.stdin.isatty():
        return False
    stored = "stays on the disk" if keep_data else "is deleted here"
    print(
        "This machine will leave the swarm once all it holds is held elsewhere. What it stored for "
        f"the swarm {stored}; files you shared or fetched stay.",
        file=sys.stderr,
    )
    return input("Leave? [y/N] ").strip().lower() in ("y", "yes")


def _farewell(left: Left) -> str:
    lines = [f"left the swarm; {counted(left.entries, 'entry', 'entries')} were here"]
    if left.fewer:
        few = counted(left.fewer, "entry has", "entries have")
        lines.append(f"{few} fewer copies elsewhere than wanted: there was no room for more")
    if left.lost:
        lines.append(f"{counted(left.lost, 'entry', 'entries')} existed only here")
    return "\n".join(lines)
