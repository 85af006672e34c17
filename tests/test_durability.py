"""The model behind docs/durability.md: that it does what the ring says, and no more."""

from dataclasses import replace
from pathlib import Path

import pytest
from durability_model.churn import DAY, HOUR, MINUTE, Event, Month, Rates, draw_month
from durability_model.formula import compare, count_pairs, expected_pairs, expected_share
from durability_model.ledger import Ledger
from durability_model.places import Change, Places, Ranks
from durability_model.shared import Placed, draw_shared
from durability_model.simulation import Settings, Simulation

from peer.store.contents import Content
from peer.swarm.surplus import surplus_of
from protocol.bitfield import Bitfield
from protocol.hashing import hash_span
from protocol.ids import ManifestId
from protocol.ring import Ring, RingMember, partition_of
from tracker.presence import Presence

GRACE = 30 * MINUTE
PIECES = 20_000
AT_ONCE = Settings(grace=GRACE, rate=1e15)
LIVELY = Rates(peers=20, days=6, deaths=30.0, leaves=10.0, joins=10.0)


def simulate(month: Month, settings: Settings = AT_ONCE, pieces: int = PIECES) -> Simulation:
    ranks = Ranks([machine.member for machine in month.machines])
    return Simulation(month, ranks, draw_shared(1, pieces, month.rates.days), settings)


def told(*events: Event, peers: int = 20, days: float = 3) -> Month:
    """A month in which only this happens."""
    quiet = Rates(peers=peers, days=days, deaths=0, leaves=0, joins=0, absences=False)
    return replace(draw_month(1, quiet), events=sorted(events))


def spans_of(simulation: Simulation) -> set[Placed]:
    return {span for held in simulation.held for span in held}


def test_a_seed_gives_the_same_figures_again() -> None:
    first, again = (simulate(draw_month(7, LIVELY), Settings()).run() for _ in range(2))
    other = simulate(draw_month(8, LIVELY), Settings()).run()
    assert first == again
    assert first != other
    assert first.deaths
    assert first.total().moved


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("settings", [AT_ONCE, Settings(grace=GRACE, rate=1e5)])
def test_what_moves_is_what_fresh_rings_say(seed: int, settings: Settings) -> None:
    month = draw_month(seed, replace(LIVELY, place_size=3))
    simulation = simulate(month, settings)
    spans = draw_shared(1, PIECES, month.rates.days)
    used = {span.partition for span in spans}
    before = dict(enumerate(simulation.places.holders))
    must_move = 0

    def check(machine: int, _: list[Change]) -> None:
        nonlocal must_move
        present = [m for m in range(len(month.machines)) if simulation.places.is_in(m)]
        ring = Ring([month.machines[m].member for m in present])
        index = {month.machines[m].member.peer: m for m in present}
        for partition in used:
            holders = tuple(index[peer] for peer in ring.holders(partition, 2))
            assert holders == simulation.places.holders[partition]
            moved = set(holders) ^ set(before[partition])
            assert not moved or machine in moved
            assert len(moved) <= 2
            for each in set(holders) - set(before[partition]):
                must_move += sum(
                    span.size
                    for span in simulation.published(partition)
                    if each not in span.copies and not simulation.transfers.is_coming(span, each)
                )
            before[partition] = holders

    simulation.changed = check
    ledger = simulation.run()
    total = ledger.total()
    assert must_move > 0
    assert total.asked - ledger.bytes["new"].asked == must_move
    left = simulation.transfers.left()
    assert total.moved + total.withdrawn + left == pytest.approx(total.asked, rel=1e-9)


def test_a_short_absence_moves_nothing() -> None:
    month = told(*(Event(m * HOUR, "off", m) for m in range(20)))
    back = [Event(event.at + GRACE - 1, "on", event.machine) for event in month.events]
    simulation = simulate(replace(month, events=sorted([*month.events, *back])))
    ledger = simulation.run()
    assert ledger.total().moved == ledger.bytes["new"].moved
    assert ledger.one_live > 0


def test_after_an_absence_copies_are_where_they_were() -> None:
    month = told(Event(HOUR, "off", 3), Event(5 * HOUR, "on", 3))
    simulation = simulate(month)
    ledger = simulation.run()
    assert ledger.bytes["absence"].moved > 0
    # It still has what it had. Only what was published meanwhile may have to come.
    young = [s for s in spans_of(simulation) if HOUR < s.at < 5 * HOUR and 3 in s.copies]
    assert ledger.bytes["return"].moved == sum(span.size for span in young)
    for span in spans_of(simulation):
        if span.at == 0:
            assert span.copies == set(simulation.places.holders[span.partition])


def test_a_death_moves_what_it_held_and_no_more() -> None:
    ledger = simulate(told(Event(HOUR, "die", 3))).run()
    assert ledger.bytes["death"].moved == ledger.died_with > 0


def test_nothing_is_lost_while_deaths_do_not_overlap() -> None:
    month = told(*(Event((m + 1) * 3 * HOUR, "die", m) for m in range(17)))
    simulation = simulate(month)
    ledger = simulation.run()
    assert ledger.deaths == 17
    assert ledger.lost == []
    assert ledger.lost_new == 0
    for span in spans_of(simulation):
        assert span.copies >= set(simulation.places.holders[span.partition])
        assert len(span.copies & {17, 18, 19}) == 2


def test_two_deaths_within_the_grace_time_take_what_both_held_and_no_more() -> None:
    quiet = simulate(told())
    first, second = quiet.places.holders[draw_shared(1, PIECES, 3)[0].partition]
    simulation = simulate(told(Event(HOUR, "die", first), Event(HOUR + GRACE, "die", second)))
    ledger = simulation.run()
    spans = draw_shared(1, PIECES, 3)
    both = [
        number
        for number, span in enumerate(spans)
        if span.at == 0 and set(quiet.places.holders[span.partition]) == {first, second}
    ]
    assert [number for _, number in ledger.lost] == both
    assert ledger.lost_pieces == sum(spans[number].pieces for number in both)


def test_a_machine_that_leaves_loses_nothing() -> None:
    leaving = told(*(Event((m + 1) * HOUR, "leave", m) for m in range(10)))
    # So slow that a copy dropped too early would be missed for long.
    simulation = simulate(leaving, Settings(grace=GRACE, rate=1e6))
    ledger = simulation.run()
    assert ledger.lost == []
    assert ledger.one_left == 0
    assert not any(simulation.held[m] for m in range(10))


def test_a_machine_is_out_of_the_ring_when_the_tracker_says_it_is_gone() -> None:
    simulation = simulate(told(Event(HOUR, "off", 3)))
    times = []
    simulation.changed = lambda *_: times.append(simulation.now)
    simulation.run()
    [member] = simulation.places.without()
    presence = Presence(GRACE)
    presence.expect(member, (), HOUR)
    [gone] = times
    assert presence.state(member, gone) == "suspect"
    assert presence.state(member, gone + 0.001) == "gone"


def test_what_is_surplus_is_what_the_daemon_finds_surplus() -> None:
    simulation = simulate(told(Event(HOUR, "off", 3), Event(5 * HOUR, "on", 3)))
    manifest = ManifestId(bytes(32))
    members: list[RingMember] = [machine.member for machine in draw_month(1, LIVELY).machines[:20]]
    ring = Ring(members)
    content = Content(manifest, 4, 1 << 20, None, Bitfield(4, full=True))
    span = Placed(0, 1 << 20, 4, partition_of(hash_span(manifest, 0)), 0)
    span.copies = set(range(20))
    places = Places(Ranks(members), 2, list(range(20)))
    simulation.places = places
    for out in (None, places.holders[span.partition][0]):
        if out is not None:
            places.go(out)
        said = [
            m
            for m, member in enumerate(members)
            if surplus_of(content, ring, member.peer, 2, places.without())
        ]
        assert simulation.surplus(span) == said
        assert len(said) == 18


def test_losses_are_as_the_formula_says() -> None:
    rates = Rates(peers=60, days=10, deaths=150, leaves=0, joins=0, absences=False)
    months = [draw_month(seed, rates, swarm=1) for seed in range(6)]
    ranks = Ranks([m.member for m in max((month.machines for month in months), key=len)])
    lost, by_formula, pairs = [], [], []
    for seed, month in enumerate(months):
        spans = [s for s in draw_shared(seed, 300_000, 0) if s.at == 0]
        ledger: Ledger = Simulation(month, ranks, spans, AT_ONCE).run()
        lost.append(len(ledger.lost))
        by_formula.append(len(spans) * expected_share(rates.deaths, GRACE, 10 * DAY))
        pairs.append(count_pairs([e.at for e in month.events if e.what == "die"], GRACE))
    ratio = compare(lost, by_formula)
    assert ratio.low < 1 < ratio.high
    assert 0.75 < ratio.ratio < 1.25
    expected = expected_pairs(60, rates.deaths, GRACE, 10 * DAY)
    assert 0.8 < sum(pairs) / (6 * expected) < 1.2


def test_pairs_are_counted_once_each() -> None:
    assert count_pairs([], 10) == 0
    assert count_pairs([30, 0, 5, 10], 10) == 3
    assert count_pairs([0, 11], 10) == 0


def test_the_command_is_there() -> None:
    script = Path(__file__).parents[1] / "scripts" / "durability"
    assert script.stat().st_mode & 0o111
