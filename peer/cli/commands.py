"""Every command of `twofold`, thin: parse, ask the daemon, print."""

import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import trio
from cyclopts import App, Parameter

from peer.cli.daemon_client import ask_daemon
from peer.cli.output import LogLevel, Printer, bytes_text, shown, start_log
from peer.cli.units import parse_size
from peer.data_dir import DataDir, default_data_dir
from peer.errors import UnreachableError, UsageError
from peer.version import VERSION
from protocol.address import Address
from protocol.errors import InvalidTextError
from protocol.messages.base import Done
from protocol.messages.operating import (
    Add,
    Added,
    EntryView,
    Fetch,
    Fetched,
    Find,
    Found,
    GetPeers,
    GetStatus,
    LoginMinted,
    MintLogin,
    Peers,
    Remove,
    Show,
    Shown,
    Status,
    Verified,
    Verify,
)
from protocol.paths import clean_name

app = App(
    name="twofold",
    help="Share files inside a group, every piece kept on two of the group's own machines.",
    help_epilogue=(
        "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not reachable, 5 refused."
    ),
    version=VERSION,
    result_action="return_value",
)


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """What every command takes."""

    data: Annotated[Path | None, Parameter(env_var="TWOFOLD_DATA")] = None
    """The data directory."""
    json: Annotated[bool, Parameter(negative="")] = False
    """Print JSON, one object a line, ending with a result or an error."""
    log_level: LogLevel | None = None
    """What to log on standard error."""

    @property
    def path(self) -> Path:
        """The data directory, absolute."""
        return (self.data or default_data_dir()).absolute()

    def printer(self, level: LogLevel = "warning") -> Printer:
        """Start the log, and make the printer."""
        start_log(self.log_level or level)
        return Printer(as_json=self.json)


_COMMON = Common()


@app.command
def join(
    invite: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    name: str | None = None,
    zone: str | None = None,
    capacity: str = "100GiB",
    common: Common = _COMMON,
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
    from peer.joining import join as join_swarm

    printer = common.printer()
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
    common: Common = _COMMON,
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
    """
    from peer.daemon import Daemon, DaemonConfig

    printer = common.printer("info")

    def say(kind: str, fields: dict[str, object]) -> None:
        if printer.as_json:
            printer.line(kind, fields)
        elif kind == "web":
            print(f"page: {fields['url']}\nfirst visit: {fields['login']}", flush=True)
        else:
            print(f"{fields['peer']} listening on {fields['listen']}", flush=True)

    config = DaemonConfig(
        data=common.path,
        listen=_address(listen),
        web=None if web == "off" else _address(web),
        advertise=tuple(str(_address(text)) for text in advertise),
    )
    daemon = Daemon(config, say)
    trio.run(daemon.run)
    printer.result({}, "")


@app.command
def status(*, wait: float | None = None, common: Common = _COMMON) -> None:
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
    fields = _fields(found)
    text = (
        f"{found.peer.name} ({found.peer.id[:12]}) in {found.swarm.name}, "
        f"{found.swarm.members} machines; tracker {found.tracker.state}\n"
        f"listening on {found.peer.listen}, page {found.web or 'off'}\n"
        f"holding {found.store.pieces} pieces, {bytes_text(found.store.bytes)} of "
        f"{bytes_text(found.store.capacity)}; {len(found.transfers)} transfers"
    )
    printer.result(fields, text)


@app.command
def add(
    paths: tuple[Path, ...],
    /,
    *,
    name: str | None = None,
    copies: int | None = None,
    caption: str = "",
    tag: tuple[str, ...] = (),
    wait: Annotated[bool, Parameter(negative="")] = False,
    common: Common = _COMMON,
) -> None:
    """Share files and folders where they lie.

    Parameters
    ----------
    paths
        Files and folders; each becomes one entry.
    name
        What the entry is called, if not as the file is.
    copies
        On how many machines every piece is kept.
    wait
        Return only when the wanted copies exist.
    """
    printer = common.printer()
    if not paths:
        raise UsageError("give at least one file or folder to add")
    if name and len(paths) > 1:
        raise UsageError("--name is for a single file or folder")
    if copies is not None and not 1 <= copies <= 16:
        raise UsageError("--copies is a number from 1 to 16")
    added = []
    for path in paths:
        whole = Path(path).absolute()
        with printer.progress() as progress:
            reply = ask_daemon(
                common.path,
                lambda call, whole=whole: Add(  # type: ignore[misc]
                    call=call,
                    path=str(whole),
                    name=name,
                    copies=copies,
                    caption=caption,
                    tags=tag,
                    wait=wait,
                ),
                Added,
                progress.show,
            )
        added.append(reply)
        if not printer.as_json:
            print(f"{shown(reply.entry.name)}  {reply.entry.link}", flush=True)
            for skipped in reply.skipped:
                print(f"skipped, neither file nor folder: {shown(skipped)}", file=sys.stderr)
    entries = [{**entry_fields(r.entry), "skipped": list(r.skipped)} for r in added]
    printer.result(entries[0] if len(entries) == 1 else {"entries": entries})


@app.command
def get(
    entry: str, /, *, out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    common: Common = _COMMON,
) -> None:
    """Download an entry by its link or id.

    Parameters
    ----------
    entry
        A link, an id, or the beginning of an id.
    out
        Where to; a folder that exists takes the entry under its own name.
    """
    printer = common.printer()
    target = (out or Path()).absolute()
    if target.is_dir():
        view = ask_daemon(common.path, lambda call: Show(call=call, entry=entry), Shown).entry
        target = target / clean_name(view.name)
    with printer.progress() as progress:
        done = ask_daemon(
            common.path,
            lambda call: Fetch(call=call, entry=entry, path=str(target)),
            Fetched,
            progress.show,
        )
    rate = bytes_text(done.size / max(done.seconds, 1e-6))
    source = ", ".join(done.sources) or "this machine"
    text = f"{done.path}  {bytes_text(done.size)} in {done.seconds:.1f} s ({rate}/s) from {source}"
    printer.result(_fields(done), text)


@app.command
def search(*words: str, common: Common = _COMMON) -> None:
    """Find entries by words of name, caption and tags."""
    if not words:
        raise UsageError("give at least one word; 'twofold ls' lists everything")
    _list(" ".join(words), common)


@app.command(name="ls")
def list_all(*, common: Common = _COMMON) -> None:
    """List all entries, newest first."""
    _list("", common)


@app.command
def show(entry: str, /, *, common: Common = _COMMON) -> None:
    """Tell about one entry: its copies and who holds them."""
    printer = common.printer()
    view = ask_daemon(common.path, lambda call: Show(call=call, entry=entry), Shown).entry
    lines = [
        f"{shown(view.name)}  {bytes_text(view.size)} in {view.pieces} pieces, by {view.author}",
        f"id {view.id}",
        view.link,
        f"{view.copies.have} of {view.copies.want} copies",
        *(f"  {h.peer}: {h.pieces} of {view.pieces} pieces, {h.state}" for h in view.holders),
    ]
    if view.caption:
        lines.insert(1, " ".join(view.caption.split()))
    printer.result(entry_fields(view), "\n".join(lines))


@app.command
def link(entry: str, /, *, common: Common = _COMMON) -> None:
    """Print the link of an entry, to pass on."""
    printer = common.printer()
    view = ask_daemon(common.path, lambda call: Show(call=call, entry=entry), Shown).entry
    printer.result({"id": view.id, "link": view.link, "name": view.name}, view.link)


@app.command(name="rm")
def remove(entry: str, /, *, common: Common = _COMMON) -> None:
    """Delete an entry for everyone. Files you shared stay where they are."""
    printer = common.printer()
    view = ask_daemon(common.path, lambda call: Show(call=call, entry=entry), Shown).entry
    ask_daemon(common.path, lambda call: Remove(call=call, entry=entry), Done)
    printer.result({"id": view.id, "name": view.name}, f"deleted {shown(view.name)}")


@app.command
def verify(entry: str | None = None, /, *, common: Common = _COMMON) -> int:
    """Read and check every piece this machine holds, of one entry or of all.

    Ends with exit code 1 when pieces were bad; those are fetched again from other machines.
    """
    printer = common.printer()
    with printer.progress() as progress:
        done = ask_daemon(
            common.path, lambda call: Verify(call=call, entry=entry), Verified, progress.show
        )
    text = f"{done.pieces} pieces, {bytes_text(done.bytes)}: {done.bad or 'none'} bad"
    printer.result(_fields(done), text)
    return 1 if done.bad else 0


@app.command
def peers(*, common: Common = _COMMON) -> None:
    """List the machines of the swarm."""
    printer = common.printer()
    found = ask_daemon(common.path, lambda call: GetPeers(call=call), Peers)
    if found.local and not printer.as_json:
        print("tracker unreachable, showing what this machine knows", file=sys.stderr)
    printer.table(
        ("NAME", "STATE", "ZONE", "STORED", "CAPACITY", "ADDRESSES"),
        [
            (
                shown(each.name) + (" (this machine)" if each.this else ""),
                each.state,
                each.zone,
                bytes_text(each.stored),
                bytes_text(each.capacity),
                " ".join(each.addresses),
            )
            for each in found.peers
        ],
    )
    printer.result(_fields(found))


@app.command
def login(*, common: Common = _COMMON) -> None:
    """Print a one-time address that logs a browser in to this machine's page."""
    printer = common.printer()
    minted = ask_daemon(common.path, lambda call: MintLogin(call=call), LoginMinted)
    printer.result({"url": minted.url}, minted.url)


def entry_fields(view: EntryView) -> dict[str, object]:
    """An entry as programs get it."""
    fields: dict[str, object] = msgspec.to_builtins(view)
    return fields


def _list(words: str, common: Common) -> None:
    printer = common.printer()
    views: list[EntryView] = []
    cursor, local = "", False
    while True:
        found = ask_daemon(
            common.path,
            lambda call, c=cursor: Find(call=call, words=words, cursor=c),  # type: ignore[misc]
            Found,
        )
        views += found.entries
        cursor, local = found.cursor, found.local
        if not cursor:
            break
    if local and not printer.as_json:
        print("tracker unreachable, searching what this machine knows", file=sys.stderr)
    printer.table(
        ("ID", "SIZE", "COPIES", "AUTHOR", "NAME"),
        [
            (
                view.id[:12],
                bytes_text(view.size),
                f"{view.copies.have} of {view.copies.want}",
                view.author,
                shown(view.name),
            )
            for view in views
        ],
    )
    printer.result({"entries": [entry_fields(view) for view in views], "local": local})


def _fields(reply: msgspec.Struct) -> dict[str, object]:
    fields: dict[str, object] = msgspec.to_builtins(reply)
    fields.pop("call", None)
    fields.pop("type", None)
    return fields


def _address(text: str) -> Address:
    try:
        return Address.parse(text)
    except InvalidTextError as error:
        raise UsageError(str(error)) from None
