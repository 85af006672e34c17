"""`twofold push`: files and folders to another machine's page. Thin: log in, send, print."""

import getpass
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from peer.cli.app import COMMON, Common, app
from peer.cli.output import Printer, shown
from peer.cli.paths import whole_path
from peer.errors import NotPermittedError, UnreachableError, UsageError
from protocol.messages.operating import Progress
from protocol.paths import clean_name

if TYPE_CHECKING:
    from peer.pushing.page_link import PageLink
    from peer.pushing.page_sessions import PageSessions
    from peer.pushing.push_item import Item

_T = TypeVar("_T")


@app.command
def push(
    url: str,
    files: tuple[Path, ...],
    /,
    *,
    name: str | None = None,
    caption: str = "",
    tag: tuple[str, ...] = (),
    common: Common = COMMON,
) -> None:
    """Upload files and folders to another machine through its page, without being in its swarm.

    The first time it asks for a login address, which 'twofold login' prints on that machine; it is
    read from standard input. Interrupted, the same command goes on where it was, also with what was
    begun in a browser.

    Parameters
    ----------
    url
        Where the page is: http://nas.local:4180
    files
        Files and folders; each becomes one entry.
    name
        What the entry is called, if not as the file is.
    """
    from peer.pushing.page_link import PageLink
    from peer.pushing.page_sessions import PageSessions
    from peer.pushing.push_item import Item

    printer = common.printer()
    if not files:
        raise UsageError("give at least one file or folder to push")
    if name is not None and len(files) > 1:
        raise UsageError("--name is for a single file or folder")
    page, sessions = PageLink(url), PageSessions(common.path)
    page.cookie = sessions.find(page.url)
    entries = []
    for path in map(whole_path, files):
        item = Item(path, clean_name(name or path.name or "unnamed"), caption, tag)
        fields = _logged_in(page, sessions, lambda item=item: _push(page, item, printer))  # type: ignore[misc]
        entries.append(fields)
        if not printer.as_json:
            print(f"{shown(fields['name'])}  {fields['link']}", flush=True)
            for skipped in fields["skipped"]:
                print(f"skipped, neither file nor folder: {shown(skipped)}", file=sys.stderr)
    printer.result(entries[0] if len(entries) == 1 else {"entries": entries})


def _push(page: "PageLink", item: "Item", printer: Printer) -> dict[str, Any]:
    from peer.pushing.push_item import push_item
    from peer.pushing.pushing import Pushing

    pushing, started = Pushing(page), time.monotonic()
    with printer.progress() as progress:

        def tell(done: int, total: int) -> None:
            progress.show(Progress(call=0, stage="copying", done=done, total=total))

        number, skipped = push_item(pushing, item, tell)
        view = pushing.settled(
            number,
            lambda added: progress.show(
                Progress(call=0, stage="hashing", done=added, total=max(1, pushing.done))
            ),
        )
    entry: dict[str, Any] = {"id": view["entry"], "name": item.name, "link": ""}
    if view["entry"]:
        entry = pushing.json("GET", f"/api/v1/entries/{view['entry']}")
    seconds = round(time.monotonic() - started, 6)
    return {**entry, "skipped": skipped[:100], "sent": pushing.sent, "seconds": seconds}


def _logged_in(page: "PageLink", sessions: "PageSessions", work: Callable[[], _T]) -> _T:
    """Do it; if the page wants a login, ask for one, and do it again."""
    from peer.pushing.page_link import LoggedOutError, LostError

    try:
        return work()
    except LoggedOutError:
        page.cookie = None
        sessions.keep(page.url, None)
    try:
        page.log_in(_ask_address(page.url))
    except LostError as error:
        raise UnreachableError(f"{page.url} does not answer: {error}") from None
    sessions.keep(page.url, page.cookie)
    try:
        return work()
    except LoggedOutError:
        raise NotPermittedError(f"{page.url} logged us out again at once") from None


def _ask_address(url: str) -> str:
    """A login address, from a person or a pipe; never shown, as it lets anybody in."""
    if sys.stdin.isatty():
        print(f"{url} wants a login. On that machine run: twofold login", file=sys.stderr)
        address = getpass.getpass("Paste the address it shows (it stays hidden): ")
    else:
        address = sys.stdin.readline()
    if not address.strip():
        raise NotPermittedError(
            f"{url} wants a login: give the address that 'twofold login' prints on that machine "
            "on standard input"
        )
    return address
