"""`twofold edit`: change what an entry says of itself."""

import sys
from typing import Annotated

from cyclopts import Parameter

from peer.cli.app import COMMON, Common, app
from peer.cli.daemon_client import ask_daemon
from peer.cli.entry_commands import entry_fields
from peer.cli.output import shown
from peer.errors import UsageError
from protocol.messages.editing import Edit, Edited


@app.command
def edit(
    entry: str,
    /,
    *,
    name: str | None = None,
    caption: str | None = None,
    tag: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    no_tags: Annotated[bool, Parameter(negative="")] = False,
    common: Common = COMMON,
) -> None:
    """Change name, caption or tags of an entry that this machine added. The content stays.

    Parameters
    ----------
    entry
        A link, an id, or the beginning of an id.
    name
        What it is called from now on.
    caption
        The text about it; "" for none.
    tag
        Its tags from now on, instead of those it has. May be given more than once.
    no_tags
        Take all tags away.
    """
    printer = common.printer()
    if tag and no_tags:
        raise UsageError("give either --tag or --no-tags")
    tags = tag if tag or no_tags else None
    done = ask_daemon(
        common.path,
        lambda call: Edit(call=call, entry=entry, name=name, caption=caption, tags=tags),
        Edited,
    )
    if not done.published and not printer.as_json:
        print("the tracker is away: others will see this when it is back", file=sys.stderr)
    fields = {**entry_fields(done.entry), "published": done.published}
    printer.result(fields, f"edited {shown(done.entry.name)}")
