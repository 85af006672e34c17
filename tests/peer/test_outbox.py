"""What waits to be sent, and requests that wait for their replies."""

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from peer_net import Clock

from peer.errors import NotFoundError, NotPermittedError, PeerError, UnreachableError, UsageError
from peer.rpc import CALL_TIMEOUT, Calls
from peer.swarm.outbox import MOST_MESSAGES, MOST_PIECES, Outbox
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
    assert outbox.next_piece() == (M, 1)
    assert outbox.next_piece() is None


def test_a_piece_is_queued_once_and_may_be_cancelled() -> None:
    outbox = Outbox()
    for piece in (1, 2, 1, 3):
        outbox.put_piece((M, piece))
    outbox.cancel_piece((M, 2))
    outbox.cancel_piece((M, 99))
    assert [outbox.next_piece() for _ in range(3)] == [(M, 1), (M, 3), None]
    outbox.put_piece((M, 1))
    assert outbox.next_piece() == (M, 1)


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


@given(st.lists(st.tuples(st.sampled_from("pcn"), st.integers(0, 4)), max_size=40))
def test_pieces_are_first_come_first_served(steps: list[tuple[str, int]]) -> None:
    outbox, book = Outbox(), []
    for what, piece in steps:
        if what == "p":
            outbox.put_piece((M, piece))
            if piece not in book:
                book.append(piece)
        elif what == "c":
            outbox.cancel_piece((M, piece))
            book = [one for one in book if one != piece]
        else:
            assert outbox.next_piece() == ((M, book.pop(0)) if book else None)


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
