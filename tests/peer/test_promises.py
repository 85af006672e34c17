"""The lock under which copies are dropped: by example, and by machines that crash and lose mail."""

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from peer.swarm.promises import DROP_WITHIN, PROMISED, Promises, SpanKey
from protocol.ids import ManifestId, PeerId

SPAN: SpanKey = (ManifestId(b"m" * 32), 0)
A, B = PeerId(b"a" * 32), PeerId(b"b" * 32)


def test_what_is_going_is_promised_to_nobody() -> None:
    book = Promises()
    assert book.begin(SPAN, 0.0)
    assert not book.begin(SPAN, 0.0)
    assert not book.promise(A, SPAN, 1.0)
    book.end(SPAN)
    assert book.promise(A, SPAN, 2.0)


def test_what_is_promised_does_not_go_until_everybody_let_it_go() -> None:
    book = Promises()
    assert book.promise(A, SPAN, 0.0)
    assert book.promise(B, SPAN, 0.0)
    book.release(A, SPAN)
    assert not book.begin(SPAN, 1.0)
    book.release(B, SPAN)
    assert book.begin(SPAN, 1.0)


def test_a_promise_ends_by_time_and_is_forgotten() -> None:
    book = Promises()
    assert book.promise(A, SPAN, 0.0)
    assert not book.begin(SPAN, PROMISED - 0.1)
    assert book.begin(SPAN, PROMISED)
    other: SpanKey = (SPAN[0], 1)
    assert book.promise(A, other, 0.0)
    book.tidy(PROMISED)
    assert book._promised == {}


def test_a_promise_is_relied_on_for_as_long_as_a_drop_may_take() -> None:
    book, other = Promises(), (SPAN[0], 1)
    assert book.promise(A, SPAN, 0.0)
    assert book.promise(B, SPAN, 50.0)
    assert book.promise(A, other, 60.0)
    assert book.relied_on(60.0) == 2
    book.release(B, SPAN)
    assert book.relied_on(DROP_WITHIN) == 2
    assert book.relied_on(DROP_WITHIN + 1) == 1
    assert book.relied_on(DROP_WITHIN + 61) == 0
    with book.all_going():
        assert not book.promise(A, SPAN, 70.0)
    assert book.promise(A, SPAN, 70.0)


def test_a_drop_must_come_long_before_promises_end() -> None:
    book = Promises()
    assert not book.in_time(SPAN, 0.0)
    book.begin(SPAN, 0.0)
    assert book.in_time(SPAN, DROP_WITHIN)
    assert not book.in_time(SPAN, DROP_WITHIN + 0.1)
    assert DROP_WITHIN * 2 < PROMISED


PEERS = st.integers(0, 3)
MAIL = st.integers(0, 20)


class FourMachines(RuleBasedStateMachine):
    """Machines that all hold one span, and drop it by the rule: another one keeps its own.

    Messages are lost, late and out of order; machines crash and forget all they promised. The one
    thing that must never happen is that nobody holds it any more.
    """

    count = 4

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.books = [Promises() for _ in range(self.count)]
        self.holds = [True] * self.count
        self.mail: list[tuple[str, int, int, int]] = []
        """(What, from, to, of which attempt)."""
        self.attempts = [0] * self.count

    def id_of(self, number: int) -> PeerId:
        return PeerId(bytes([number]) * 32)

    @rule(who=PEERS)
    def wants_to_drop(self, who: int) -> None:
        who %= self.count
        if self.holds[who] and self.books[who].begin(SPAN, self.now):
            self.attempts[who] += 1
            attempt = self.attempts[who]
            self.mail += [
                ("keep", who, other, attempt) for other in range(self.count) if other != who
            ]

    @rule(which=MAIL)
    def a_message_arrives(self, which: int) -> None:
        if not self.mail:
            return
        what, sender, to, attempt = self.mail.pop(which % len(self.mail))
        if what == "keep":
            if self.holds[to] and self.books[to].promise(self.id_of(sender), SPAN, self.now):
                self.mail.append(("kept", to, sender, attempt))
        elif what == "kept":
            if attempt == self.attempts[to] and self.books[to].in_time(SPAN, self.now):
                self.holds[to] = False
                self._ends(to)
        else:
            self.books[to].release(self.id_of(sender), SPAN)

    @rule(which=MAIL)
    def a_message_is_lost(self, which: int) -> None:
        if self.mail:
            del self.mail[which % len(self.mail)]

    @rule(who=PEERS)
    def gives_up(self, who: int) -> None:
        who %= self.count
        self._ends(who)

    @rule(who=PEERS)
    def crashes(self, who: int) -> None:
        """And is back with what it holds; answers to earlier questions find nobody."""
        who %= self.count
        self.books[who] = Promises()
        self.attempts[who] += 1
        self.mail = [each for each in self.mail if who not in each[1:3]]

    @rule(seconds=st.floats(0.0, 30.0))
    def time_goes_by(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def somebody_holds_it(self) -> None:
        assert any(self.holds)

    def _ends(self, who: int) -> None:
        self.books[who].end(SPAN)
        self.attempts[who] += 1
        self.mail += [("release", who, other, 0) for other in range(self.count) if other != who]


class TwoMachines(FourMachines):
    """The same with the least that can go wrong."""

    count = 2


for machines in (FourMachines, TwoMachines):
    machines.TestCase.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
TestFourMachines = FourMachines.TestCase
TestTwoMachines = TwoMachines.TestCase


def walk(machines: FourMachines, chance: random.Random) -> None:
    """Sixty steps, of which most are mail: so that several often drop at the same time."""
    steps = {
        lambda: machines.wants_to_drop(who=chance.randrange(4)): 3,
        lambda: machines.a_message_arrives(which=chance.randrange(20)): 8,
        lambda: machines.a_message_is_lost(which=chance.randrange(20)): 1,
        lambda: machines.gives_up(who=chance.randrange(4)): 1,
        lambda: machines.crashes(who=chance.randrange(4)): 1,
        lambda: machines.time_goes_by(seconds=chance.uniform(0.0, 30.0)): 1,
    }
    for _ in range(60):
        chance.choices(list(steps), list(steps.values()))[0]()
        machines.somebody_holds_it()


@pytest.mark.parametrize("kind", [FourMachines, TwoMachines])
def test_a_thousand_walks(kind: type[FourMachines]) -> None:
    for seed in range(1000):
        try:
            walk(kind(), random.Random(seed))
        except AssertionError:
            pytest.fail(f"nobody holds it any more after the walk of seed {seed}")
