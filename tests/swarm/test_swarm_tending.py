"""A tracker as its operator sees it, with real peers: watched, limited, stopped."""

import json
import signal
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from swarm import Peer, Swarm, write_random

pytestmark = pytest.mark.swarm


def fetch(swarm: Swarm, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{swarm.metrics}{path}", timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def logged(peer: Peer, words: str) -> int:
    assert peer.daemon is not None
    return peer.daemon.errors.read_text().count(words)


def test_a_tracker_tells_how_it_does(swarm: Swarm, tmp_path: Path) -> None:
    a, _ = swarm.add_peers("a", "b")
    swarm.ok(a, "add", str(write_random(tmp_path / "film", 1_000_000)), "--wait")
    assert fetch(swarm, "/healthz") == (200, '{"state":"ok"}')
    assert fetch(swarm, "/readyz") == (200, '{"state":"ready"}')
    assert fetch(swarm, "/")[0] == 404

    def counted() -> dict[tuple[str, ...], float]:
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(fetch(swarm, "/metrics")[1])
            for sample in family.samples
        }

    swarm.wait_until(lambda: counted()["twofold_tracker_holdings",] == 2, "both copies count")
    now = counted()
    assert now["twofold_tracker_members", "live"] == 2
    assert now["twofold_tracker_connections", "member"] == 2
    assert now["twofold_tracker_requests_total", "done", "Publish"] == 1
    status = swarm.tracker_ok("status")
    assert (status["live"], status["entries"], status["metrics"]) == (2, 1, swarm.metrics)
    deleted = swarm.ok(a, "ls")["entries"][0]["id"]
    swarm.ok(a, "rm", deleted)
    acts = [each["act"] for each in swarm.tracker_ok("audit")["lines"]]
    assert acts == ["joined", "joined", "deleted"]


def test_a_stop_is_told_and_peers_come_back(swarm: Swarm) -> None:
    a, b = swarm.add_peers("a", "b")
    assert swarm.tracker is not None
    assert swarm.tracker.stop() == 0
    for peer in (a, b):
        swarm.wait_until(
            lambda peer=peer: logged(peer, "asks to come back later") == 1, "it was told"
        )
    assert swarm.tracker_cli("status").code == 4
    swarm.start_tracker("--log-json")
    for peer in (a, b):
        swarm.ok(peer, "status", "--wait", "20")
    lines = [json.loads(line) for line in swarm.tracker.errors.read_text().splitlines()]
    assert {line["event"] for line in lines} >= {"listening"}
    swarm.tracker.process.send_signal(signal.SIGINT)
    assert swarm.tracker.process.wait(15) == 0


def test_peers_that_are_pushed_back_all_come_in(swarm: Swarm) -> None:
    """As if many were behind one address: each is told when, and comes then."""
    peers = swarm.add_peers("a", "b", "c")
    assert swarm.tracker is not None
    swarm.tracker.stop()
    swarm.start_tracker("--limit", "sessions=0.5/1", "--limit", "handshakes=3/2")
    for peer in peers:
        swarm.ok(peer, "status", "--wait", "40")
    assert sum(logged(peer, "too many at once") for peer in peers) >= 1
    assert swarm.tracker_ok("status")["limited"] >= 1


def test_a_peer_that_asks_too_much_waits_and_is_answered(swarm: Swarm, tmp_path: Path) -> None:
    a = swarm.add_peer("a")
    assert swarm.tracker is not None
    swarm.tracker.stop()
    swarm.start_tracker("--limit", "searches=0.3/1", "--limit", "publishes=0.3/1")
    swarm.ok(a, "status", "--wait", "20")
    for number in range(3):
        swarm.ok(a, "add", str(write_random(tmp_path / f"film{number}", 100_000)))
        assert swarm.ok(a, "ls")["local"] is False
    assert logged(a, "the tracker is busy") >= 1
    assert swarm.tracker_ok("status")["limited"] >= 1
    swarm.wait_until(lambda: swarm.tracker_ok("status")["entries"] == 3, "all are published")
