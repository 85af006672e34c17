"""page-search: how long the page waits for what somebody types, with 100,000 entries.

A real tracker, daemon and page. The tracker's database is filled before it starts; each question
goes to the page's own interface, over one connection, with words of the names that are there.
"""

import json
import random
import re
import statistics
import sys
import time
import urllib.parse
from itertools import islice

from benchmarks.large_catalogue import fill_tracker, names
from benchmarks.own_page import OwnPage
from benchmarks.own_swarm import SECONDS
from benchmarks.programs import Program
from benchmarks.rounds import OWN, Case, Cases, Contender, Figures, Plan
from swarm import Swarm

ENTRIES = 100_000
QUESTIONS = 1_000
_WARM = 30
_LETTERS = re.compile(r"\w+")
_DAY = 86_400_000


def measure_page_search(plan: Plan) -> Cases:
    """Words, parts of words, filters and orders, mixed; p50 and p99 of the answers."""
    with Swarm(plan.folder) as swarm:
        desk = swarm.join_peer("desk", web=True, capacity="0")
        others = [swarm.join_peer(name, capacity="0") for name in ("nas", "attic", "shed")]
        assert swarm.tracker is not None
        swarm.tracker.stop()
        fill_tracker(swarm, [desk, *others], ENTRIES)
        swarm.start_tracker()
        swarm.start(desk)
        page = OwnPage(swarm, desk)
        contender = Contender(OWN, lambda number: _ask(page, number))
        told = {"entries": ENTRIES, "questions": QUESTIONS}
        folders = [swarm.tracker_data, *(other.data for other in others)]
        command = [sys.executable, "-m", "benchmarks.present_members", *map(str, folders)]
        with Program(command, plan.folder / "present") as present:
            present.read_line(SECONDS)
            yield Case([contender], label="search, all machines there", told=told)
        yield Case([contender], label="search, all machines but one away", told=told)


def _ask(page: OwnPage, number: int) -> Figures:
    connection, took = page.connect(), []
    for question in questions(random.Random(number)):
        began = time.perf_counter()
        connection.request("GET", f"/api/v1/entries?{question}", headers=page.headers)
        answer = connection.getresponse()
        body = answer.read()
        took.append(1000 * (time.perf_counter() - began))
        if answer.status != 200 or "entries" not in json.loads(body):
            raise SystemExit(f"{question} was answered with {answer.status}: {body[:200]!r}")
    connection.close()
    cuts = statistics.quantiles(took[_WARM:], n=100)
    return {"p50_ms": cuts[49], "p99_ms": cuts[98], "max_ms": max(took[_WARM:])}


def questions(chance: random.Random) -> list[str]:
    """Queries of the page's interface, mixed."""
    known = [word for name, _ in islice(names(), ENTRIES) for word in _LETTERS.findall(name)]
    asked = []
    for _ in range(_WARM + QUESTIONS):
        word = chance.choice(known)
        words = chance.choice(
            ("", word, word[: chance.randint(1, len(word))], f"{word[:4]} {chance.choice(known)}")
        )
        given = {"q": words, **_filters(chance), **_order(chance)}
        asked.append(urllib.parse.urlencode(given))
    return asked


def _filters(chance: random.Random) -> dict[str, object]:
    ago = int(time.time() * 1000) - chance.choice((1, 7, 30, 365)) * _DAY
    every: tuple[dict[str, object], ...] = (
        {"kind": chance.choice(("file", "folder", "image", "document", "archive"))},
        {"least": 10 ** chance.randint(3, 10)},
        {"most": 10 ** chance.randint(3, 10)},
        {"after": ago},
        {"before": ago},
        {"author": chance.choice(("desk", "nas", "attic"))},
        {"machine": chance.choice(("nas", "attic", "shed"))},
        {"copies": chance.choice(("short", "safe"))},
    )
    given: dict[str, object] = {}
    for each in chance.sample(every, chance.choice((0, 0, 1, 1, 2, 3))):
        given |= each
    return {} if {"least", "most"} <= given.keys() or {"after", "before"} <= given.keys() else given


def _order(chance: random.Random) -> dict[str, object]:
    sort = chance.choice(("", "", "newest", "oldest", "name", "largest", "smallest"))
    return {"sort": sort} if sort else {}
