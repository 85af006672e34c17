"""The book of calls: a reply finds who asked, once; one that nobody asked for is refused."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from protocol.calls import CallBook
from protocol.errors import RemoteProtocolError
from protocol.messages.base import Done


def test_a_reply_finds_who_asked_and_only_once() -> None:
    book: CallBook[str] = CallBook()
    first, second = book.open("first"), book.open("second")
    assert first != second
    assert book.find(first) == "first"
    assert book.close(Done(call=second)) == "second"
    assert book.close(Done(call=first)) == "first"
    assert book.close(Done(call=first)) is None
    assert book.find(first) is None


def test_a_reply_nobody_asked_for_is_refused() -> None:
    book: CallBook[str] = CallBook()
    for call in (0, 1, (1 << 32) - 1):
        with pytest.raises(RemoteProtocolError, match="never made"):
            book.close(Done(call=call))
    number = book.open("x")
    with pytest.raises(RemoteProtocolError):
        book.close(Done(call=number + 1))
    assert book.close(Done(call=number)) == "x"


def test_a_late_reply_to_a_forgotten_call_is_nothing() -> None:
    book: CallBook[str] = CallBook()
    number = book.open("x")
    book.forget(number)
    book.forget(number)
    assert book.close(Done(call=number)) is None


def test_numbers_wrap_and_pass_over_those_in_use() -> None:
    book: CallBook[str] = CallBook()
    assert book.open("long") == 0
    book._next = (1 << 32) - 1
    assert book.open("last") == (1 << 32) - 1
    assert book.open("wrapped") == 1
    assert book.find(0) == "long"


class Book(RuleBasedStateMachine):
    """Against a plain dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.book: CallBook[int] = CallBook()
        self.model: dict[int, int] = {}
        self.made = 0

    @rule()
    def ask(self) -> None:
        number = self.book.open(self.made)
        assert number not in self.model
        self.model[number] = self.made
        self.made += 1

    @rule(call=st.integers(0, 20))
    def answer(self, call: int) -> None:
        if call >= self.made:
            with pytest.raises(RemoteProtocolError):
                self.book.close(Done(call=call))
        else:
            assert self.book.close(Done(call=call)) == self.model.pop(call, None)

    @rule(call=st.integers(0, 20))
    def give_up(self, call: int) -> None:
        self.book.forget(call)
        self.model.pop(call, None)

    @rule()
    def lose(self) -> None:
        assert sorted(self.book.drain()) == sorted(self.model.values())
        self.model.clear()

    @invariant()
    def knows_who_waits(self) -> None:
        assert all(self.book.find(call) == self.model.get(call) for call in range(25))


TestBook = Book.TestCase
