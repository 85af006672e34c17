"""The picker: a piece is in exactly one state, and availability is what the sources say."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from peer.swarm.picker import Picker, PieceState
from protocol.bitfield import Bitfield

PIECES = 20
SOURCES = ("one", "two", "three")
pieces = st.integers(0, PIECES - 1)
sources = st.sampled_from(SOURCES)


def field_of(held: set[int], length: int = PIECES) -> Bitfield:
    field = Bitfield(length)
    field.update(held)
    return field


class PickerMachine(RuleBasedStateMachine):
    """Drives a picker beside a book that is plainly right."""

    @initialize(wanted=st.sets(pieces), seed=st.integers(0, 99))
    def begin(self, wanted: set[int], seed: int) -> None:
        self.picker = Picker(PIECES, sorted(wanted), random.Random(seed))
        self.state = dict.fromkeys(wanted, PieceState.NEEDED)
        self.has: dict[str, set[int]] = {}

    @rule(source=sources, held=st.sets(pieces))
    def set_source(self, source: str, held: set[int]) -> None:
        self.picker.set_source(source, field_of(held))
        self.has[source] = set(held)

    @rule(source=sources, gained=st.lists(st.integers(0, 3 * PIECES)))
    def add_to_source(self, source: str, gained: list[int]) -> None:
        self.picker.add_to_source(source, gained + gained)
        if source in self.has:
            self.has[source] |= {piece for piece in gained if piece < PIECES}

    @rule(source=sources, piece=st.integers(0, 3 * PIECES))
    def take_from_source(self, source: str, piece: int) -> None:
        self.picker.take_from_source(source, piece)
        self.has.get(source, set()).discard(piece)

    @rule(source=sources)
    def drop_source(self, source: str) -> None:
        self.picker.drop_source(source)
        self.has.pop(source, None)

    @rule(position=st.none() | st.integers(0, PIECES + 3))
    def read_from(self, position: int | None) -> None:
        self.picker.read_from(position)

    @rule(source=sources)
    def pick(self, source: str) -> None:
        open_to = {
            piece
            for piece in self.has.get(source, set())
            if self.state.get(piece) is PieceState.NEEDED
        }
        piece = self.picker.pick(source)
        assert (piece is None) == (not open_to)
        if piece is not None:
            assert piece in open_to
            self.state[piece] = PieceState.ASKED

    @rule(piece=st.integers(-1, PIECES + 3))
    def put_back(self, piece: int) -> None:
        self.picker.put_back(piece)
        if self.state.get(piece) in (PieceState.ASKED, PieceState.ARRIVED):
            self.state[piece] = PieceState.NEEDED

    @rule(piece=st.integers(-1, PIECES + 3))
    def arrived(self, piece: int) -> None:
        fresh = self.state.get(piece) in (PieceState.NEEDED, PieceState.ASKED)
        assert self.picker.arrived(piece) == fresh
        if fresh:
            self.state[piece] = PieceState.ARRIVED

    @rule(piece=st.integers(-1, PIECES + 3))
    def done(self, piece: int) -> None:
        self.picker.done(piece)
        if piece in self.state:
            self.state[piece] = PieceState.DONE

    @invariant()
    def each_piece_is_in_one_state(self) -> None:
        if not hasattr(self, "picker"):
            return
        found = Counter(p for state in PieceState for p in self.picker.in_state(state))
        assert found == Counter(self.state.keys())
        for piece in range(PIECES):
            assert self.picker.state(piece) is self.state.get(piece)
        needed = [p for p, state in self.state.items() if state is PieceState.NEEDED]
        assert self.picker.needed == len(needed)
        assert sorted(self.picker._needed) == sorted(needed)
        assert self.picker.finished == all(s is PieceState.DONE for s in self.state.values())

    @invariant()
    def availability_is_the_sum_of_the_sources(self) -> None:
        if not hasattr(self, "picker"):
            return
        for piece in range(PIECES):
            assert self.picker.availability(piece) == sum(piece in h for h in self.has.values())
            for source in SOURCES:
                assert self.picker.has(source, piece) == (piece in self.has.get(source, set()))


TestPicker = PickerMachine.TestCase
TestPicker.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_the_rarest_comes_first() -> None:
    picker = Picker(PIECES, range(PIECES), random.Random(1))
    picker.set_source("all", Bitfield(PIECES, full=True))
    picker.set_source("most", field_of(set(range(PIECES)) - {3, 7}))
    picker.set_source("some", field_of(set(range(PIECES)) - {3, 7, 9}))
    assert {picker.pick("all"), picker.pick("all")} == {3, 7}
    assert picker.pick("all") == 9


@given(seed=st.integers(0, 1000))
def test_of_many_pieces_a_rare_one_comes_early(seed: int) -> None:
    """Only a sample is looked at, so a rare piece comes before most of the common ones."""
    picker = Picker(10, range(10), random.Random(seed))
    picker.set_source("all", Bitfield(10, full=True))
    picker.set_source("most", field_of(set(range(9)), 10))
    assert picker.pick("all") == 9


def test_two_downloads_begin_at_different_places() -> None:
    firsts = set()
    for seed in range(20):
        picker = Picker(1000, range(1000), random.Random(seed))
        picker.set_source("all", Bitfield(1000, full=True))
        firsts.add(picker.pick("all"))
    assert len(firsts) > 15


def test_a_reader_gets_them_in_order_and_the_rest_after() -> None:
    picker = Picker(PIECES, range(PIECES), random.Random(2))
    picker.set_source("all", Bitfield(PIECES, full=True))
    picker.read_from(12)
    order = [picker.pick("all") for _ in range(PIECES)]
    assert order[:8] == list(range(12, 20))
    assert sorted(p for p in order[8:] if p is not None) == list(range(12))
    assert picker.pick("all") is None


def test_what_a_reader_waits_for_and_did_not_come_is_asked_for_next() -> None:
    picker = Picker(PIECES, range(PIECES), random.Random(3))
    picker.set_source("stalls", Bitfield(PIECES, full=True))
    picker.set_source("good", Bitfield(PIECES, full=True))
    picker.read_from(5)
    assert [picker.pick("stalls") for _ in range(3)] == [5, 6, 7]
    assert picker.pick("good") == 8
    picker.drop_source("stalls")
    for piece in (7, 5, 6):
        picker.put_back(piece)
    assert [picker.pick("good") for _ in range(4)] == [5, 6, 7, 9]


def test_a_reader_does_not_hinder_a_source_that_has_none_of_it() -> None:
    picker = Picker(PIECES, range(PIECES), random.Random(4))
    picker.set_source("early", field_of({0, 1}))
    picker.read_from(10)
    assert {picker.pick("early"), picker.pick("early")} == {0, 1}


@pytest.mark.parametrize("wanted", [[], [5]])
def test_nothing_wanted_is_finished(wanted: list[int]) -> None:
    picker = Picker(PIECES, wanted, random.Random(5))
    assert picker.finished == (not wanted)
    picker.set_source("all", Bitfield(PIECES, full=True))
    assert picker.pick("all") == (wanted[0] if wanted else None)
    assert picker.pick("all") is None


def test_a_picked_piece_is_never_picked_again_while_asked() -> None:
    picker = Picker(500, range(500), random.Random(6))
    for source in SOURCES:
        picker.set_source(source, Bitfield(500, full=True))
    chance = random.Random(7)
    picked: list[int | None] = []
    for _ in range(500):
        picked.append(picker.pick(chance.choice(SOURCES)))
    assert sorted(p for p in picked if p is not None) == list(range(500))
    assert picker.pick("one") is None
