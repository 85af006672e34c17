"""How many lanes a sender wants, on ways that are made up."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer.swarm.widening import REST, STEPS, Sample, Widening
from protocol.messages.peering import MOST_LANES

SEGMENT = 1448


@dataclass
class MadeUpWay:
    """A way on which every connection gets so much by its losses, and all of them so much."""

    each: float = 350e3
    all: float = 25e6
    loss: float = 0.01
    least_rtt: float = 0.05
    queue: float = 1.0
    """How many times the least a packet takes when the way is full."""
    chance: random.Random = field(default_factory=lambda: random.Random(1))

    def sample(self, seconds: float, lanes: int) -> Sample:
        rate = min(self.all, self.each * (lanes + 1))
        acked = int(rate * seconds * self.chance.uniform(0.8, 1.2))
        segments = acked // SEGMENT
        full = rate == self.all
        return Sample(
            acked=acked,
            segments=segments,
            sent_again=sum(self.chance.random() < self.loss for _ in range(segments)),
            busy=True,
            rtt=self.least_rtt * (self.queue if full else 1.05),
            least_rtt=self.least_rtt,
            lanes=lanes,
        )


def go(
    way: MadeUpWay,
    seconds: float,
    *,
    most: int = MOST_LANES,
    opened: Callable[[int, int], int] = lambda wanted, _: wanted,
    widening: Widening | None = None,
    start: float = 0.0,
) -> list[int]:
    """What is wanted every half a second; `opened` tells what becomes of a wish."""
    widening = widening or Widening()
    lanes, wishes = 0, []
    for number in range(int(seconds * 2)):
        wanted = widening.look(start + 100 + number / 2, way.sample(0.5, lanes), most)
        wishes.append(wanted)
        lanes = opened(wanted, lanes)
    return wishes


def test_a_lossy_way_is_widened_step_by_step() -> None:
    wishes = go(MadeUpWay(), 30)
    assert list(dict.fromkeys(wishes)) == list(STEPS)
    assert wishes[-1] == MOST_LANES - 1
    assert wishes.index(STEPS[-1]) < 20


@pytest.mark.parametrize(
    "way",
    [
        MadeUpWay(loss=0.0),
        MadeUpWay(loss=0.00005, each=2.5e6),
        MadeUpWay(least_rtt=0.001),
        MadeUpWay(each=25e6, queue=2.0),
    ],
    ids=["no loss", "little loss", "short", "lost in its own queue"],
)
def test_one_connection_is_left_alone(way: MadeUpWay) -> None:
    assert set(go(way, 60)) == {0}


def test_what_brings_nothing_is_taken_back_and_tried_again_later() -> None:
    wishes = go(MadeUpWay(all=350e3), REST + 20)
    changes = [number for number in range(1, len(wishes)) if wishes[number] != wishes[number - 1]]
    assert [wishes[number] for number in changes] == [STEPS[1], 0, STEPS[1], 0]
    assert (changes[2] - changes[1]) / 2 >= REST


def test_it_stops_where_the_way_is_full() -> None:
    wishes = go(MadeUpWay(all=350e3 * 8, queue=2.0), 60)
    assert wishes[-1] == STEPS[1]
    assert set(wishes) == {0, STEPS[1]}


def test_it_grows_no_further_than_the_pieces_allow() -> None:
    assert max(go(MadeUpWay(), 60, most=6)) == 6


def test_lanes_that_take_long_to_open_are_waited_for() -> None:
    def one_more(wanted: int, lanes: int) -> int:
        return min(wanted, lanes + 1)

    assert go(MadeUpWay(), 60, opened=one_more)[-1] == STEPS[-1]


def test_lanes_that_never_open_are_given_up() -> None:
    wishes = go(MadeUpWay(), REST + 10, opened=lambda *_: 0)
    assert set(wishes) == {0, STEPS[1]}
    assert wishes[-1] == 0


def test_when_the_losses_are_over_lanes_are_given_back() -> None:
    widening, way = Widening(), MadeUpWay()
    assert go(way, 30, widening=widening)[-1] == STEPS[-1]
    way.loss, way.each = 0.0, 25e6
    assert go(way, 40, widening=widening, start=30)[-1] == 0


def test_after_a_pause_it_begins_anew() -> None:
    widening, way = Widening(), MadeUpWay()
    assert go(way, 30, widening=widening)[-1] == STEPS[-1]
    assert go(way, 0.5, widening=widening, start=200) == [0]


@given(
    st.lists(
        st.tuples(
            st.floats(0.01, 30),
            st.integers(0, 10**8),
            st.integers(0, 10**5),
            st.floats(0, 1),
            st.booleans(),
            st.integers(0, 70),
        )
    ),
    st.integers(0, MOST_LANES),
)
def test_whatever_it_is_told_it_wants_one_of_the_steps(
    told: list[tuple[float, int, int, float, bool, int]], most: int
) -> None:
    widening, now = Widening(), 0.0
    for pause, acked, segments, loss, busy, lanes in told:
        now += pause
        again = int(segments * loss)
        wanted = widening.look(
            now,
            Sample(
                acked=acked,
                segments=segments,
                sent_again=again,
                busy=busy,
                rtt=0.05,
                least_rtt=0.05,
                lanes=lanes,
            ),
            most,
        )
        assert wanted in {min(step, most) for step in STEPS}
