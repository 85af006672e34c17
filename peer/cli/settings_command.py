"""Commands about settings that are no limits, and about what is shared from where it lies. Thin."""

from typing import Literal

from msgspec import structs

from peer.cli.app import COMMON, Common, app, fields_of
from peer.cli.daemon_client import ask_daemon, connect
from peer.cli.output import shown
from peer.words import bytes_text, counted
from protocol.messages.base import Message
from protocol.messages.settings import (
    ChangeSettings,
    GetSettings,
    GetShares,
    SettingsView,
    Shares,
    ShareView,
)

_STATES = {
    "shared": "shared",
    "partly": "not all of it counts",
    "leaving": "goes from here once others hold it",
}


@app.command
def settings(
    *,
    scrub_days: float | None = None,
    lan: Literal["on", "off"] | None = None,
    common: Common = COMMON,
) -> None:
    """Show settings, or change them: at once, and in settings.toml. Rates: 'twofold limit'.

    Parameters
    ----------
    scrub_days
        Everything held is read again once in so many days; 0 for never.
    lan
        Whether to look for members on the same network.
    """
    printer = common.printer()
    change = ChangeSettings(
        call=0, scrub_days=scrub_days, discover=None if lan is None else lan == "on"
    )
    changes = change != ChangeSettings(call=0)

    def ask(call: int) -> Message:
        return structs.replace(change, call=call) if changes else GetSettings(call=call)

    found = ask_daemon(common.path, ask, SettingsView)
    days = f"once in {found.scrub_days:g} days" if found.scrub_days else "never"
    printer.result(
        fields_of(found),
        f"everything held is read again: {days}\n"
        f"looks for members on the same network: {'yes' if found.discover else 'no'}\n"
        f"set in {found.file}",
    )


@app.command
def shares(*, common: Common = COMMON) -> None:
    """List the files and folders that this machine shares from where they lie."""
    printer = common.printer()
    client = connect(common.path)
    found: list[ShareView] = []
    try:
        while True:
            start = len(found)
            page = client.ask(lambda call, start=start: GetShares(call=call, start=start), Shares)  # type: ignore[misc]
            found += page.shares
            if not page.shares or len(found) >= page.total:
                break
    finally:
        client.close()
    printer.table(
        ("PATH", "ENTRY", "SIZE", "STATE"),
        [
            (
                shown(each.path),
                each.entry[:12] or "none known here",
                bytes_text(each.size),
                shown(each.notice) or _STATES[each.state],
            )
            for each in found
        ],
    )
    fields: dict[str, object] = {"shares": [structs.asdict(each) for each in found]}
    printer.result(fields, f"{counted(len(found), 'path')} shared from here")
