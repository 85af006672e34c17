"""Processor time and memory of a process and all below it, as the kernel counts them (/proc)."""

import contextlib
import os
from pathlib import Path

from benchmarks.rounds import Figures

_TICKS = os.sysconf("SC_CLK_TCK")


class Account:
    """What a process and those it starts use from now on. `note` it before they end."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._before = cpu_seconds_of(pid)
        self.cpu_seconds = 0.0
        self.peak_mib = 0.0
        for each in family(pid):
            with contextlib.suppress(OSError):
                Path(f"/proc/{each}/clear_refs").write_text("5")

    def note(self) -> None:
        """Look now. Of a process that has ended and was not waited for, the time still counts."""
        self.cpu_seconds = max(self.cpu_seconds, cpu_seconds_of(self._pid) - self._before)
        peaks = sum(memory_mib(each, "VmHWM") for each in family(self._pid))
        self.peak_mib = max(self.peak_mib, peaks)


def transfer_figures(size: int, seconds: float, sender: Account, taker: Account) -> Figures:
    """What a transfer took, of both sides."""
    gigabytes = size / 1e9
    return {
        "seconds": seconds,
        "cpu_s_per_gb": (sender.cpu_seconds + taker.cpu_seconds) / gigabytes,
        "sender_cpu_s_per_gb": sender.cpu_seconds / gigabytes,
        "taker_cpu_s_per_gb": taker.cpu_seconds / gigabytes,
        "sender_peak_mib": sender.peak_mib,
        "taker_peak_mib": taker.peak_mib,
    }


def family(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for each in found:
        for children in Path(f"/proc/{each}/task").glob("*/children"):  # one for each thread
            with contextlib.suppress(OSError):
                found += [int(word) for word in children.read_text().split()]
    return found


def memory_mib(pid: int, which: str = "VmRSS") -> float:
    """One process's memory, `VmRSS` now or `VmHWM` at its highest; 0 when it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(which + ":"):
                return int(line.split()[1]) / 1024
    return 0.0


def has_ended(pid: int) -> bool:
    """Whether a child of ours has ended and waits to be waited for."""
    fields = _stat_fields(pid)
    return not fields or fields[0] == "Z"


def cpu_seconds_of(pid: int) -> float:
    """What a process and those it started have used so far."""
    ticks = 0
    for each in family(pid):
        fields = _stat_fields(each)
        # Its own time in user and kernel, then that of children it has waited for.
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / _TICKS


def _stat_fields(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
