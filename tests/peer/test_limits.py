"""Rates kept, shared by bytes, the urgent first: buckets and turns without a clock."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peer.errors import UsageError
from peer.limits.bucket import LATE, Bucket
from peer.limits.lately import FADES_IN, Lately
from peer.limits.rates import LEAST_RATE, MOST_RATE, parse_rate, rate_text
from peer.limits.turns import LEAST_PORTION, MOST_PORTION, Turn, Turns
from protocol.ids import PeerId

A, B, C = (PeerId(bytes([n]) * 32) for n in range(3))
MB = 1_000_000
NOBODY: frozenset[PeerId] = frozenset()


class Movers:
    """Peers that always have bytes to move, on a clock that jumps from turn to turn."""

    def __init__(self, turns: Turns, sizes: dict[PeerId, int], seed: int = 1) -> None:
        self.turns, self.sizes = turns, sizes
        self.now = 100.0
        self.moved: list[tuple[float, PeerId, int]] = []
        self.urgent: set[PeerId] = set()
        self._waiting: dict[Turn, float] = {}
        self._chance = random.Random(seed)

    def run(self, seconds: float, *, late: float = 0.0) -> None:
        """Move for so long; each comes back up to `late` seconds after its turn."""
        until = self.now + seconds
        back = dict.fromkeys(self.sizes, self.now)
        while self.now < until:
            for peer, when in list(back.items()):
                if when <= self.now:
                    self.turns.join(peer, self.sizes[peer], urgent=peer in self.urgent)
                    del back[peer]
            given, next_time = self.turns.give(self.now)
            for turn in given:
                self.moved.append((self.now, turn.peer, turn.size))
                back[turn.peer] = self.now + self._chance.random() * late
            self.now = min(until, next_time, *back.values())

    def by_peer(self, peer: PeerId) -> int:
        return sum(size for _, who, size in self.moved if who == peer)

    def most_in(self, seconds: float) -> int:
        """The most bytes in any stretch of time this long."""
        return max(
            sum(size for when, _, size in self.moved if start <= when <= start + seconds)
            for start, _, _ in self.moved
        )


def turns_of(whole: int | None, by_peer: dict[PeerId, int] | None = None) -> Turns:
    turns = Turns()
    turns.set_rates(whole, by_peer or {}, NOBODY, 100.0)
    return turns


# --- one bucket ------------------------------------------------------------------------------


@given(
    rate=st.integers(LEAST_RATE, 1 << 30),
    takings=st.lists(st.tuples(st.floats(0.0, 2.0), st.integers(1, MOST_PORTION)), min_size=1),
)
@settings(max_examples=200, deadline=None)
def test_a_bucket_never_lets_more_pass_than_it_may(
    rate: int, takings: list[tuple[float, int]]
) -> None:
    bucket, now, taken = Bucket(rate), 50.0, []
    for pause, size in takings:
        now = max(now + pause, bucket.ready_at())
        bucket.take(size, now)
        taken.append((now, size))
    for first, (start, _) in enumerate(taken):
        total = 0
        for when, size in taken[first:]:
            total += size
            assert total <= rate * (when - start + LATE) * (1 + 1e-9) + size + 1


def test_a_bucket_makes_up_for_late_takers_but_not_for_idle_ones() -> None:
    bucket = Bucket(MB)
    bucket.take(100_000, 0.0)
    bucket.take(100_000, 0.2)
    assert bucket.ready_at() == pytest.approx(0.2)
    bucket.take(100_000, 50.0)
    bucket.take(100_000, 50.0)
    assert bucket.ready_at() == pytest.approx(50.1)


def test_what_is_owed_is_paid_at_the_new_rate() -> None:
    bucket = Bucket(MB)
    bucket.take(MB, 10.0)
    assert bucket.ready_at() == pytest.approx(10.9)
    bucket.change(10 * MB, 10.4)
    assert bucket.ready_at() == pytest.approx(10.45)
    bucket.change(MB, 20.0)
    assert bucket.ready_at() == pytest.approx(10.45)


def test_lately_fades() -> None:
    lately = Lately()
    lately.add(A, 1000, 5.0)
    assert lately.of(A, 5.0) == 1000
    assert lately.of(A, 5.0 + FADES_IN) == pytest.approx(1000 / math.e)
    lately.add(A, 1000, 5.0 + FADES_IN)
    assert lately.of(A, 5.0 + FADES_IN) == pytest.approx(1000 + 1000 / math.e)
    assert lately.of(B, 9.0) == 0


# --- turns -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [LEAST_RATE, 300_000, 5 * MB, 200 * MB])
@pytest.mark.parametrize("late", [0.0, 0.02])
def test_the_rate_is_kept_within_5_percent_in_any_10_seconds(rate: int, late: float) -> None:
    turns = turns_of(rate)
    sizes = dict.fromkeys((A, B, C), turns.portion(A))
    movers = Movers(turns, sizes)
    movers.run(25.0, late=late)
    total = sum(size for _, _, size in movers.moved)
    assert total == pytest.approx(25 * rate, rel=0.05)
    assert movers.most_in(10.0) <= 10 * rate * 1.05
    middle = sum(size for when, _, size in movers.moved if 107.0 <= when < 117.0)
    assert middle == pytest.approx(10 * rate, rel=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_peers_share_by_bytes_whatever_they_move_at_one_go(seed: int) -> None:
    chance = random.Random(seed)
    sizes = {A: 1 << 20, B: 16 << 10, C: chance.randrange(16 << 10, 1 << 20)}
    movers = Movers(turns_of(20 * MB), sizes)
    movers.run(10.0)
    for peer in (A, B, C):
        assert movers.by_peer(peer) == pytest.approx(200 * MB / 3, rel=0.05)


def test_who_comes_later_gets_no_more_than_its_share_for_long() -> None:
    turns = turns_of(10 * MB)
    movers = Movers(turns, {A: 100_000})
    movers.run(30.0)
    movers.sizes[B] = 100_000
    before = movers.by_peer(A)
    movers.run(10.0)
    assert movers.by_peer(B) == pytest.approx(50 * MB, rel=0.25)
    assert movers.by_peer(A) - before == pytest.approx(50 * MB, rel=0.25)


def test_a_peers_own_rate_holds_and_leaves_the_rest_to_others() -> None:
    movers = Movers(turns_of(10 * MB, {A: MB}), dict.fromkeys((A, B), 100_000))
    movers.run(10.0)
    assert movers.by_peer(A) == pytest.approx(10 * MB, rel=0.05)
    assert movers.by_peer(B) == pytest.approx(90 * MB, rel=0.05)


def test_a_peers_own_rate_holds_without_another() -> None:
    turns = turns_of(None, {A: MB})
    assert turns.limits(A)
    assert not turns.limits(B)
    movers = Movers(turns, {A: 100_000})
    movers.run(10.0)
    assert movers.by_peer(A) == pytest.approx(10 * MB, rel=0.05)


def test_the_urgent_go_first() -> None:
    movers = Movers(turns_of(10 * MB), {A: 100_000, B: 1 << 20, C: 1 << 20})
    movers.urgent = {A}
    movers.run(10.0, late=0.001)
    assert movers.by_peer(A) > 50 * MB
    turns = turns_of(MB)
    turns.join(A, 500_000, urgent=False)
    assert len(turns.give(100.0)[0]) == 1
    slow = [turns.join(A, 10_000, urgent=False), turns.join(B, 10_000, urgent=False)]
    quick = turns.join(A, 100_000, urgent=True)
    given, next_time = turns.give(turns.give(100.0)[1])
    assert given == [quick]
    order = []
    while len(order) < 2:
        given, next_time = turns.give(next_time)
        order += given
    assert order == [slow[1], slow[0]]


def test_an_urgent_peer_at_its_own_rate_does_not_hold_up_others() -> None:
    movers = Movers(turns_of(10 * MB, {A: MB}), dict.fromkeys((A, B), 100_000))
    movers.urgent = {A}
    movers.run(10.0)
    assert movers.by_peer(A) == pytest.approx(10 * MB, rel=0.05)
    assert movers.by_peer(B) == pytest.approx(90 * MB, rel=0.05)


def test_the_exempt_wait_for_nothing_and_use_nothing_up() -> None:
    turns = Turns()
    turns.set_rates(MB, {A: MB}, frozenset({A}), 100.0)
    assert not turns.limits(A)
    first = [turns.join(A, 1 << 30, urgent=False) for _ in range(3)]
    assert turns.give(100.0) == (first, math.inf)
    other = turns.join(B, 1000, urgent=False)
    assert turns.give(100.0) == ([other], math.inf)


def test_a_limit_that_goes_lets_everybody_go() -> None:
    turns = turns_of(MB)
    turns.join(A, 1 << 20, urgent=False)
    turns.give(100.0)
    waiting = [turns.join(peer, 1 << 20, urgent=False) for peer in (A, B)]
    assert turns.give(100.1)[0] == []
    turns.set_rates(None, {}, NOBODY, 100.1)
    assert turns.give(100.1) == (waiting, math.inf)


def test_leaving_takes_nothing() -> None:
    turns = turns_of(MB)
    turns.join(A, MB, urgent=False)
    turns.give(100.0)
    gone, stays = turns.join(A, MB, urgent=False), turns.join(B, MB, urgent=False)
    turns.leave(gone)
    given, next_time = turns.give(101.0)
    assert given == [stays]
    assert next_time == math.inf
    turns.leave(stays)


def test_portions() -> None:
    turns = turns_of(None, {A: 100_000})
    assert turns.portion(B) == MOST_PORTION
    assert turns.portion(A) == LEAST_PORTION
    turns.set_rates(5 * MB, {A: 2 * MB}, NOBODY, 100.0)
    assert (turns.portion(A), turns.portion(B)) == (200_000, 500_000)
    turns.set_rates(500 * MB, {}, NOBODY, 100.0)
    assert turns.portion(A) == MOST_PORTION
    turns.set_rates(MB, {}, frozenset({A}), 100.0)
    assert turns.portion(A) == MOST_PORTION


# --- rates as text ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("5MB", 5 * MB),
        (" 1.5 MB/s ", 1_500_000),
        ("800KiB", 800 << 10),
        ("1m", 1 << 20),
        ("50000", LEAST_RATE),
        ("none", None),
        ("None", None),
    ],
)
def test_rates_are_read(text: str, rate: int | None) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "fast", "5Mbit", "-1MB", "MB", "1e6", "no"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a rate; write"):
        parse_rate(text)


@pytest.mark.parametrize("text", ["0", "49999", "2TiB"])
def test_rates_out_of_bounds_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="out of bounds"):
        parse_rate(text)


@given(rate=st.integers(LEAST_RATE, MOST_RATE) | st.none())
def test_rates_survive_as_text(rate: int | None) -> None:
    assert parse_rate(rate_text(rate)) == rate


def test_rates_read_well() -> None:
    assert rate_text(5 * MB) == "5MB"
    assert rate_text(5 << 20) == "5MiB"
    assert rate_text(1_500_000) == "1500KB"
