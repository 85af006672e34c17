"""The measures: each makes lines of figures, one a case."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb
from statistics import mean
from time import process_time

from durability_model.churn import DAY, HOUR, MINUTE, YEAR, Month, Rates, draw_month
from durability_model.formula import (
    compare,
    count_pairs,
    expected_pairs,
    expected_share,
    share_of_a_pair,
)
from durability_model.ledger import Ledger
from durability_model.places import Places, Ranks
from durability_model.shared import Placed, draw_shared
from durability_model.simulation import Settings, Simulation

Line = dict[str, object]

OFTEN = 36.5
"""Deaths a machine and year when losses must be frequent: one in ten days."""
GRACES = (5 * MINUTE, 30 * MINUTE, 4 * HOUR, 12 * HOUR)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What was asked for on the command line. `settings.rate` is in bytes a second."""

    peers: int
    pieces: int
    days: float
    seed: int
    seeds: int
    deaths: float
    settings: Settings


def month(plan: Plan) -> Iterator[Line]:
    """A month as it may be: what moved and why, how long anything was at risk, what was lost."""
    began = process_time()
    drawn, ranks = _draw(plan.seed, Rates(peers=plan.peers, days=plan.days, deaths=plan.deaths))
    line = _run(plan, drawn, ranks, plan.settings)
    yield {**line, "cpu_seconds": process_time() - began}


def grace(plan: Plan) -> Iterator[Line]:
    """The same month with other grace times, and once more with machines that never sleep."""
    rates = Rates(peers=plan.peers, days=plan.days, deaths=plan.deaths)
    months, ranks = _draw_all(plan, [(plan.seed, rates), (plan.seed, replace(rates, sleeps=False))])
    for drawn in months:
        for seconds in GRACES:
            settings = replace(plan.settings, grace=seconds)
            first: Line = {"sleeps": drawn.rates.sleeps, "grace_minutes": seconds / MINUTE}
            yield {**first, **_run(plan, drawn, ranks, settings)}


def formula(plan: Plan) -> Iterator[Line]:
    """Deaths so frequent that losses are too, against n(n-1) λ² T; many seeds."""
    peers = min(plan.peers, 200)
    for absences in (False, True):
        months, ranks = _draw_dying(plan, peers, absences=absences)
        runs = [_formula_run(plan, *each, ranks) for each in enumerate(months, plan.seed)]
        line: Line = {"peers": peers, "absences": absences, "seeds": plan.seeds}
        line["deaths"] = sum(each["deaths"] for each in runs)
        line["planned_window_seconds"] = mean(each["planned"] for each in runs)
        line["measured_window_seconds"] = mean(each["window"] for each in runs)
        line["pairs"] = sum(each["pairs"] for each in runs)
        line["spans_lost"] = sum(each["lost"] for each in runs)
        for name, of, by in (
            ("pairs_over_formula", "pairs", "pairs_by_formula"),
            ("lost_over_formula", "lost", "by_planned"),
            ("lost_over_formula_with_measured_window", "lost", "by_window"),
            ("lost_over_time_with_one_copy", "lost", "by_time"),
        ):
            found = compare([each[of] for each in runs], [each[by] for each in runs])
            line[name] = [found.ratio, found.low, found.high]
        yield line


def _formula_run(plan: Plan, seed: int, drawn: Month, ranks: Ranks) -> dict[str, float]:
    rates = drawn.rates
    spans = [span for span in draw_shared(seed, plan.pieces, plan.days) if span.at == 0]
    ledger = Simulation(drawn, ranks, spans, plan.settings).run()
    during = rates.days * DAY
    planned = plan.settings.grace + mean(span.size for span in spans) / plan.settings.rate
    window = mean(ledger.windows)
    died = [event.at for event in drawn.events if event.what == "die"]
    return {
        "deaths": ledger.deaths,
        "planned": planned,
        "window": window,
        "pairs": count_pairs(died, planned),
        "pairs_by_formula": expected_pairs(rates.peers, rates.deaths, planned, during),
        "lost": len(ledger.lost),
        "by_planned": len(spans) * expected_share(rates.deaths, planned, during),
        "by_window": len(spans) * expected_share(rates.deaths, window, during),
        "by_time": ledger.one_left * rates.deaths / YEAR,
    }


def scatter(plan: Plan) -> Iterator[Line]:
    """Whole spans against pieces placed one by one: entries that a pair of deaths takes."""
    for peers in sorted({min(peers, plan.peers) for peers in (10, 50, 200, 1000)}):
        yield _scatter_by_ring(plan, peers)
    peers, pieces = min(plan.peers, 100), min(plan.pieces, 20_000)
    months, ranks = _draw_dying(plan, peers, absences=False)
    lines: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for seed, drawn in enumerate(months, plan.seed):
        for scattered in (False, True):
            spans = [s for s in draw_shared(seed, pieces, 0, scattered=scattered) if s.at == 0]
            ledger = Simulation(drawn, ranks, spans, plan.settings).run()
            entries = len({span.entry for span in spans})
            of_pieces = ledger.lost_pieces / sum(span.pieces for span in spans)
            lines[scattered].append((len(ledger.lost_entries) / entries, of_pieces))
    for scattered, shares in lines.items():
        yield {
            "simulated": "single pieces" if scattered else "whole spans",
            "peers": peers,
            "seeds": plan.seeds,
            "entries_lost_percent": 100 * mean(share for share, _ in shares),
            "pieces_lost_percent": 100 * mean(share for _, share in shares),
        }


def _scatter_by_ring(plan: Plan, peers: int) -> Line:
    """All pairs, counted on the ring itself, beside the arithmetic."""
    drawn = draw_month(plan.seed, Rates(peers=peers, days=0, deaths=0, leaves=0, joins=0))
    places = Places(Ranks([m.member for m in drawn.machines]), 2, list(range(peers)))
    line: Line = {"peers": peers, "pairs": comb(peers, 2)}
    for name, scattered in (("whole spans", False), ("single pieces", True)):
        spans = draw_shared(plan.seed, plan.pieces, 0, scattered=scattered)
        pairs: dict[int, set[tuple[int, ...]]] = {}
        pieces: dict[int, int] = {}
        for span in spans:
            holders = tuple(sorted(places.holders[span.partition]))
            pairs.setdefault(span.entry, set()).add(holders)
            pieces[span.entry] = pieces.get(span.entry, 0) + span.pieces
        large = [entry for entry, number in pieces.items() if number >= 1000]
        line[name] = {
            "all_entries_percent": 100 * mean(len(p) for p in pairs.values()) / comb(peers, 2),
            "large_entries_percent": 100 * mean(len(pairs[e]) for e in large) / comb(peers, 2),
            "large_by_arithmetic_percent": 100
            * mean(share_of_a_pair(peers, pieces[e] if scattered else 1) for e in large),
        }
    return line


def zones(plan: Plan) -> Iterator[Line]:
    """Places of ten machines, of which some burn down: told to the ring as zones, and not."""
    for labelled in (True, False):
        rates = Rates(
            peers=plan.peers,
            days=plan.days,
            deaths=plan.deaths,
            place_size=10,
            place_deaths=2.0,
            labelled=labelled,
            absences=False,
        )
        drawn, ranks = _draw(plan.seed, rates)
        first = [m for m, each in enumerate(drawn.machines) if each.joins == 0]
        places = Places(ranks, 2, first)
        together = [
            a
            for holders in places.holders
            for a, b in combinations(holders, 2)
            if drawn.machines[a].place == drawn.machines[b].place
        ]
        line = _run(plan, drawn, ranks, plan.settings)
        yield {
            "zones_in_the_ring": labelled,
            "partitions_with_both_copies_in_one_place": len(together),
            **{key: line[key] for key in ("deaths", "spans", "spans_lost", "entries_lost")},
        }


Measure = Callable[[Plan], Iterator[Line]]
MEASURES: dict[str, Measure] = {
    "month": month,
    "grace": grace,
    "formula": formula,
    "scatter": scatter,
    "zones": zones,
}


def _draw(seed: int, rates: Rates) -> tuple[Month, Ranks]:
    drawn = draw_month(seed, rates)
    return drawn, Ranks([machine.member for machine in drawn.machines])


def _draw_dying(plan: Plan, peers: int, *, absences: bool) -> tuple[list[Month], Ranks]:
    """Months in which machines die often, one for each seed from `plan.seed` on."""
    rates = Rates(peers=peers, days=plan.days, deaths=OFTEN, leaves=0, joins=0, absences=absences)
    return _draw_all(plan, [(plan.seed + number, rates) for number in range(plan.seeds)])


def _draw_all(plan: Plan, wanted: list[tuple[int, Rates]]) -> tuple[list[Month], Ranks]:
    """Months by seed and rates, all of one swarm: making its ring takes longer than many a run."""
    months = [draw_month(seed, rates, swarm=plan.seed) for seed, rates in wanted]
    longest = max(months, key=lambda month: len(month.machines))
    return months, Ranks([machine.member for machine in longest.machines])


def _run(plan: Plan, drawn: Month, ranks: Ranks, settings: Settings) -> Line:
    spans = draw_shared(plan.seed, plan.pieces, plan.days)
    simulation = Simulation(drawn, ranks, spans, settings)
    ledger = simulation.run()
    return {**_about(drawn, spans), **_figures(ledger, simulation.transfers.left())}


def _about(drawn: Month, spans: list[Placed]) -> Line:
    return {
        "peers": drawn.rates.peers,
        "days": drawn.rates.days,
        "pieces": sum(span.pieces for span in spans),
        "entries": len({span.entry for span in spans}),
        "spans": len(spans),
        "content_gb": sum(span.size for span in spans) / 1e9,
    }


def _figures(ledger: Ledger, left: float) -> Line:
    return {
        "deaths": ledger.deaths,
        "died_with_gb": ledger.died_with / 1e9,
        "asked_gb": {cause: of.asked / 1e9 for cause, of in ledger.bytes.items()},
        "moved_gb": {cause: of.moved / 1e9 for cause, of in ledger.bytes.items()},
        "withdrawn_gb": ledger.total().withdrawn / 1e9,
        "on_the_way_gb": left / 1e9,
        "span_hours_one_live": ledger.one_live / HOUR,
        "span_hours_none_live": ledger.none_live / HOUR,
        "span_hours_one_existing": ledger.one_left / HOUR,
        "span_hours_new_before_its_copies": ledger.alone_new / HOUR,
        "mean_window_seconds": mean(ledger.windows) if ledger.windows else 0.0,
        "spans_lost": len(ledger.lost),
        "entries_lost": len(ledger.lost_entries),
        "pieces_lost": ledger.lost_pieces,
        "new_spans_lost": ledger.lost_new,
    }
