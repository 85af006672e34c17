"""/metrics, /healthz and /readyz, over HTTP on in-memory streams; and what they tell."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from tracker_support import Swarm, entry_of, held_up, manifest_of, signed

from protocol.connection import Ended
from protocol.messages.shared import GetMachines
from protocol.messages.tending import GetTrackerStatus, TrackerStatus
from protocol.messages.tracking import Publish, PutManifest, Search
from tracker.figures import gauges
from tracker.plain_http import MOST_HEAD, MOST_OPEN, PATIENCE, PlainHttp
from tracker.probes import LOOK_TIME, Probes

Fetch = Callable[..., Any]


class Watcher:
    """A program that watches the tracker of a test."""

    def __init__(self, club: Swarm) -> None:
        tracker = club.tracker
        tracker.metrics.look(gauges(tracker))
        self.probes = Probes(tracker.database, tracker.metrics, tracker.sizes, club.nursery)
        self.probes.listening = True
        self.http = PlainHttp(self.probes.paths())
        self._nursery = club.nursery

    def connect(self) -> trio.StapledStream[Any, Any]:
        ours, theirs = trio.testing.memory_stream_pair()
        self._nursery.start_soon(self.http.serve, theirs)
        return ours

    async def said(self, request: bytes) -> bytes:
        stream = self.connect()
        await stream.send_all(request)
        answer = b""
        while received := await stream.receive_some():
            answer += received
        return answer

    async def get(self, path: str, method: str = "GET") -> tuple[int, bytes]:
        answer = await self.said(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body

    async def metrics(self) -> dict[tuple[str, ...], float]:
        status, body = await self.get("/metrics")
        assert status == 200
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(body.decode())
            for sample in family.samples
        }


def rename(club: Swarm, old: str, new: str) -> None:
    """Not by `write`, which locks a row of the table on PostgreSQL."""
    with club.database.engines.writer.begin() as connection:
        connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))


@pytest.mark.trio
async def test_alive_is_not_ready(club: Swarm) -> None:
    watcher = Watcher(club)
    assert await watcher.get("/healthz") == (200, b'{"state":"ok"}')
    assert await watcher.get("/readyz") == (200, b'{"state":"ready"}')
    watcher.probes.listening = False
    assert await watcher.get("/readyz") == (503, b'{"state":"not listening"}')
    watcher.probes.listening = True
    rename(club, "swarm", "away")
    status, body = await watcher.get("/readyz")
    assert (status, json.loads(body)["state"]) == (503, "the database cannot be written")
    assert (await watcher.get("/healthz"))[0] == 200
    rename(club, "away", "swarm")
    assert (await watcher.get("/readyz"))[0] == 200


@pytest.mark.trio
async def test_a_database_that_hangs_is_not_asked_again_and_again(
    club: Swarm, mock_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = Watcher(club)
    answers = []

    async def ask() -> None:
        answers.append(await watcher.get("/readyz"))

    submitted = []
    submit = club.database.submit
    async with trio.open_nursery() as nursery:
        with held_up(club.database, nursery):  # somebody writes for long
            await trio.testing.wait_all_tasks_blocked()
            monkeypatch.setattr(
                club.database, "submit", lambda *each: submitted.append(each) or submit(*each)
            )
            for _ in range(3):
                nursery.start_soon(ask)
                await trio.testing.wait_all_tasks_blocked()
                mock_clock.jump(LOOK_TIME)
                await trio.testing.wait_all_tasks_blocked()
            assert answers == [(503, b'{"state":"the database is slow"}')] * 3
            assert len(submitted) == 1
    assert (await watcher.get("/readyz"))[0] == 200


@pytest.mark.trio
async def test_what_is_counted(club: Swarm) -> None:
    watcher, machine, manifest = Watcher(club), club.admit("secret-name"), manifest_of(2)
    club.admit("away")
    talk = await club.present(machine)
    await talk.ask(Publish, record=signed(entry_of(manifest, machine, name="secret film"), machine))
    header = PutManifest(call=900, length=len(manifest.encoded), manifest=manifest.id)
    await talk.channel.send_bytes(header, manifest.encoded)
    await talk.ask(Search, words="secret")
    await talk.ask(GetMachines)
    now = await watcher.metrics()
    name = "twofold_tracker_requests_total"
    assert (now[name, "done", "Publish"], now[name, "done", "Search"]) == (1, 1)
    assert now["twofold_tracker_request_seconds_count", "Search"] == 1
    assert now["twofold_tracker_connections", "member"] == 1
    assert now["twofold_tracker_members", "live"] == 1
    assert now["twofold_tracker_members", "suspect"] == 1
    assert now["twofold_tracker_entries",] == now["twofold_tracker_manifests",] == 1
    assert now["twofold_tracker_holdings",] == 0
    assert now["twofold_tracker_database_bytes",] > 4096
    assert now["twofold_tracker_moved_bytes_total", "received"] > 500
    assert now["twofold_tracker_moved_bytes_total", "sent"] > 500
    assert now["twofold_tracker_search_index_age_seconds",] == 0
    assert now["process_resident_memory_bytes",] > 1 << 20
    said = " ".join(" ".join(labels) for labels in now)
    for secret in ("secret", machine.peer.hex()[:8], "192.168"):
        assert secret not in said


@pytest.mark.trio
async def test_an_operator_is_told_how_the_tracker_does(
    club: Swarm, mock_clock: trio.testing.MockClock
) -> None:
    talk = await club.present(club.admit("laptop"))
    club.admit("away")
    await talk.ask(Search, words="")
    mock_clock.jump(2.0)
    status = await (await club.operate()).ask(GetTrackerStatus)
    assert isinstance(status, TrackerStatus)
    assert (status.live, status.suspect, status.gone) == (1, 1, 0)
    assert (status.swarm, status.connections, status.uptime) == ("club", 2, 2000)
    assert status.addresses == ("nas.local:4100",)
    counted = {each.request: each for each in status.requests}
    assert (counted["Search"].total, counted["Search"].minute) == (1, 1)
    assert counted["Search"].failed == 0


@pytest.mark.trio
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 405),
        (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
        (b"GET /healthz?x=1 HTTP/1.1\r\nHost: x\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n", 200),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"\0" * 100 + b"\r\n\r\n", 400),
        (b"GET /" + b"x" * 2 * MOST_HEAD, 431),
    ],
)
async def test_odd_requests(club: Swarm, request_: bytes, status: int) -> None:
    answer = await Watcher(club).said(request_)
    assert int(answer.split()[1]) == status
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"Connection: close" in answer


@pytest.mark.trio
async def test_head_has_no_body(club: Swarm) -> None:
    watcher = Watcher(club)
    assert await watcher.get("/healthz", "HEAD") == (200, b"")


@pytest.mark.trio
async def test_slow_ones_are_cut_and_many_are_shut(
    club: Swarm, mock_clock: trio.testing.MockClock
) -> None:
    watcher = Watcher(club)
    slow = [watcher.connect() for _ in range(MOST_OPEN)]
    await trio.testing.wait_all_tasks_blocked()
    assert await watcher.connect().receive_some() == b""
    mock_clock.jump(PATIENCE)
    for stream in slow:
        assert await stream.receive_some() == b""
    assert (await watcher.get("/healthz"))[0] == 200


@pytest.mark.trio
async def test_a_member_may_not_ask_what_operators_do(club: Swarm) -> None:
    talk = await club.present(club.admit("laptop"))
    await talk.channel.send(GetTrackerStatus(call=1))
    assert isinstance(await talk.channel.receive(), Ended)
