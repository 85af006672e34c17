"""One client for everybody: takes and sends a file over HTTP as fast as a socket goes.

What it takes it does not look at: the kernel throws it away (MSG_TRUNC). What it sends goes by
sendfile, from the page cache. So nearly all that is measured is the server.
"""

import socket
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.rounds import RivalError

_AT_ONCE = 1 << 20
_SECONDS = 300.0
_MOST_HEADER = 1 << 16


def take(host: str, port: int, path: str, size: int, headers: Mapping[str, str]) -> float:
    """Take a file of `size` bytes; seconds from opening the connection to its last byte."""
    began = time.perf_counter()
    with socket.create_connection((host, port), timeout=_SECONDS) as link:
        link.sendall(_head("GET", host, port, path, headers))
        status, _, beyond = _answer(link)
        if status != 200:
            raise RivalError(f"{path} was answered with {status}")
        left = size - len(beyond)
        dropped = bytearray(_AT_ONCE)
        while left > 0:
            # Of TCP the kernel then throws away what it would have copied here.
            got = link.recv_into(dropped, min(left, _AT_ONCE), socket.MSG_TRUNC)
            if not got:
                raise RivalError(f"{path} ended {left} bytes early")
            left -= got
    return time.perf_counter() - began


def send(
    link: socket.socket, method: str, path: str, source: Path, headers: Mapping[str, str]
) -> tuple[int, Mapping[str, str]]:
    """Send a file as the body of one request; status and headers of the answer."""
    host, port = link.getpeername()[:2]
    length = {"Content-Length": str(source.stat().st_size)}
    link.sendall(_head(method, host, port, path, {**headers, **length}))
    with source.open("rb") as file:
        link.sendfile(file)
    status, said, _ = _answer(link)
    return status, said


def ask(
    link: socket.socket, method: str, path: str, headers: Mapping[str, str]
) -> tuple[int, Mapping[str, str]]:
    """One request without a body."""
    host, port = link.getpeername()[:2]
    link.sendall(_head(method, host, port, path, {**headers, "Content-Length": "0"}))
    status, said, _ = _answer(link)
    return status, said


def _head(method: str, host: str, port: int, path: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}:{port}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def _answer(link: socket.socket) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers, and what has come of the body."""
    got = b""
    while b"\r\n\r\n" not in got:
        more = link.recv(4096)
        if not more or len(got) > _MOST_HEADER:
            raise RivalError(f"no answer but {got[:100]!r}")
        got += more
    head, _, beyond = got.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    said = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return int(first.split()[1]), said, beyond
