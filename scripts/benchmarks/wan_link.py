"""An emulated link between two network namespaces, made of two tun devices and `wan_link.c`.

For kernels that have no netem, and without changing the machine's own network. Needs root and gcc.
Namespaces carry the number of the process that made them, so that what a killed run has left is
known and taken away by the next.
"""

import contextlib
import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.needs import program
from benchmarks.places import NAMESPACES, Ends, Place, inside

NEEDS = ("root", "gcc", "ip", "tun")
_SOURCE = Path(__file__).with_suffix(".c")
_PREFIX = "twofold-bench-"
_ADDRESSES = ("10.213.77.1", "10.213.77.2")
_DEVICE = b"wan"
_SET_INTERFACE = 0x400454CA  # TUNSETIFF
_TUN_BARE = 0x1001  # IFF_TUN | IFF_NO_PI
_SYSCTL = Path("/proc/sys/net/ipv4")


@dataclass(frozen=True)
class LinkKind:
    """How a link is, the same both ways. The queue holds what is sent in one round trip."""

    megabits: int = 200
    round_trip_ms: int = 50
    loss_percent: float = 0.0

    @property
    def queue_bytes(self) -> int:
        """One product of bandwidth and delay."""
        return self.megabits * 1000 * self.round_trip_ms // 8


@contextlib.contextmanager
def wan_link(folder: Path, kind: LinkKind, congestion_control: str, seed: int) -> Iterator[Ends]:
    """Have the link; where its two ends are. Nothing of it is left afterwards."""
    _remove_abandoned()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_allowed(congestion_control))
        places = [
            stack.enter_context(_namespace(Place(address, f"{_PREFIX}{os.getpid()}-{number}")))
            for number, address in enumerate(_ADDRESSES)
        ]
        devices = [stack.enter_context(_device(place)) for place in places]
        for place in places:
            with inside(place):
                (_SYSCTL / "tcp_congestion_control").write_text(congestion_control)
        stack.enter_context(_emulator(folder, kind, devices, seed))
        yield Ends(places[0], places[1])


@contextlib.contextmanager
def _namespace(place: Place) -> Iterator[Place]:
    assert place.namespace is not None
    _ip("netns", "add", place.namespace)
    try:
        _ip("-n", place.namespace, "link", "set", "lo", "up")
        yield place
    finally:
        _ip("netns", "del", place.namespace)


@contextlib.contextmanager
def _device(place: Place) -> Iterator[int]:
    """The open tun device of a place; it goes when it is closed."""
    assert place.namespace is not None
    with inside(place):
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(device, _SET_INTERFACE, struct.pack("16sH22x", _DEVICE, _TUN_BARE))
        except BaseException:
            os.close(device)
            raise
    try:
        name = _DEVICE.decode()
        _ip("-n", place.namespace, "addr", "add", f"{place.address}/24", "dev", name)
        _ip("-n", place.namespace, "link", "set", name, "up", "mtu", "1500", "txqueuelen", "5000")
        yield device
    finally:
        os.close(device)


@contextlib.contextmanager
def _emulator(folder: Path, kind: LinkKind, devices: list[int], seed: int) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    built = folder / "wan_link"
    subprocess.run([program("gcc"), "-O2", "-o", str(built), str(_SOURCE)], check=True)
    delay = kind.round_trip_ms * 1000 // 2
    numbers = (*devices, kind.megabits * 10**6, delay, kind.queue_bytes, kind.loss_percent, seed)
    running = subprocess.Popen(
        [str(built), *map(str, numbers)],
        stdin=subprocess.PIPE,
        pass_fds=devices,
    )
    try:
        yield
    finally:
        # Its standard input ends; so does it.
        running.communicate(timeout=10)


@contextlib.contextmanager
def _allowed(congestion_control: str) -> Iterator[None]:
    """Allow it for a while, and BBR only if that is it: machines allow to all or to none."""
    allowed = _SYSCTL / "tcp_allowed_congestion_control"
    before = allowed.read_text()
    others = [name for name in before.split() if name not in ("bbr", congestion_control)]
    allowed.write_text(" ".join([*others, congestion_control]))
    try:
        yield
    finally:
        allowed.write_text(before)


def _remove_abandoned() -> None:
    """Take away the namespaces of runs that were killed."""
    for path in Path(NAMESPACES).glob(f"{_PREFIX}*"):
        pid = path.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            _ip("netns", "del", path.name)


def _ip(*words: str) -> None:
    subprocess.run([program("ip"), *words], check=True, capture_output=True)
