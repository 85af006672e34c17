"""The daemon's status in words, for a person."""

import time
from collections.abc import Sequence

from peer.cli.limit_command import rates_text
from peer.cli.output import bytes_text, duration_text, percent, shown
from protocol.messages.operating import Status, TransferView

PURPOSES = {"get": "for you", "keep": "kept here for the swarm"}
MOST_NAMES = 3


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
    if status.fetched_twice:
        lines.append(f"fetched twice: {counted(status.fetched_twice, 'piece')}")
    if status.limits.up is not None or status.limits.down is not None:
        lines.append(f"limits: {rates_text(status.limits)}")
    lines += [transfer_text(transfer) for transfer in status.transfers]
    for notice in status.notices:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(notice.when / 1000))
        lines.append(f"{when}  {shown(notice.text)}")
    return "\n".join(lines)


def transfer_text(transfer: TransferView) -> str:
    """One download on a line: how far, how fast, how long, from whom, what for."""
    if transfer.done >= transfer.size:
        left = "finishing"
    elif transfer.left is None:
        left = "time left unknown"
    else:
        left = f"{duration_text(transfer.left)} left"
    sources = transfer.sources
    facts = (
        f"{percent(transfer.done, transfer.size)}% of {bytes_text(transfer.size)}",
        f"{bytes_text(transfer.rate)}/s",
        left,
        f"from {_listed(sources)}" if sources else "looking for a machine that has it",
        PURPOSES[transfer.purpose],
    )
    return f"{shown(transfer.name)}: {', '.join(facts)}"


def counted(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _listed(names: Sequence[str]) -> str:
    if len(names) > MOST_NAMES:
        names = (*names[: MOST_NAMES - 1], f"{len(names) - MOST_NAMES + 1} more")
    safe = [shown(name) for name in names]
    return " and ".join([", ".join(safe[:-1]), safe[-1]] if len(safe) > 1 else safe)
