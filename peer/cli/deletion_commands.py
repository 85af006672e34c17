"""Commands about what was deleted: trash, restore, purge, approve. Thin: ask, then print."""

import sys
from typing import Annotated

import msgspec
from cyclopts import Parameter

from peer.cli.app import COMMON, Common, app, fields_of
from peer.cli.daemon_client import ask_daemon
from peer.cli.output import shown
from peer.errors import UsageError
from peer.words import bytes_text, counted, moment_text
from protocol.messages.deleting import (
    BurstDecided,
    Bursts,
    DecideBurst,
    GetBursts,
    GetTrash,
    Purge,
    Purged,
    Restore,
    Restored,
    TrashListed,
    TrashView,
)

MAX_TARGET = 255


@app.command
def trash(*, common: Common = COMMON) -> None:
    """List the deleted entries that this machine keeps for 30 days."""
    printer = common.printer()
    entries: list[TrashView] = []
    while True:
        start = len(entries)
        page = ask_daemon(
            common.path,
            lambda call, start=start: GetTrash(call=call, start=start),  # type: ignore[misc]
            TrashListed,
        )
        entries += page.entries
        if not page.entries or len(entries) >= page.total:
            break
    printer.table(
        ("ID", "SIZE", "DELETED", "BY", "UNTIL", "NAME"),
        [
            (
                each.id[:12],
                bytes_text(each.size),
                moment_text(each.deleted),
                shown(each.by),
                f"stays at {shown(each.path)}" if each.path else moment_text(each.until),
                shown(each.name),
            )
            for each in entries
        ],
    )
    printer.result({"entries": [msgspec.to_builtins(each) for each in entries]})


@app.command
def restore(entry: str, /, *, common: Common = COMMON) -> None:
    """Bring back a deleted entry, for everyone: for its author, and for admins.

    Parameters
    ----------
    entry
        Its link, its id, or the beginning of its id, as 'twofold trash' lists it.
    """
    printer = common.printer()
    done = ask_daemon(common.path, lambda call: Restore(call=call, entry=entry), Restored)
    text = f"restored {shown(done.name)}"
    if not done.here:
        text += "; nothing of it was in this machine's trash: others bring it"
    if not done.published and not printer.as_json:
        print("the tracker is away: others may hear of it when it is back", file=sys.stderr)
    printer.result(fields_of(done), text)


@app.command
def purge(
    entry: str | None = None,
    /,
    *,
    all_: Annotated[bool, Parameter(name="--all", negative="")] = False,
    yes: Annotated[bool, Parameter(name=["--yes", "-y"], negative="")] = False,
    common: Common = COMMON,
) -> None:
    """Empty this machine's trash now, for good.

    Parameters
    ----------
    entry
        A deleted entry, by link or id.
    all_
        Everything that is in the trash.
    yes
        Do not ask first.
    """
    printer = common.printer()
    if (entry is None) != all_:
        raise UsageError("give either a deleted entry or --all")
    what = "everything in this machine's trash" if entry is None else f"what it keeps of {entry}"
    if not yes and not _confirmed(f"Delete {what} for good?"):
        raise UsageError("nothing was deleted; give --yes to do it without being asked")
    done = ask_daemon(common.path, lambda call: Purge(call=call, entry=entry), Purged)
    text = f"deleted for good: {counted(done.contents, 'content')}, {bytes_text(done.bytes)}"
    printer.result(fields_of(done), text)


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
    printer = common.printer()
    if target is None:
        if reject:
            raise UsageError("--reject needs the name of the machine whose deletions are rejected")
        found = ask_daemon(common.path, lambda call: GetBursts(call=call), Bursts)
        printer.table(
            ("NAME", "ENTRIES", "SINCE", "AMONG THEM"),
            [
                (
                    shown(each.name),
                    str(each.entries),
                    moment_text(each.since) if each.since else "",
                    ", ".join(map(shown, each.examples)),
                )
                for each in found.bursts
            ],
        )
        printer.result(fields_of(found))
        return
    if not 1 <= len(target) <= MAX_TARGET:
        raise UsageError(f"a name or id has 1 to {MAX_TARGET} characters")
    done = ask_daemon(
        common.path,
        lambda call: DecideBurst(call=call, target=target, approve=not reject),
        BurstDecided,
    )
    if not done.published and not printer.as_json:
        print("the tracker is away: it hears of this when it is back", file=sys.stderr)
    did = "rejected" if reject else "approved"
    text = f"{did} {counted(done.entries, 'deletion')} by {shown(done.name)}"
    printer.result(fields_of(done) | {"approved": not reject}, text)


def _confirmed(question: str) -> bool:
    """Ask on a terminal; where there is none, nobody can say yes."""
    if not sys.stdin.isatty():
        return False
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
