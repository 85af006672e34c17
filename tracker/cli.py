"""The `twofold-tracker` command.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not reachable, 5 refused. Every command
prints its result, or one line that says why there is none; never a traceback.
"""

import sys
from typing import Annotated, Literal

import msgspec
import structlog
import trio
from cyclopts import App, CycloptsError, Parameter
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from protocol.address import Address
from protocol.drivers.on_trio import ConnectionLostError
from protocol.errors import InvalidTextError, ProtocolError, RefusedError
from protocol.messages.base import Reply
from protocol.messages.deleting import BurstDecided, Bursts, DecideBurst, GetBursts, SetAdmin
from protocol.messages.tracking import (
    CreateInvite,
    GetMembers,
    Invited,
    Members,
    Revoke,
    Revoked,
    SetGrace,
    SetZone,
)
from tracker import swarm, tending_commands
from tracker.beside import beside
from tracker.command import COMMON, Common, asked, seconds_in
from tracker.daemon import run_tracker
from tracker.database import open_database
from tracker.errors import DataDirectoryError, RequestFailedError, UsageError
from tracker.keeping import backup, migrate, restore
from tracker.limits import parse_rates
from tracker.options import Options
from tracker.output import Printer, moment, start_log
from tracker.tracker import wall_clock
from tracker.version import program_version

FAILED, USAGE, NOT_FOUND, UNREACHABLE, REFUSED = 1, 2, 3, 4, 5
_CODES = {
    "not_found": NOT_FOUND,
    "unreachable": UNREACHABLE,
    "refused": REFUSED,
    "invalid": FAILED,
    "failed": FAILED,
    "busy": UNREACHABLE,
}
_MAX_ZONE = 64
_MAX_TARGET = 255

app = App(
    name="twofold-tracker",
    help="The tracker of a Twofold swarm: who is here, who holds what, what exists.",
    help_epilogue=(
        "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not reachable, 5 refused."
    ),
    version=program_version(),
    result_action="return_value",
)
settings = App(name="set", help="Change a setting of the swarm.")
app.command(settings)
app.command(beside)
app.command(backup)
app.command(restore)
app.command(migrate)
app.command(tending_commands.status)
app.command(tending_commands.audit)


@app.command
def init(*, name: str, public: str | None = None, common: Common = COMMON) -> None:
    """Make a new swarm: its key, the tracker's identity and the database.

    Parameters
    ----------
    name
        What the swarm is called.
    public
        HOST:PORT under which machines reach this tracker, for invites.
    """
    directory, printer = common.open()
    addresses = (str(_public_address(public)),) if public else ()
    if not name.strip():
        raise UsageError("a swarm needs a name")
    directory.create()
    with directory.locked():
        # With a key that was there, there was a swarm, which members know.
        rebuilt = wall_clock() if directory.swarm_key.exists() else 0
        keys = directory.make_swarm_keys()
        directory.make_identity()
        place = directory.place()

        def found(connection: Connection) -> None:
            swarm.found_swarm(connection, keys.signing, name.strip(), addresses, rebuilt)
            # Before it is on disk: killed in between, `init` can be done again.
            directory.keep_place(place)
            directory.keep_public(addresses)

        database = open_database(place)
        try:
            database.write_now(found)
        finally:
            database.close()
    fields: dict[str, object] = {
        "swarm": name.strip(),
        "key": keys.public.hex(),
        "data": str(directory.root),
    }
    printer.result(fields, f"swarm {name.strip()} is made in {directory.root}")


@app.command
def run(
    *,
    listen: str = "0.0.0.0:4100",
    metrics: str = "",
    limit: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    common: Common = COMMON,
) -> None:
    """Run the tracker until it is told to stop.

    Parameters
    ----------
    listen
        HOST:PORT to listen at; port 0 takes a free one.
    metrics
        HOST:PORT for /metrics, /healthz and /readyz, or none; 127.0.0.1:4190 if free.
    limit
        KIND=RATE or KIND=RATE/BURST, at most so many a second, and at once after a rest; none for
        no limit; may be repeated. Kinds: handshakes and sessions of one address; searches,
        publishes and announces of one machine.
    """
    directory, printer = common.open()
    address = _address(listen)
    options = Options(metrics=_metrics(metrics), rates=parse_rates(limit))

    def announce(name: str, where: str, watched: str) -> None:
        if printer.as_json:
            printer.line({"type": "listening", "swarm": name, "listen": where, "metrics": watched})
        else:
            print(f"tracker of {name} listening on {where}", flush=True)

    directory.check_made()
    with directory.locked():
        trio.run(run_tracker, directory, address, announce, options)
    printer.result({}, "")


@app.command
def invite(*, expires: str = "24h", zone: str = "", common: Common = COMMON) -> None:
    """Make an invite: one machine may join with it, once.

    Parameters
    ----------
    expires
        For how long it is good: 30s, 15m, 24h, 7d.
    zone
        What the machine shares its fate with (a room, an owner), unless it says otherwise itself.
    """
    directory, printer = common.open()
    if len(zone) > _MAX_ZONE:
        raise UsageError(f"a zone has at most {_MAX_ZONE} characters")
    request = CreateInvite(call=0, expires=seconds_in(expires), zone=zone)
    made = asked(directory, request, Invited)
    fields = {"invite": made.invite, "id": made.id, "expires": made.expires}
    printer.result(fields, made.invite)
    printer.qr_code(made.invite)


@app.command
def members(*, common: Common = COMMON) -> None:
    """List the machines of the swarm, and its invites."""
    directory, printer = common.open()
    found = asked(directory, GetMembers(call=0), Members)
    names = ("id", "name", "zone", "state", "capacity")
    admins = set(found.admins)
    machines = [
        dict(zip(names, (row[0].hex(), *row[1:]), strict=True)) | {"admin": row[0] in admins}
        for row in found.machines
    ]
    invites = [
        {"id": each.id, "zone": each.zone, "expires": each.expires, "state": each.state}
        for each in found.invites
    ]
    printer.table(
        "Machines",
        ("NAME", "STATE", "ZONE", "CAPACITY", "ID"),
        [
            (
                row[1] + (" (admin)" if row[0] in admins else ""),
                row[3],
                row[2],
                f"{row[4] / (1 << 30):.1f} GiB",
                row[0].hex()[:12],
            )
            for row in found.machines
        ],
    )
    printer.table(
        "Invites",
        ("ID", "STATE", "ZONE", "EXPIRES"),
        [(each.id, each.state, each.zone, moment(each.expires)) for each in found.invites],
    )
    printer.result({"members": machines, "invites": invites}, "")


@app.command
def revoke(target: str, /, *, common: Common = COMMON) -> None:
    """Shut a machine out for good, or make an invite worthless.

    Parameters
    ----------
    target
        The name of a machine, or the beginning (6 digits at least) of its id or an invite's.
    """
    directory, printer = common.open()
    done = asked(directory, Revoke(call=0, target=_target(target)), Revoked)
    fields = {"what": done.what, "name": done.name, "id": done.id, "roster": done.roster}
    printer.result(fields, f"revoked {done.what} {done.name or done.id}")


@app.command
def zone(target: str, label: str, /, *, common: Common = COMMON) -> None:
    """Say what a machine shares its fate with: two copies are kept in different zones.

    Parameters
    ----------
    target
        The name of a machine, or the beginning (6 digits at least) of its id.
    label
        A room, a disk, an owner; '' for a zone of its own.
    """
    directory, printer = common.open()
    if len(label) > _MAX_ZONE:
        raise UsageError(f"a zone has at most {_MAX_ZONE} characters")
    asked(directory, SetZone(call=0, target=_target(target), zone=label), Reply)
    where = f"zone {label!r}" if label.strip() else "a zone of its own"
    printer.result({"name": target, "zone": label}, f"{target} is in {where} now")


@app.command
def admin(
    target: str,
    /,
    *,
    remove: Annotated[bool, Parameter(negative="")] = False,
    common: Common = COMMON,
) -> None:
    """Let a machine invite and revoke, delete and restore all entries, and approve deletions.

    Parameters
    ----------
    target
        The name of a machine, or the beginning (6 digits at least) of its id.
    remove
        Take that away again.
    """
    directory, printer = common.open()
    asked(directory, SetAdmin(call=0, target=_target(target), admin=not remove), Reply)
    text = f"{target} is {'no admin any more' if remove else 'an admin now'}"
    printer.result({"name": target, "admin": not remove}, text)


@app.command
def approve(
    target: str | None = None,
    /,
    *,
    reject: Annotated[bool, Parameter(negative="")] = False,
    common: Common = COMMON,
) -> None:
    """List deletions that are held, as one machine made too many at once, or let them go.

    Parameters
    ----------
    target
        The name or id of the machine whose deletions may come to effect; lists them if not given.
    reject
        Drop them for good instead: the entries stay.
    """
    directory, printer = common.open()
    if target is None:
        if reject:
            raise UsageError("--reject needs the name of the machine whose deletions are rejected")
        found = asked(directory, GetBursts(call=0), Bursts)
        printer.table(
            "Held deletions",
            ("NAME", "ENTRIES", "SINCE", "AMONG THEM"),
            [
                (each.name, str(each.entries), moment(each.since), ", ".join(each.examples))
                for each in found.bursts
            ],
        )
        printer.result({"bursts": [msgspec.to_builtins(each) for each in found.bursts]}, "")
        return
    request = DecideBurst(call=0, target=_target(target), approve=not reject)
    done = asked(directory, request, BurstDecided)
    fields: dict[str, object] = {"name": done.name, "entries": done.entries, "approved": not reject}
    did = "rejected" if reject else "approved"
    printer.result(fields, f"{did} {done.entries} deletions by {done.name}")


@settings.command
def grace(duration: str, /, *, common: Common = COMMON) -> None:
    """How long a silent machine keeps its place before its pieces are copied elsewhere.

    Parameters
    ----------
    duration
        30s, 15m, 24h, 7d.
    """
    directory, printer = common.open()
    seconds = seconds_in(duration)
    asked(directory, SetGrace(call=0, seconds=seconds), Reply)
    printer.result({"grace": seconds}, f"the grace time is {seconds} s")


def main() -> None:
    """Run one command, and exit with its code."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: list[str]) -> int:
    """Run one command; its exit code."""
    printer = Printer(as_json="--json" in arguments)
    start_log("warning")
    try:
        app(arguments, exit_on_error=False, print_error=False)
    except Exception as error:
        # Bugs included: a person is told in one line, and the log has the rest.
        code, text = _explain(error)
        structlog.get_logger().debug("the command failed", exc_info=True)
        return printer.error(text, code)
    except KeyboardInterrupt:
        return printer.error("interrupted", FAILED)
    return 0


def _explain(error: Exception) -> tuple[int, str]:
    if isinstance(error, CycloptsError):
        return USAGE, str(error)
    if isinstance(error, RequestFailedError):
        return _CODES[error.kind], error.text
    if isinstance(error, DBAPIError):
        return FAILED, f"the database cannot be used: {error.orig}"
    known: list[tuple[type[Exception] | tuple[type[Exception], ...], int]] = [
        (UsageError, USAGE),
        (DataDirectoryError, FAILED),
        (RefusedError, REFUSED),
        (ConnectionLostError, UNREACHABLE),
        ((ProtocolError, InvalidTextError, OSError), FAILED),
    ]
    for kind, code in known:
        if isinstance(error, kind):
            return code, str(error)
    return FAILED, f"something is wrong inside: {type(error).__name__}; see --log-level debug"


def _target(text: str) -> str:
    if not 1 <= len(text) <= _MAX_TARGET:
        raise UsageError(f"a name or id has 1 to {_MAX_TARGET} characters")
    return text


def _address(text: str) -> Address:
    try:
        return Address.parse(text)
    except InvalidTextError as error:
        raise UsageError(str(error)) from None


def _metrics(text: str) -> Address | Literal["usual"] | None:
    if text == "none":
        return None
    return _address(text) if text else "usual"


def _public_address(text: str) -> Address:
    address = _address(text)
    if address.port == 0:
        raise UsageError("--public needs the port that other machines connect to, not 0")
    return address
