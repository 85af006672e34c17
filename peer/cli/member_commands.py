"""Commands for admins about who is in the swarm: invite, members, revoke, zone. Thin."""

from peer.cli.app import COMMON, Common, app
from peer.cli.daemon_client import ask_daemon
from peer.cli.output import shown
from peer.errors import UsageError
from peer.words import moment_text
from protocol.durations import parse_duration
from protocol.messages.base import Done
from protocol.messages.tracking import (
    CreateInvite,
    GetMembers,
    Invited,
    Members,
    Revoke,
    Revoked,
    SetZone,
)

MOST_ZONE = 64
MOST_TARGET = 255


@app.command
def invite(*, expires: str = "24h", zone: str = "", common: Common = COMMON) -> None:
    """Make an invite, as an admin: one machine may join with it, once.

    Parameters
    ----------
    expires
        For how long it is good: 30s, 15m, 24h, 7d.
    zone
        What the machine shares its fate with (a room, an owner), unless it says otherwise itself.
    """
    printer = common.printer()
    seconds = parse_duration(expires)
    made = ask_daemon(
        common.path,
        lambda call: CreateInvite(call=call, expires=seconds, zone=_zone(zone)),
        Invited,
    )
    fields: dict[str, object] = {"invite": made.invite, "id": made.id, "expires": made.expires}
    printer.result(fields, made.invite)


@app.command
def invites(*, common: Common = COMMON) -> None:
    """List the invites that were made, as an admin."""
    printer = common.printer()
    found = ask_daemon(common.path, lambda call: GetMembers(call=call), Members).invites
    printer.table(
        ("ID", "STATE", "ZONE", "EXPIRES"),
        [(each.id, each.state, shown(each.zone), moment_text(each.expires)) for each in found],
    )
    listed = [
        {"id": each.id, "zone": each.zone, "expires": each.expires, "state": each.state}
        for each in found
    ]
    printer.result({"invites": listed}, "")


@app.command
def revoke(target: str, /, *, common: Common = COMMON) -> None:
    """Shut a machine out for good, or make an invite worthless, as an admin.

    Parameters
    ----------
    target
        The name of a machine, or the beginning (6 digits at least) of its id or an invite's.
    """
    printer = common.printer()
    done = ask_daemon(common.path, lambda call: Revoke(call=call, target=_target(target)), Revoked)
    fields: dict[str, object] = {"what": done.what, "name": done.name, "id": done.id}
    printer.result(fields, f"revoked {done.what} {shown(done.name or done.id)}")


@app.command
def zone(target: str, label: str, /, *, common: Common = COMMON) -> None:
    """Say what a machine shares its fate with, as an admin: copies are kept in different zones.

    Parameters
    ----------
    target
        The name of a machine, or the beginning (6 digits at least) of its id.
    label
        A room, a disk, an owner; '' for a zone of its own.
    """
    printer = common.printer()
    ask_daemon(
        common.path,
        lambda call: SetZone(call=call, target=_target(target), zone=_zone(label)),
        Done,
    )
    where = f"zone {label!r}" if label.strip() else "a zone of its own"
    printer.result({"name": target, "zone": label}, f"{shown(target)} is in {where} now")


def _zone(text: str) -> str:
    if len(text) > MOST_ZONE:
        raise UsageError(f"a zone has at most {MOST_ZONE} characters")
    return text


def _target(text: str) -> str:
    if not 1 <= len(text) <= MOST_TARGET:
        raise UsageError("give the name of a machine, or the beginning of an id")
    return text
