"""`twofold-tracker status` and `audit`: how the tracker does, and who did what."""

import time

import msgspec

from protocol.messages.tending import AuditLine, AuditLog, GetAudit, GetTrackerStatus, TrackerStatus
from tracker.command import COMMON, Common, asked, seconds_in
from tracker.data_dir import DataDir
from tracker.output import moment

_HIDDEN = {"type", "call"}
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def status(*, common: Common = COMMON) -> None:
    """Say how the running tracker does: peers, entries, requests, database."""
    directory, printer = common.open()
    found = asked(directory, GetTrackerStatus(call=0), TrackerStatus)
    fields: dict[str, object] = msgspec.to_builtins(found)
    printer.result({key: each for key, each in fields.items() if key not in _HIDDEN}, _text(found))
    printer.table(
        "Requests",
        ("REQUEST", "LAST MINUTE", "EVER", "NOT DONE"),
        [
            (each.request, str(each.minute), str(each.total), str(each.failed))
            for each in found.requests
        ],
    )


def audit(*, since: str = "", common: Common = COMMON) -> None:
    """List who joined, was revoked, left, was made an admin, and what was deleted.

    Parameters
    ----------
    since
        Not what was done longer ago than this: 15m, 24h, 7d.
    """
    directory, printer = common.open()
    begin = int((time.time() - seconds_in(since)) * 1000) if since else 0
    lines = _all_lines(directory, max(0, begin))
    printer.table(
        "AuditLog log",
        ("WHEN", "ACT", "WHAT", "WHO", "FROM", "NOTE"),
        [
            (moment(each.moment), each.act, each.what, each.who, each.host, each.note)
            for each in lines
        ],
    )
    printer.result({"lines": [msgspec.to_builtins(each) for each in lines]}, "")


def _all_lines(directory: DataDir, since: int) -> list[AuditLine]:
    lines: list[AuditLine] = []
    cursor = b""
    while True:
        page = asked(directory, GetAudit(call=0, since=since, cursor=cursor), AuditLog)
        lines += page.lines
        cursor = page.cursor
        if not cursor:
            return lines


def _text(found: TrackerStatus) -> str:
    rows = (
        ("swarm", f"{found.swarm}, roster {found.roster}"),
        ("up", f"{_duration(found.uptime // 1000)}, version {found.version}"),
        ("addresses", ", ".join(found.addresses)),
        ("metrics", found.metrics or "none"),
        ("peers", f"{found.live} live, {found.suspect} suspect, {found.gone} gone"),
        ("connections", str(found.connections)),
        ("entries", str(found.entries)),
        ("manifests", f"{found.manifests}, {found.holdings} holdings"),
        ("database", _size(found.database)),
        ("turned away", f"{found.turned_away}, put off {found.limited}"),
    )
    return "\n".join(f"{name:<12} {said}" for name, said in rows)


def _duration(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    clock = f"{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days} d {clock}" if days else clock


def _size(size: float) -> str:
    unit = 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else f"{size:.0f} bytes"
