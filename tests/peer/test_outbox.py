"""What waits to be sent, and requests that wait for their replies."""

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from peer_net import Clock

from peer.errors import NotFoundError, NotPermittedError, PeerError, UnreachableError, UsageError
from peer.rpc import CALL_TIMEOUT, Calls
from peer.swarm.outbox import MESSAGES_AT_ONCE, MOST_MESSAGES, MOST_PIECES, Outbox
from protocol.errors import RemoteProtocolError
from protocol.ids import ManifestId
from protocol.messages.base import Done, Failed, FailureKind, Message, Ping
from protocol.messages.shared import GetMachines, Machines

M = ManifestId(b"m" * 32)


def test_messages_in_order_before_pieces() -> None:
    outbox = Outbox()
    outbox.put_piece((M, 1))
    outbox.put(Ping())
    outbox.put(Done(call=1), b"document")
    assert outbox.next_message() == (Ping(), None)
    assert outbox.next_message() == (Done(call=1), b"document")
    assert outbox.next_message() is None
    assert outbox.next_piece() == ((M, 1), False)
    assert outbox.next_piece() is None


def test_a_piece_is_queued_once_and_may_be_cancelled() -> None:
    outbox = Outbox()
    for piece in (1, 2, 1, 3):
        outbox.put_piece((M, piece))
    outbox.cancel_piece((M, 2))
    outbox.cancel_piece((M, 99))
    assert [outbox.next_piece() for _ in range(3)] == [((M, 1), False), ((M, 3), False), None]
    outbox.put_piece((M, 1))
    assert outbox.next_piece() == ((M, 1), False)


def test_messages_go_together_up_to_a_header() -> None:
    outbox = Outbox()
    for number in range(3):
        outbox.put(Done(call=number))
    outbox.put(Done(call=3), b"document")
    outbox.put(Ping())
    assert outbox.next_messages() == [Done(call=number) for number in range(3)]
    assert outbox.next_messages() == []
    assert outbox.next_message() == (Done(call=3), b"document")
    assert outbox.next_messages() == [Ping()]
    assert outbox.next_messages() == []
    assert outbox.next_message() is None
    for number in range(MESSAGES_AT_ONCE + 1):
        outbox.put(Done(call=number))
    assert len(outbox.next_messages()) == MESSAGES_AT_ONCE
    assert outbox.next_messages() == [Done(call=MESSAGES_AT_ONCE)]


def test_who_waits_for_a_piece_gets_it_before_copies() -> None:
    outbox = Outbox()
    for piece, urgent in ((1, False), (2, True), (3, False), (4, True), (5, True)):
        outbox.put_piece((M, piece), urgent=urgent)
    outbox.cancel_piece((M, 4))
    assert outbox.next_piece() == ((M, 2), True)
    outbox.requeue((M, 2), urgent=True)
    outbox.put_piece((M, 6), urgent=True)
    assert [outbox.next_piece() for _ in range(6)] == [
        ((M, 2), True),
        ((M, 5), True),
        ((M, 6), True),
        ((M, 1), False),
        ((M, 3), False),
        None,
    ]


def test_what_was_asked_for_again_meanwhile_is_put_back_once() -> None:
    outbox = Outbox()
    outbox.put_piece((M, 1), urgent=True)
    outbox.put_piece((M, 2))
    assert outbox.next_piece() == ((M, 1), True)
    outbox.put_piece((M, 1), urgent=True)
    outbox.requeue((M, 1), urgent=True)
    assert [outbox.next_piece() for _ in range(3)] == [((M, 1), True), ((M, 2), False), None]


def test_bounds() -> None:
    outbox = Outbox()
    for piece in range(MOST_PIECES):
        outbox.put_piece((M, piece))
    with pytest.raises(RemoteProtocolError, match="pieces asked for at once"):
        outbox.put_piece((M, MOST_PIECES))
    for _ in range(MOST_MESSAGES):
        outbox.put(Ping())
    with pytest.raises(RemoteProtocolError, match="does not read"):
        outbox.put(Ping())
    assert outbox.next_message() is not None
    outbox.put(Ping())


@given(st.lists(st.tuples(st.sampled_from("pucnr"), st.integers(0, 4)), max_size=60))
def test_pieces_are_first_come_first_served_the_urgent_first(
    steps: list[tuple[str, int]],
) -> None:
    outbox = Outbox()
    book: list[tuple[int, bool]] = []
    taken: list[tuple[int, bool]] = []
    for what, piece in steps:
        if what in "pu":
            outbox.put_piece((M, piece), urgent=what == "u")
            if piece not in [one for one, _ in book]:
                book.append((piece, what == "u"))
            elif what == "u":
                # It keeps its place among those that are urgent.
                book = [(one, urgent or one == piece) for one, urgent in book]
        elif what == "c":
            outbox.cancel_piece((M, piece))
            book = [each for each in book if each[0] != piece]
        elif what == "r" and taken:
            number, urgent = taken.pop()
            outbox.requeue((M, number), urgent=urgent)
            again = any(each == (number, True) for each in book)
            book = [each for each in book if each[0] != number]
            book.insert(0, (number, urgent or again))
        else:
            found = outbox.next_piece()
            expected = min(book, key=lambda each: not each[1], default=None)
            if expected is None:
                assert found is None
            else:
                book.remove(expected)
                taken.append(expected)
                assert found == ((M, expected[0]), expected[1])


@pytest.mark.trio
async def test_no_wake_up_is_lost(autojump_clock: Clock) -> None:
    outbox = Outbox()
    taken = []

    async def writer() -> None:
        while len(taken) < 100:
            queued = outbox.next_message() or outbox.next_piece()
            if queued is None:
                await outbox.wait_filled()
            else:
                taken.append(queued)

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer)
            for number in range(50):
                outbox.put(Done(call=number))
                await trio.sleep(number % 3)
                outbox.put_piece((M, number))
                outbox.put_piece((M, number))
                await trio.lowlevel.checkpoint()
    assert len(taken) == 100


class Far:
    """The other side of Calls: keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[Message] = []
        self.calls = Calls(self.put, "nas")

    def put(self, message: Message, document: bytes | None) -> None:
        self.asked.append(message)


async def ask(far: Far) -> tuple[Machines, bytes]:
    return await far.calls.call(lambda call: GetMachines(call=call), Machines)


@pytest.mark.trio
async def test_replies_find_their_requests_in_any_order(autojump_clock: Clock) -> None:
    far = Far()
    got: dict[int, bytes] = {}

    async def one() -> None:
        reply, document = await ask(far)
        got[reply.call] = document

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(one)
        await trio.testing.wait_all_tasks_blocked()
        for message in reversed(far.asked):
            assert isinstance(message, GetMachines)
            far.calls.deliver(Machines(call=message.call, machines=()), bytes([message.call]))
    assert got == {number: bytes([number]) for number in range(5)}


@pytest.mark.trio
@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("not_found", NotFoundError),
        ("unreachable", UnreachableError),
        ("refused", NotPermittedError),
        ("invalid", UsageError),
        ("failed", PeerError),
    ],
)
async def test_failed_becomes_the_error_it_stands_for(
    autojump_clock: Clock, kind: FailureKind, error: type[PeerError]
) -> None:
    far = Far()
    async with trio.open_nursery() as nursery:

        async def asking() -> None:
            with pytest.raises(error, match="no such thing") as caught:
                await ask(far)
            assert type(caught.value) is error
            assert caught.value.kind == kind

        nursery.start_soon(asking)
        await trio.testing.wait_all_tasks_blocked()
        far.calls.deliver(Failed(call=0, kind=kind, text="no such thing"))


@pytest.mark.trio
async def test_silence_ends_after_the_time_out(autojump_clock: Clock) -> None:
    far = Far()
    started = trio.current_time()
    with pytest.raises(UnreachableError, match="nas did not answer within 30 s"):
        await ask(far)
    assert trio.current_time() - started == pytest.approx(CALL_TIMEOUT)
    # Late: nobody waits, and that is no fault of theirs.
    far.calls.deliver(Machines(call=0, machines=()))
    with pytest.raises(RemoteProtocolError, match="never made"):
        far.calls.deliver(Machines(call=5, machines=()))


@pytest.mark.trio
async def test_loss_ends_all_and_forbids_more(autojump_clock: Clock) -> None:
    far = Far()
    ended = []

    async def asking() -> None:
        with pytest.raises(UnreachableError, match="lost"):
            await ask(far)
        ended.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(asking)
        nursery.start_soon(asking)
        await trio.sleep(1)
        far.calls.lose()
    assert len(ended) == 2
    assert max(ended) < CALL_TIMEOUT
    with pytest.raises(UnreachableError, match="not connected"):
        await ask(far)
    assert len(far.asked) == 2


@pytest.mark.trio
async def test_a_cancelled_call_leaves_nothing_behind(autojump_clock: Clock) -> None:
    far = Far()
    with trio.move_on_after(1):
        await ask(far)
    assert not far.calls._book._waiting


@pytest.mark.trio
async def test_a_reply_of_another_kind_is_an_error(autojump_clock: Clock) -> None:
    far = Far()
    async with trio.open_nursery() as nursery:

        async def asking() -> None:
            with pytest.raises(PeerError):
                await ask(far)

        nursery.start_soon(asking)
        await trio.testing.wait_all_tasks_blocked()
        far.calls.deliver(Done(call=0))
