"""The picker: a piece is in exactly one state, and the rarest of our share goes first."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from peer.swarm.picker import LEVELS, Picker, PieceState, set_of
from protocol.bitfield import Bitfield

PIECES = 20
SOURCES = ("one", "two", "three", "four", "five", "six")
pieces = st.integers(0, PIECES - 1)
any_number = st.integers(-1, 3 * PIECES)
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
        self.readers: list[int] = []
        self.share = (0, PIECES)

    @rule(source=sources, held=st.sets(pieces))
    def set_source(self, source: str, held: set[int]) -> None:
        self.picker.set_source(source, field_of(held))
        self.has[source] = set(held)

    @rule(source=sources)
    def set_full_source(self, source: str) -> None:
        self.picker.set_source(source, Bitfield(PIECES, full=True))
        self.has[source] = set(range(PIECES))

    @rule(source=sources, gained=st.lists(any_number))
    def add_to_source(self, source: str, gained: list[int]) -> None:
        self.picker.add_to_source(source, gained + gained)
        if source in self.has:
            self.has[source] |= {piece for piece in gained if 0 <= piece < PIECES}

    @rule(source=sources, piece=any_number)
    def take_from_source(self, source: str, piece: int) -> None:
        self.picker.take_from_source(source, piece)
        self.has.get(source, set()).discard(piece)

    @rule(source=sources)
    def drop_source(self, source: str) -> None:
        self.picker.drop_source(source)
        self.has.pop(source, None)

    @rule(more=st.lists(any_number))
    def want(self, more: list[int]) -> None:
        self.picker.want(more)
        for piece in more:
            if 0 <= piece < PIECES:
                self.state.setdefault(piece, PieceState.NEEDED)

    @rule(readers=st.lists(st.integers(0, PIECES + 3), max_size=3))
    def read_from(self, readers: list[int]) -> None:
        self.picker.read_from(readers)
        self.readers = readers

    @rule(takers=st.integers(1, PIECES + 3), rank=st.integers(0, PIECES + 2))
    def take_share(self, takers: int, rank: int) -> None:
        rank %= takers
        self.picker.take_share(rank, takers)
        self.share = (rank * PIECES // takers, (rank + 1) * PIECES // takers)

    @rule(source=sources, own=st.booleans())
    def pick(self, source: str, own: bool) -> None:
        mine = set(range(*self.share))
        needed = {
            piece
            for piece in self.has.get(source, set())
            if self.state.get(piece) is PieceState.NEEDED
        }
        awaited = [position for position in self.readers if position in needed]
        open_to = needed & mine | set(awaited) if own else needed
        piece = self.picker.pick(source, own=own)
        assert (piece is None) == (not open_to)
        if piece is None:
            return
        assert piece in open_to
        self.state[piece] = PieceState.ASKED
        if awaited:
            assert piece == awaited[0]
            return
        next_of_each = [min((p for p in open_to if p >= r), default=None) for r in self.readers]
        if any(p is not None for p in next_of_each):
            assert piece in next_of_each
            return
        rare = {p for p in open_to if self._commonness(p) == self._commonness(piece)}
        assert self._commonness(piece) == min(map(self._commonness, open_to))
        assert piece in mine or not rare & mine

    def _commonness(self, piece: int) -> int:
        return min(LEVELS, sum(piece in held for held in self.has.values()))

    @rule(piece=any_number)
    def put_back(self, piece: int) -> None:
        self.picker.put_back(piece)
        if self.state.get(piece) in (PieceState.ASKED, PieceState.ARRIVED):
            self.state[piece] = PieceState.NEEDED

    @rule(piece=any_number)
    def arrived(self, piece: int) -> None:
        fresh = self.state.get(piece) in (PieceState.NEEDED, PieceState.ASKED)
        assert self.picker.arrived(piece) == fresh
        if fresh:
            self.state[piece] = PieceState.ARRIVED

    @rule(piece=any_number)
    def done(self, piece: int) -> None:
        self.picker.done(piece)
        if piece in self.state:
            self.state[piece] = PieceState.DONE

    @invariant()
    def each_piece_is_in_one_state(self) -> None:
        if not hasattr(self, "picker"):
            return
        for piece in range(-1, PIECES + 9):
            assert self.picker.state(piece) is self.state.get(piece)
        states = Counter(self.state.values())
        assert self.picker.needed == states[PieceState.NEEDED]
        assert self.picker.finished == (states[PieceState.DONE] == len(self.state))

    @invariant()
    def what_sources_have_is_what_they_said(self) -> None:
        if not hasattr(self, "picker"):
            return
        for source in SOURCES:
            held = self.has.get(source, set())
            found = {p for p in range(-1, PIECES + 9) if self.picker.has(source, p)}
            assert found == held
            assert self.picker.has_all(source) == (len(held) == PIECES)


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
def test_a_piece_of_one_source_comes_before_those_of_two(seed: int) -> None:
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
    picker.read_from([12])
    order = [picker.pick("all") for _ in range(PIECES)]
    assert order[:8] == list(range(12, 20))
    assert sorted(p for p in order[8:] if p is not None) == list(range(12))
    assert picker.pick("all") is None


def test_what_a_reader_waits_for_and_did_not_come_is_asked_for_next() -> None:
    picker = Picker(PIECES, range(PIECES), random.Random(3))
    picker.set_source("stalls", Bitfield(PIECES, full=True))
    picker.set_source("good", Bitfield(PIECES, full=True))
    picker.read_from([5])
    assert [picker.pick("stalls") for _ in range(3)] == [5, 6, 7]
    assert picker.pick("good") == 8
    picker.drop_source("stalls")
    for piece in (7, 5, 6):
        picker.put_back(piece)
    assert [picker.pick("good") for _ in range(4)] == [5, 6, 7, 9]


def test_a_reader_does_not_hinder_a_source_that_has_none_of_it() -> None:
    picker = Picker(PIECES, range(PIECES), random.Random(4))
    picker.set_source("early", field_of({0, 1}))
    picker.read_from([10])
    assert {picker.pick("early"), picker.pick("early")} == {0, 1}


def test_two_readers_are_served_in_turns_and_what_one_waits_for_first() -> None:
    picker = Picker(PIECES, range(PIECES), random.Random(4))
    picker.set_source("all", Bitfield(PIECES, full=True))
    picker.set_source("early", field_of({15}))
    picker.read_from([2, 12])
    assert [picker.pick("all") for _ in range(6)] == [2, 12, 3, 13, 4, 14]
    # Whoever's turn it is, what they wait for comes first and in the order given.
    assert picker.pick("early") == 15
    for piece in (12, 2):
        picker.put_back(piece)
    assert [picker.pick("all") for _ in range(4)] == [2, 12, 16, 5]


def test_readers_that_have_no_more_ahead_leave_their_turns_to_others() -> None:
    picker = Picker(PIECES, range(PIECES), random.Random(4))
    picker.set_source("early", field_of({0, 4, 5}))
    picker.read_from([18, 19, 3])
    assert [picker.pick("early") for _ in range(4)] == [4, 5, 0, None]


def test_what_a_reader_waits_for_is_asked_of_any_source_whosever_share_it_is() -> None:
    picker = Picker(PIECES, range(PIECES), random.Random(4))
    picker.set_source("all", Bitfield(PIECES, full=True))
    picker.take_share(0, 4)
    picker.read_from([17])
    assert picker.pick("all", own=True) == 17
    assert {picker.pick("all", own=True) for _ in range(PIECES // 4)} == set(range(PIECES // 4))
    assert picker.pick("all", own=True) is None


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


def test_what_many_have_is_equally_common() -> None:
    """Beyond LEVELS sources it does not matter how many there are: our share decides."""
    picker = Picker(PIECES, range(PIECES), random.Random(8))
    for number in range(LEVELS + 3):
        lacks = {4} if number >= LEVELS else set()
        picker.set_source(number, field_of(set(range(PIECES)) - lacks))
    picker.take_share(0, PIECES)
    assert picker.pick(0) == 0


@pytest.mark.parametrize("takers", [1, 2, 3, 7, PIECES, PIECES + 5])
def test_the_shares_of_all_takers_make_up_the_whole(takers: int) -> None:
    begun: list[int] = []
    for rank in range(takers):
        picker = Picker(PIECES, range(PIECES), random.Random(rank))
        picker.set_source("all", Bitfield(PIECES, full=True))
        picker.take_share(rank, takers)
        while (piece := picker.pick("all", own=True)) is not None:
            begun.append(piece)
    assert sorted(begun) == list(range(PIECES))


def test_a_share_comes_first_and_in_order_and_the_rest_after() -> None:
    picker = Picker(PIECES, range(PIECES), random.Random(9))
    picker.set_source("all", Bitfield(PIECES, full=True))
    picker.take_share(1, 2)
    mine = [picker.pick("all") for _ in range(PIECES // 2)]
    assert sorted(p for p in mine if p is not None) == list(range(10, 20))
    begun = mine.index(10)
    assert mine == [*range(20 - begun, 20), *range(10, 20 - begun)]
    assert picker.pick("all", own=True) is None
    assert sorted(p for p in (picker.pick("all") for _ in range(10)) if p is not None) == [
        *range(10)
    ]


def test_pieces_past_the_end_are_in_no_set() -> None:
    assert set_of([0, 3, 3, 8, 9, -1, 1 << 40], 9) == 0b1_0000_1001
    assert set_of([], 0) == set_of([0, 1], 0) == 0


@given(held=st.sets(st.integers(0, 4999)), wanted=st.sets(st.integers(0, 4999)))
def test_every_wanted_piece_that_is_held_is_picked_once(held: set[int], wanted: set[int]) -> None:
    picker = Picker(5000, wanted, random.Random(10))
    picker.set_source("some", field_of(held, 5000))
    picked = []
    while (piece := picker.pick("some")) is not None:
        picked.append(piece)
    assert sorted(picked) == sorted(held & wanted)
