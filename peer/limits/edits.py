"""Changes of the limits, made in the text of the settings so that its comments stay.

What a change comes to is decided in `peer.limits.changes`.
"""

from collections.abc import MutableMapping
from typing import Any

import tomlkit
from tomlkit import TOMLDocument
from tomlkit.items import AoT, InlineTable

from peer.limits.rates import NONE, rate_text
from peer.limits.schedule import (
    EVERY_DAY,
    Times,
    clock_text,
    days_text,
    parse_days,
    parse_end,
    parse_start,
    parse_times,
)
from protocol.messages.limiting import ChangeLimits

_Table = MutableMapping[str, Any]


def edit_limits(document: TOMLDocument, change: ChangeLimits) -> None:
    """Make a change, which must be possible, in a document that is valid."""
    limits = table_in(document, "limits")
    if change.lan is not None:
        limits["lan"] = change.lan == "limited"
    if change.clear_schedule:
        limits.pop("schedule", None)
    if change.at is not None:
        _edit_schedule(limits, parse_times(change.at), change)
    elif change.peer is not None:
        _edit_peer(limits, change.peer, change)
    else:
        _set_rates(limits, change)


def _edit_peer(limits: _Table, name: str, change: ChangeLimits) -> None:
    peers = table_in(limits, "peers", only_tables=True)
    _set_rates(table_in(peers, name), change)
    if not peers[name]:
        del peers[name]
    if not peers:
        del limits["peers"]


def _set_rates(table: _Table, change: ChangeLimits) -> None:
    for direction, new in (("up", change.up), ("down", change.down)):
        if new is not None and new.rate is None:
            table.pop(direction, None)
        elif new is not None:
            table[direction] = rate_text(new.rate)


def _edit_schedule(limits: _Table, times: Times, change: ChangeLimits) -> None:
    windows = limits.get("schedule", [])
    same = [number for number, each in enumerate(windows) if _times_of(each) == times]
    if change.remove:
        for number in reversed(same):
            del windows[number]
        if not windows:
            limits.pop("schedule")
        return
    if not same:
        same = [len(windows)]
        windows = _with_window(limits, times)
    for direction, new in (("up", change.up), ("down", change.down)):
        if new is not None:
            # In a window "none" says something: without it the rate outside the schedule holds.
            windows[same[0]][direction] = NONE if new.rate is None else rate_text(new.rate)


def _with_window(limits: _Table, times: Times) -> Any:
    """The windows, with a new one at the end."""
    if "schedule" not in limits:
        limits["schedule"] = [] if isinstance(limits, InlineTable) else tomlkit.aot()
    windows = limits["schedule"]
    window: Any = tomlkit.table() if isinstance(windows, AoT) else tomlkit.inline_table()
    window["days"] = days_text(times.days)
    window["from"] = clock_text(times.start)
    window["to"] = clock_text(times.end)
    windows.append(window)
    return windows


def _times_of(window: _Table) -> Times:
    return Times(
        days=parse_days(window["days"]) if "days" in window else EVERY_DAY,
        start=parse_start(window["from"]),
        end=parse_end(window["to"]),
    )


def table_in(parent: _Table, key: str, *, only_tables: bool = False) -> _Table:
    """A table of another, made if need be."""
    if key not in parent:
        inline = isinstance(parent, InlineTable)
        parent[key] = (
            tomlkit.inline_table() if inline else tomlkit.table(is_super_table=only_tables or None)
        )
    found: _Table = parent[key]
    return found
