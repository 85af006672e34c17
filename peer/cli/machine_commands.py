"""Commands about this machine and the swarm: join, run, status, peers, login. Thin."""

import socket
import sys
import time
from typing import Annotated

from cyclopts import Parameter

from peer.cli.app import COMMON, Common, app, fields_of
from peer.cli.daemon_client import ask_daemon
from peer.cli.output import shown
from peer.cli.status_text import status_text
from peer.data_dir import DataDir
from peer.errors import UnreachableError, UsageError
from peer.units import parse_size
from peer.words import bytes_text
from protocol.address import Address
from protocol.errors import InvalidTextError
from protocol.messages.logins import LoginMinted, MintLogin
from protocol.messages.operating import GetPeers, GetStatus, Peers, Status
from protocol.paths import clean_name


@app.command
def join(
    invite: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    name: str | None = None,
    zone: str | None = None,
    capacity: str = "100GiB",
    common: Common = COMMON,
) -> None:
    """Make this machine a member of a swarm.

    Parameters
    ----------
    invite
        The invite, or '-' to read it from standard input, where others cannot see it.
    name
        What the machine is called; the host name if not given.
    zone
        What it shares its fate with (a room, an owner); copies are spread over zones.
    capacity
        How much it offers for the group's pieces: 500GiB, 2TB; 0 keeps none.
    """
    import trio

    from peer.joining import join as join_swarm

    printer = common.printer("warning")
    text = sys.stdin.readline() if invite == "-" else invite
    wanted = clean_name(name or socket.gethostname().split(".")[0])[:64]
    size = parse_size(capacity)
    given, roster = trio.run(
        lambda: join_swarm(DataDir(common.path), text, name=wanted, zone=zone, capacity=size)
    )
    fields: dict[str, object] = {
        "name": given,
        "swarm": roster.name,
        "members": len(roster.peers()),
        "data": str(common.path),
    }
    printer.result(fields, f"{given} is now a member of {roster.name}; start it: twofold run")


@app.command
def run(
    *,
    listen: str = "0.0.0.0:4110",
    web: str = "127.0.0.1:4180",
    advertise: tuple[str, ...] = (),
    allow_host: tuple[str, ...] = (),
    lan: bool = True,
    common: Common = COMMON,
) -> None:
    """Run the daemon, and with it the web page, until told to stop.

    Parameters
    ----------
    listen
        HOST:PORT for other peers; port 0 takes a free one.
    web
        HOST:PORT of the local page, or 'off'.
    advertise
        HOST:PORT under which others reach this machine, if that is not where it listens.
    allow_host
        A further name under which browsers may visit the page.
    lan
        Whether to look for members on the same network, unless settings.toml forbids it.
    """
    from peer.daemon import DaemonConfig
    from peer.daemon_process import become_daemon

    config = DaemonConfig(
        data=common.path,
        listen=_address(listen),
        web=None if web == "off" else _address(web),
        advertise=tuple(str(_address(text)) for text in advertise),
        allow_hosts=allow_host,
        lan=lan,
    )
    become_daemon(config, common.log_level or "info", as_json=common.json)


@app.command
def status(*, wait: float | None = None, common: Common = COMMON) -> None:
    """Tell how the daemon is.

    Parameters
    ----------
    wait
        Seconds to wait until it is ready and connected to the tracker.
    """
    printer = common.printer()
    deadline = time.monotonic() + (wait or 0)
    while True:
        try:
            found = ask_daemon(common.path, lambda call: GetStatus(call=call), Status)
            if wait is None or found.tracker.state == "connected":
                break
            problem = UnreachableError("the daemon runs, but the tracker cannot be reached")
        except UnreachableError as error:
            if wait is None:
                raise
            problem = error
        if time.monotonic() > deadline:
            raise problem
        time.sleep(0.1)
    printer.result(fields_of(found), status_text(found))


@app.command
def peers(*, common: Common = COMMON) -> None:
    """List the machines of the swarm."""
    printer = common.printer()
    found = ask_daemon(common.path, lambda call: GetPeers(call=call), Peers)
    if found.local and not printer.as_json:
        print("tracker unreachable, showing what this machine knows", file=sys.stderr)
    printer.table(
        ("NAME", "STATE", "ZONE", "STORED", "CAPACITY", "ADDRESSES"),
        [
            (
                shown(each.name)
                + (" (this machine)" if each.this else "")
                + (" (admin)" if each.admin else ""),
                each.state if each.standing == "active" else f"{each.state}, {each.standing}",
                each.zone,
                bytes_text(each.stored),
                bytes_text(each.capacity),
                " ".join(each.addresses),
            )
            for each in found.peers
        ],
    )
    printer.result(fields_of(found), "\n".join(f"warning: {text}" for text in found.warnings))


@app.command
def login(*, common: Common = COMMON) -> None:
    """Print a one-time address that logs a browser in to this machine's page."""
    printer = common.printer()
    minted = ask_daemon(common.path, lambda call: MintLogin(call=call), LoginMinted)
    printer.result({"url": minted.url}, minted.url)
    printer.qr_code(minted.elsewhere)


def _address(text: str) -> Address:
    try:
        return Address.parse(text)
    except InvalidTextError as error:
        raise UsageError(str(error)) from None
