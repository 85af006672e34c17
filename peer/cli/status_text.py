"""The daemon's status in words, for a person."""

import time

from peer.cli.limit_command import rates_text
from peer.cli.output import percent, shown
from peer.words import bytes_text, counted, duration_text, listed
from protocol.messages.operating import Status, TransferView
from protocol.messages.scrubbing import ScrubView

PURPOSES = {"get": "for you", "keep": "kept here for the swarm"}
STANDINGS = {
    "draining": "draining: takes no new pieces; to undo: twofold drain --stop",
    "leaving": "leaving the swarm: twofold leave goes on with it, twofold leave --cancel stays",
}


def status_text(status: Status) -> str:
    """Several lines: the daemon, how it sends, each transfer, what its owner should know."""
    store = status.store
    lines = [
        f"{shown(status.peer.name)} ({status.peer.id[:12]}) in {shown(status.swarm.name)}, "
        f"{counted(status.swarm.members, 'machine')}; tracker {status.tracker.state}",
        f"listening on {status.peer.listen}, page {status.web or 'off'}",
        f"holding {counted(store.pieces, 'piece')}, {bytes_text(store.bytes)} of "
        f"{bytes_text(store.capacity)}; {counted(len(status.transfers), 'transfer')}",
        f"congestion control: {', '.join(map(shown, status.congestion)) or 'not known'}",
    ]
    if status.lanes:
        lines[-1] += f"; {counted(status.lanes, 'more connection')} for pieces"
    if status.peer.standing != "active":
        lines.append(STANDINGS[status.peer.standing])
    elif store.capacity and not store.room:
        lines.append("full: no room for more pieces, by the capacity or the disk")
    lines.append(scrub_text(status.scrub))
    if status.fetched_twice:
        lines.append(f"fetched twice: {counted(status.fetched_twice, 'piece')}")
    if status.limits.up is not None or status.limits.down is not None:
        lines.append(f"limits: {rates_text(status.limits)}")
    lines += [transfer_text(transfer) for transfer in status.transfers]
    for notice in status.notices:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(notice.when / 1000))
        lines.append(f"{when}  {shown(notice.text)}")
    return "\n".join(lines)


def scrub_text(scrub: ScrubView) -> str:
    """When everything was last read, and what was found since the start."""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(scrub.completed / 1000))
    facts = [
        f"all read {when}" if scrub.completed else "not all read yet",
        f"{bytes_text(scrub.bytes)} since the start",
    ]
    if scrub.bad:
        facts.append(f"{counted(scrub.bad, 'piece')} bad, {scrub.healed} healed")
    return f"scrub{'' if scrub.days else ' off'}: {', '.join(facts)}"


def transfer_text(transfer: TransferView) -> str:
    """One download on a line: how far, how fast, how long, from whom, what for."""
    if transfer.done >= transfer.size:
        left = "finishing"
    elif transfer.left is None:
        left = "time left unknown"
    else:
        left = f"{duration_text(transfer.left)} left"
    sources = [shown(name) for name in transfer.sources]
    facts = (
        f"{percent(transfer.done, transfer.size)}% of {bytes_text(transfer.size)}",
        f"{bytes_text(transfer.rate)}/s",
        left,
        f"from {listed(sources)}" if sources else "looking for a machine that has it",
        PURPOSES[transfer.purpose],
    )
    return f"{shown(transfer.name)}: {', '.join(facts)}"
