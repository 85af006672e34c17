"""Commands about entries: add, get, search, ls, show, link, rm, verify. Thin: ask, then print."""

import os
import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from peer.cli.app import COMMON, Common, app, fields_of
from peer.cli.daemon_client import ask_daemon
from peer.cli.finding_options import EVERYTHING, Finding
from peer.cli.output import shown
from peer.cli.paths import whole_path
from peer.errors import UsageError
from peer.words import bytes_text
from protocol.messages.deleting import Removed
from protocol.messages.finding import MAX_SEARCH, Replaced
from protocol.messages.operating import (
    MAX_PATTERNS,
    Add,
    Added,
    EntryView,
    Fetch,
    Fetched,
    Find,
    Found,
    Remove,
    Show,
    Shown,
)
from protocol.messages.verifying import Verified, Verify
from protocol.paths import clean_name

PATTERNS_BYTES = 48_000
"""Patterns of one request together: they must fit a message."""
HELD = (
    "held: {name} is not deleted yet, as too many entries were deleted within 10 minutes; "
    "to go on, an admin (or, where there is none, another machine) says 'twofold approve'"
)


@app.command
def add(
    paths: tuple[Path, ...],
    /,
    *,
    name: str | None = None,
    copies: int | None = None,
    caption: str = "",
    tag: tuple[str, ...] = (),
    import_: Annotated[bool, Parameter(name="--import", negative="")] = False,
    wait: Annotated[bool, Parameter(negative="")] = False,
    common: Common = COMMON,
) -> None:
    """Share files and folders where they lie, or copies of them.

    Parameters
    ----------
    paths
        Files and folders; each becomes one entry.
    name
        What the entry is called, if not as the file is.
    copies
        On how many machines every piece is kept.
    import_
        Copy into this machine's store first: the files may change or go afterwards. Takes no room
        where the file system can share it between files (XFS, Btrfs).
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
        whole = whole_path(path)
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
                    keep=import_,
                    wait=wait,
                ),
                Added,
                progress.show,
            )
        added.append(reply)
        if not printer.as_json:
            print(f"{shown(reply.entry.name)}  {reply.entry.link}", flush=True)
            if not reply.published:
                print("the tracker is away: others will see this when it is back", file=sys.stderr)
            for skipped in reply.skipped:
                print(f"skipped, neither file nor folder: {shown(skipped)}", file=sys.stderr)
    entries = [
        {
            **entry_fields(r.entry),
            "skipped": list(r.skipped),
            "published": r.published,
            "seconds": r.seconds,
        }
        for r in added
    ]
    printer.result(entries[0] if len(entries) == 1 else {"entries": entries})


@app.command
def get(
    entry: str,
    /,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    only: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    common: Common = COMMON,
) -> None:
    """Download an entry by its link or id.

    Parameters
    ----------
    entry
        A link, an id, or the beginning of an id.
    out
        Where to; a folder that exists takes the entry under its own name.
    only
        Of a folder, just the files this pattern matches: '*.jpg', 'docs/**', 'a/b.txt'. Without a
        slash it is matched with names, wherever they are. May be given more than once.
    """
    printer = common.printer()
    _check_patterns(only)
    target = whole_path(out or Path())
    if target.is_dir():
        view = ask_daemon(common.path, lambda call: Show(call=call, entry=entry), Shown).entry
        target = target / clean_name(view.name)
    with printer.progress() as progress:
        done = ask_daemon(
            common.path,
            lambda call: Fetch(call=call, entry=entry, path=str(target), only=only),
            Fetched,
            progress.show,
        )
    rate = bytes_text(done.size / max(done.seconds, 1e-6))
    source = ", ".join(done.sources) or "this machine"
    size = bytes_text(done.size) + (f" in {done.files} files," if only else "")
    text = f"{done.path}  {size} in {done.seconds:.1f} s ({rate}/s) from {source}"
    printer.result(fields_of(done), text)


@app.command
def search(*words: str, finding: Finding = EVERYTHING, common: Common = COMMON) -> None:
    """Find entries by words of name, caption, tags, author and names in folders, nearest first."""
    if not words:
        raise UsageError("give at least one word; 'twofold ls' lists everything")
    _list(" ".join(words), finding, common)


@app.command(name="ls")
def list_all(*, finding: Finding = EVERYTHING, common: Common = COMMON) -> None:
    """List all entries, newest first."""
    _list("", finding, common)


@app.command
def show(entry: str, /, *, common: Common = COMMON) -> None:
    """Tell about one entry: its copies and who holds them."""
    printer = common.printer()
    view = ask_daemon(common.path, lambda call: Show(call=call, entry=entry), Shown).entry
    lines = [
        f"{shown(view.name)}  {bytes_text(view.size)} in {view.pieces} pieces, by {view.author}",
        f"id {view.id}",
        view.link,
        shown(view.safety_text),
        *(f"  {h.peer}: {h.pieces} of {view.pieces} pieces, {h.state}" for h in view.holders),
    ]
    if view.caption:
        lines.insert(1, shown(" ".join(view.caption.split())))
    if view.picture:
        lines.append(f"picture of {view.picture.width} x {view.picture.height}")
    lines += [
        f"  {r.quality}: {r.width} x {r.height}, {bytes_text(r.size)}, id {r.id}"
        for r in view.renditions
    ]
    if view.notice:
        lines.append(shown(view.notice))
    if view.held:
        lines.append("its deletion is held until somebody approves: twofold approve")
    printer.result(entry_fields(view), "\n".join(lines))


@app.command
def link(entry: str, /, *, common: Common = COMMON) -> None:
    """Print the link of an entry, to pass on."""
    printer = common.printer()
    view = ask_daemon(common.path, lambda call: Show(call=call, entry=entry), Shown).entry
    printer.result({"id": view.id, "link": view.link, "name": view.name}, view.link)


@app.command(name="rm")
def remove(entry: str, /, *, common: Common = COMMON) -> int:
    """Delete an entry for everyone. Files you shared stay where they are.

    For 30 days 'twofold restore' brings it back. One of a burst of deletions is held, and ends with
    exit code 1: somebody else has to approve it.
    """
    printer = common.printer()
    view = ask_daemon(common.path, lambda call: Show(call=call, entry=entry), Shown).entry
    done = ask_daemon(common.path, lambda call: Remove(call=call, entry=entry), Removed)
    text = HELD if done.held else "deleted {name}"
    fields: dict[str, object] = {"id": view.id, "name": view.name, "held": done.held}
    printer.result(fields, text.format(name=shown(view.name)))
    return 1 if done.held else 0


@app.command
def verify(entry: str | None = None, /, *, common: Common = COMMON) -> int:
    """Read and check every piece this machine holds, of one entry or of all.

    Ends with exit code 1 when pieces were bad; those are fetched again from other machines.
    """
    printer = common.printer()
    with printer.progress() as progress:
        done = ask_daemon(
            common.path, lambda call: Verify(call=call, entry=entry), Verified, progress.show
        )
    text = f"{done.pieces} pieces, {bytes_text(done.bytes)}: {done.bad or 'none'} bad"
    if done.bad:
        text += "; they no longer count, and are fetched again from other machines"
    printer.result(fields_of(done), text)
    return 1 if done.bad else 0


def _check_patterns(patterns: tuple[str, ...]) -> None:
    if len(patterns) > MAX_PATTERNS:
        raise UsageError(f"--only may be given {MAX_PATTERNS} times at most")
    if not all(patterns):
        raise UsageError("an empty pattern matches no file")
    if sum(len(os.fsencode(pattern)) for pattern in patterns) > PATTERNS_BYTES:
        raise UsageError("the patterns of --only are too long together")


def entry_fields(view: EntryView) -> dict[str, object]:
    """An entry as programs get it."""
    fields: dict[str, object] = msgspec.to_builtins(view)
    return fields


def _list(words: str, finding: Finding, common: Common) -> None:
    printer = common.printer()
    filters = finding.filters()
    if len(words) > MAX_SEARCH:
        raise UsageError(f"words of {MAX_SEARCH} characters together are enough to find anything")
    views: list[EntryView] = []
    cursor, local = "", False
    replaced: tuple[Replaced, ...] = ()
    while True:
        found = ask_daemon(
            common.path,
            lambda call, c=cursor: Find(  # type: ignore[misc]
                call=call, words=words, filters=filters, sort=finding.sort, cursor=c
            ),
            Found,
        )
        views += found.entries
        cursor, local, replaced = found.cursor, found.local, found.replaced
        if not cursor:
            break
    if local and not printer.as_json:
        print("tracker unreachable, searching what this machine knows", file=sys.stderr)
    if not printer.as_json:
        for each in replaced:
            instead = ", ".join(f"'{shown(word)}'" for word in each.instead)
            print(f"nothing for '{shown(each.word)}', showing {instead}", file=sys.stderr)
    printer.table(
        ("ID", "SIZE", "COPIES", "AUTHOR", "NAME"),
        [
            (
                view.id[:12],
                bytes_text(view.size),
                f"{view.copies.have} of {view.copies.want}",
                view.author,
                shown(view.name) + _remarks(view),
            )
            for view in views
        ],
    )
    if not printer.as_json:
        for view in views:
            if view.notice:
                print(f"{view.id[:12]}: {shown(view.notice)}", file=sys.stderr)
    printer.result(
        {
            "entries": [entry_fields(view) for view in views],
            "local": local,
            "replaced": msgspec.to_builtins(replaced),
        }
    )


def _remarks(view: EntryView) -> str:
    """What a list says behind a name."""
    inside = f" (inside: {shown(view.inside)})" if view.inside else ""
    return inside + (" (deletion held)" if view.held else "")
