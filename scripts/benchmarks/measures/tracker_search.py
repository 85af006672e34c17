"""tracker-search: 1,000,000 entries at the protocol: how long an answer takes, how many a second.

One member asks; three others, who hold everything, are connected. Names are real ones (see
`benchmarks.large_catalogue`), the questions are those of `page-search`: a thousand that nobody has
asked, one by one; the same again; the same sixteen at once; and sixteen at once a thousand others.
PostgreSQL has the memory that docs/operations.md says.
"""

import gc
import random
import statistics
import sys
import time
from pathlib import Path
from urllib.parse import parse_qsl

import msgspec
import postgres
import trio
from benchmarks.footprint import Account, cpu_seconds_of, memory_mib
from benchmarks.large_catalogue import fill_tracker
from benchmarks.measures.page_search import questions
from benchmarks.own_swarm import SECONDS
from benchmarks.programs import Program
from benchmarks.rounds import OWN, Case, Cases, Contender, Figures, Plan
from benchmarks.tracker_member import Asked, TrackerMember, present
from swarm import Swarm

from peer.data_dir import DataDir
from protocol.messages.base import Failed
from protocol.messages.tracking import Search
from web.entries_query import EntriesQuery

AT_ONCE = 16
_OTHERS = 1_000_000
_SETTINGS = ("shared_buffers=1GB",)


def measure_tracker_search(plan: Plan) -> Cases:
    """`size` entries, on SQLite and where it is installed on PostgreSQL; starts are figures too."""
    yield from _on(plan, plan.folder / "sqlite", "SQLite", "sqlite:")
    if postgres.programs() is not None:
        with postgres.running(*_SETTINGS) as server:
            url = server.url(server.make()).render_as_string()
            yield from _on(plan, plan.folder / "postgres", "PostgreSQL", url)


def _on(plan: Plan, folder: Path, engine: str, database: str) -> Cases:
    with Swarm(folder, database=database) as swarm:
        desk, *others = [
            swarm.join_peer(name, capacity="0") for name in ("desk", "nas", "attic", "shed")
        ]
        assert swarm.tracker is not None
        swarm.tracker.stop()
        fill_tracker(swarm, [desk, *others], plan.size)
        # Once after nothing was kept for it, once as after any stop in good order.
        starts = [_start(swarm) for _ in range(2)]
        told = {"entries": plan.size, "first_start": starts[0], "start": starts[1]}
        folders = [str(swarm.tracker_data), *(str(other.data) for other in others)]
        command = [sys.executable, "-m", "benchmarks.present_members", *folders]
        with Program(command, folder / "present") as there:
            there.read_line(SECONDS)
            pid, data = swarm.tracker.process.pid, DataDir(desk.data)
            contender = Contender(OWN, lambda number: trio.run(_ask, data, pid, number))
            yield Case([contender], label=f"search at the protocol, {engine}", told=told)


def _start(swarm: Swarm) -> Figures:
    """Start the tracker anew: until it listens, until searches are ready, and until what many
    entries have was looked up."""
    assert swarm.tracker is not None
    if swarm.tracker.alive():
        swarm.tracker.stop()
    began = time.perf_counter()
    swarm.start_tracker()
    listens = time.perf_counter() - began
    log, pid = swarm.tracker.errors, swarm.tracker.process.pid
    swarm.wait_until(lambda: "searches are ready" in log.read_text(), "searches", SECONDS)
    ready, cpu = time.perf_counter() - began, cpu_seconds_of(pid)
    swarm.wait_until(lambda: "searches are quick" in log.read_text(), "what is common", SECONDS)
    return {
        "listens_s": listens,
        "ready_s": ready,
        "ready_cpu_s": cpu,
        "quick_s": time.perf_counter() - began,
        "rss_mib": memory_mib(pid),
    }


async def _ask(data: DataDir, tracker: int, number: int) -> Figures:
    # It keeps 50,000 listings: to go through them all again and again is no time of the tracker's.
    gc.disable()
    searches, others = (
        [Asked(each) for each in _searches(seed)] for seed in (number, number + _OTHERS)
    )
    async with present(data) as member:
        took = await _seconds(member, searches, 1)
        again = await _seconds(member, searches, 1)
        rate = await _rate(member, tracker, searches)
        new = await _rate(member, tracker, others)
    gc.enable()
    return {
        **_cuts(took),
        **{f"again_{name}": each for name, each in _cuts(again).items()},
        **rate,
        **{f"new_{name}": each for name, each in new.items()},
        "rss_mib": memory_mib(tracker),
    }


async def _rate(member: TrackerMember, tracker: int, searches: list[Asked]) -> Figures:
    account, began = Account(tracker), trio.current_time()
    await _seconds(member, searches, AT_ONCE)
    whole = trio.current_time() - began
    account.note()
    return {
        "per_second": len(searches) / whole,
        "per_cpu_second": len(searches) / account.cpu_seconds,
    }


def _cuts(took: list[float]) -> Figures:
    cuts = statistics.quantiles((1000 * each for each in took), n=100)
    return {"p50_ms": cuts[49], "p99_ms": cuts[98], "max_ms": 1000 * max(took)}


async def _seconds(member: TrackerMember, searches: list[Asked], at_once: int) -> list[float]:
    answers = await member.ask(searches, at_once)
    for _, reply in answers:
        assert not isinstance(reply, Failed), reply
    return [seconds for seconds, _ in answers]


def _searches(number: int) -> list[Search]:
    found = []
    for question in questions(random.Random(number)):
        asked = msgspec.convert(dict(parse_qsl(question)), EntriesQuery, strict=False).question()
        found.append(Search(call=0, words=asked.words, filters=asked.filters, sort=asked.sort))
    return found
