"""Two machines on a network of their own, as two network namespaces. Needs root, and `ip`."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


def ip(*arguments: str) -> str:
    """One `ip` command."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
    return done.stdout


@contextmanager
def two_machines() -> Iterator[tuple[str, str]]:
    """The names of two namespaces, 10.91.0.1 and 10.91.0.2, joined by a cable; removed at the end.

    Skips where we are not root, and so fails in CI.
    """
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    names = (f"twofold-{os.getpid()}-a", f"twofold-{os.getpid()}-b")
    made = []
    try:
        for name in names:
            ip("netns", "add", name)
            made.append(name)
        ip(
            "link",
            "add",
            "lan0",
            "netns",
            names[0],
            "type",
            "veth",
            "peer",
            "lan0",
            "netns",
            names[1],
        )
        for number, name in enumerate(names, 1):
            ip("-n", name, "address", "add", f"10.91.0.{number}/24", "dev", "lan0")
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", "lan0", "up")
        yield names
    finally:
        for name in made:
            ip("netns", "delete", name)


def move(namespace: str, old: str, new: str) -> None:
    """Give the machine in a namespace another address."""
    ip("-n", namespace, "address", "delete", f"{old}/24", "dev", "lan0")
    ip("-n", namespace, "address", "add", f"{new}/24", "dev", "lan0")
