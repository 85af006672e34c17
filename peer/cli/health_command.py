"""The `health` command: one glance at how well everything is kept."""

import time

from peer.cli.app import COMMON, Common, app, fields_of
from peer.cli.daemon_client import ask_daemon
from peer.cli.output import shown
from peer.words import bytes_text, counted, duration_text, entries_text
from protocol.messages.health import GetHealth, Health, ReturnView

NOT_SAFE = 6
"""The exit code while anything is short or lost."""
EVENTS_SHOWN = 10


@app.command
def health(*, common: Common = COMMON) -> int:
    """Tell how many entries are safe, short of copies, being repaired or lost, and what to do.

    Ends with exit code 6 unless all are safe.
    """
    printer = common.printer()
    found = ask_daemon(common.path, lambda call: GetHealth(call=call), Health)
    printer.result(fields_of(found), health_text(found))
    return 0 if is_safe(found) else NOT_SAFE


def is_safe(found: Health) -> bool:
    """Whether every entry has all its copies."""
    return not (found.entries.short or found.entries.away or found.entries.lost)


def health_text(found: Health) -> str:
    """Several lines: the numbers, what is under way, whom to bring back, what happened."""
    entries = found.entries
    lines = ["tracker unreachable: this is what this machine holds"] if found.local else []
    if is_safe(found):
        lines.append(f"all safe: {entries_text(entries.safe)}")
    else:
        facts = [f"{entries.safe} safe", f"{entries.short} short of copies"]
        facts[1] += f" ({entries.repairing} being repaired)" if entries.repairing else ""
        facts += [f"{entries.away} lost for now"] if entries.away else []
        facts += [f"{entries.lost} lost"] if entries.lost else []
        lines.append(", ".join(facts))
    if found.missing:
        lines.append(f"to copy: {bytes_text(found.missing)}, {_pace_text(found)}")
    lines += [return_text(each) for each in found.returns]
    for event in found.events[:EVENTS_SHOWN]:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(event.when / 1000))
        lines.append(f"{when}  {shown(event.text)}")
    return "\n".join(lines)


def return_text(each: ReturnView) -> str:
    """What it does to bring back a machine, and how long nothing else is done about it."""
    gains = []
    if each.found:
        gains.append(f"saves {entries_text(each.found)} that nobody else has")
    if each.safe:
        gains.append(f"makes {entries_text(each.safe)} safe again")
    text = f"bring back {shown(each.name)}: {', '.join(gains)}"
    return text if each.out is None else f"{text}; repair starts in {duration_text(each.out)}"


def _pace_text(found: Health) -> str:
    if found.left is None:
        return "nothing is being copied to this machine now"
    return (
        f"{duration_text(found.left)} at {bytes_text(found.rate)}/s, as this machine now fetches "
        f"{counted(found.fetching, 'copy', 'copies')}"
    )
