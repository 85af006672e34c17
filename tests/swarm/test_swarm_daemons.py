"""Daemons by themselves: one a data directory, an orderly end, and strangers who call."""

import os
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from processes import run_command
from swarm import Swarm

pytestmark = pytest.mark.swarm

DROPPED_WITHIN = 10.0


def client_hello() -> bytes:
    """What a browser says first."""
    outgoing = ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="x")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def call_as_stranger(port: int, words: bytes) -> tuple[bytes, float]:
    """Say something, and listen until the connection is closed: what came, and after how long."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
        started = time.monotonic()
        line.settimeout(DROPPED_WITHIN + 5)
        try:
            line.sendall(words)
            while part := line.recv(4096):
                received += part
        except ConnectionError:
            pass  # closed, in the other way
    return received, time.monotonic() - started


def test_strangers_get_no_byte_and_are_dropped(three: Swarm) -> None:
    peer = three.peers["a"]
    listens = three.ok(peer, "status")["peer"]["listen"]
    ports = (int(listens.rpartition(":")[2]), three.tracker_port)
    words = {
        "nothing": b"",
        "one byte": b"T",
        "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "TLS": client_hello(),
        "random bytes": os.urandom(4096),
        "many random bytes": os.urandom(1 << 20),
        "zeros": bytes(1000),
    }
    calls = [(port, name) for port in ports for name in words]
    with ThreadPoolExecutor(len(calls)) as pool:
        ends = list(pool.map(lambda call: call_as_stranger(call[0], words[call[1]]), calls))
    for (_, name), (received, seconds) in zip(calls, ends, strict=True):
        assert received == b"", name
        assert seconds < DROPPED_WITHIN + 1, name
    assert three.ok(peer, "status")["tracker"]["state"] == "connected"
    assert three.tracker is not None
    assert three.tracker.alive()


def test_a_second_daemon_on_one_data_directory(three: Swarm) -> None:
    peer = three.peers["a"]
    second = three.cli(peer, "run", "--listen", "127.0.0.1:0", "--web", "off")
    assert second.code == 1
    assert "already running" in second.result["error"]
    assert three.ok(peer, "status")["tracker"]["state"] == "connected"


def test_a_second_tracker_on_one_data_directory(three: Swarm) -> None:
    second = three.tracker_cli("run", "--listen", "127.0.0.1:0")
    assert second.code == 1
    assert "in use by another tracker" in second.result["error"]


def test_an_orderly_end(swarm: Swarm) -> None:
    peer = swarm.add_peer("a", web=True)
    swarm.wait_until(lambda: swarm.ok(peer, "status")["web"], "the page is up")
    started = time.monotonic()
    assert swarm.stop(peer) == 0
    assert time.monotonic() - started < 2.5
    assert swarm.tracker is not None
    assert swarm.tracker.stop() == 0
    assert swarm.cli(peer, "status").code == 4


def test_a_page_does_not_outlive_a_killed_daemon(swarm: Swarm) -> None:
    peer = swarm.join_peer("a", web=True)
    for _ in range(5):  # it has been a matter of chance
        swarm.start(peer)
        swarm.wait_until(lambda: swarm.ok(peer, "status")["web"], "the page is up")
        swarm.kill9(peer)
        daemon = peer.daemon
        assert daemon is not None
        assert daemon.children
        swarm.wait_until(lambda d=daemon: not d.left_behind(), "the page has ended", seconds=5)


def test_a_port_that_is_taken(swarm: Swarm) -> None:
    peer = swarm.join_peer("a")
    taken = f"127.0.0.1:{swarm.tracker_port}"
    answer = swarm.cli(peer, "run", "--listen", taken, "--web", "off")
    assert answer.code == 1
    assert taken in answer.result["error"]


def test_a_tracker_without_a_swarm(swarm: Swarm) -> None:
    data = str(swarm.root / "nothing")
    answer = run_command("tracker", "run", "--data", data, "--json")
    assert answer.code == 1
    assert answer.result["type"] == "error"
