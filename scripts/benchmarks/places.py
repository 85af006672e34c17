"""Where programs run: an address on this machine, perhaps inside a network namespace."""

import contextlib
import ctypes
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.rounds import RivalError

_LIBC = ctypes.CDLL(None, use_errno=True)
_NEW_NETWORK = 0x40000000
NAMESPACES = "/run/netns"


@dataclass(frozen=True)
class Place:
    """An address to listen at and to be reached at; `namespace` None: this process's own."""

    address: str
    namespace: str | None = None


@dataclass(frozen=True)
class Ends:
    """Where the two sides of a transfer are."""

    sender: Place
    taker: Place


# Addresses of their own, as some programs take two peers at one address for the same.
ON_LOOPBACK = Ends(Place("127.0.0.2"), Place("127.0.0.3"))


@contextlib.contextmanager
def inside(place: Place) -> Iterator[None]:
    """Have this thread, and processes it starts meanwhile, in the place's network."""
    if place.namespace is None:
        yield
        return
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(f"{NAMESPACES}/{place.namespace}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _enter(before)
    finally:
        os.close(before)


def free_port(place: Place) -> int:
    """A TCP port that nothing listens on there."""
    with inside(place), socket.socket() as probe:
        probe.bind((place.address, 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(place: Place, port: int, seconds: float = 20.0) -> None:
    """Wait until something listens there; RivalError when nothing does in time."""
    deadline = time.monotonic() + seconds
    while True:
        with inside(place), socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex((place.address, port)) == 0:
                return
        if time.monotonic() > deadline:
            raise RivalError(f"nothing listens at {place.address}:{port} after {seconds:.0f} s")
        time.sleep(0.01)


def _enter(descriptor: int) -> None:
    if _LIBC.setns(descriptor, _NEW_NETWORK):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), "setns")
