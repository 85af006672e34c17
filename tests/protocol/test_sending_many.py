"""Many messages in one write, the turns taken before it, and what a broken write leaves behind."""

import functools
import math
import random

import pytest
import trio
import trio.testing
from ends import Swarm

from protocol.connection import BATCH_PAYLOAD, LEAST_ROOM, PAYLOAD, RECORD, Ended, Received
from protocol.drivers.on_trio import (
    SEALED_LENGTH,
    ConnectionLostError,
    TrioChannel,
    congestion_control,
    tune,
)
from protocol.ids import ManifestId
from protocol.messages.base import Done, Failed, Message, Ping
from protocol.messages.peering import Piece

SWARM = Swarm()
LONGEST = 30


def part(number: int, size: int) -> tuple[Message, memoryview]:
    """A piece, and its header."""
    content = random.Random(number).randbytes(size)
    header = Piece(length=size, manifest=ManifestId(b"m" * 32), piece=number)
    return header, memoryview(content)


class Recorded(trio.abc.HalfCloseableStream):
    """A stream that notes what is written, and may stop in the middle of a write."""

    def __init__(self, stream: trio.StapledStream) -> None:
        self._stream = stream
        self.writes: list[int] = []
        self.half_at: int | None = None

    async def send_all(self, content: bytes | bytearray | memoryview) -> None:
        self.writes.append(len(content))
        if len(self.writes) - 1 == self.half_at:
            await self._stream.send_all(bytes(content[: len(content) // 2]))
            await trio.sleep_forever()
        await self._stream.send_all(bytes(content))

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return bytes(await self._stream.receive_some(max_bytes))

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()


Ends = tuple[TrioChannel, Recorded, TrioChannel]


@pytest.fixture
async def ends() -> Ends:
    """A sender, what it writes to, and a receiver, with the handshake done."""
    one, other = trio.testing.memory_stream_pair()
    wire = Recorded(one)
    sender = TrioChannel(wire, SWARM.credentials(), initiator=True)
    receiver = TrioChannel(other, SWARM.credentials(), initiator=False)
    with trio.fail_after(LONGEST):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sender.handshake)
            nursery.start_soon(receiver.handshake)
    wire.writes.clear()
    return sender, wire, receiver


async def received(channel: TrioChannel, count: int) -> list[tuple[Message, bytes]]:
    """The next messages, each with the bytes that follow."""
    found = []
    with trio.fail_after(LONGEST):
        for _ in range(count):
            event = await channel.receive()
            assert isinstance(event, Received)
            following = await channel.receive_document(event.following) if event.following else b""
            found.append((event.message, following))
    return found


@pytest.mark.trio
async def test_small_pieces_go_in_one_write(ends: Ends) -> None:
    sender, wire, receiver = ends
    parts = [part(number, 20_000 + number) for number in range(10)]
    await sender.send_many(parts, memoryview(bytearray(SEALED_LENGTH)))
    assert len(wire.writes) == 1
    assert await received(receiver, 10) == parts


@pytest.mark.trio
@pytest.mark.parametrize("room", [LEAST_ROOM + 200, RECORD, 3 * RECORD + 500, SEALED_LENGTH])
@pytest.mark.parametrize(
    "sizes", [[1], [PAYLOAD] * 3, [5, BATCH_PAYLOAD, 5, PAYLOAD + 1], [2 * BATCH_PAYLOAD, 9]]
)
async def test_whatever_the_buffer_the_same_arrives(
    ends: Ends, room: int, sizes: list[int]
) -> None:
    sender, wire, receiver = ends
    parts = [part(number, size) for number, size in enumerate(sizes)]
    asked_for: list[int] = []

    async def pace(size: int) -> None:
        assert wire.writes == asked_for
        asked_for.append(size)

    await sender.send_many(parts, memoryview(bytearray(room)), pace)
    assert wire.writes == asked_for
    assert max(wire.writes) <= room
    # Buffers are filled: hardly more writes than there must be.
    total = sum(sizes)
    assert len(wire.writes) <= 1 + total // (room - LEAST_ROOM) * 1.1 + total // PAYLOAD / 8
    assert await received(receiver, len(parts)) == parts
    await sender.send(Ping())
    assert await received(receiver, 1) == [(Ping(), b"")]


@pytest.mark.trio
async def test_messages_without_bytes_go_in_one_write(ends: Ends) -> None:
    sender, wire, receiver = ends
    messages = [Done(call=number) for number in range(64)]
    await sender.send_all(messages)
    assert len(wire.writes) == 1
    assert [message for message, _ in await received(receiver, 64)] == messages


@pytest.mark.trio
async def test_what_the_kernel_does_not_take_at_once_is_sent_then() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    one = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
    async with listener:
        other = await listener.accept()
    sender = TrioChannel(one, SWARM.credentials(), initiator=True)
    receiver = TrioChannel(other, SWARM.credentials(), initiator=False)
    with trio.fail_after(LONGEST):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sender.handshake)
            nursery.start_soon(receiver.handshake)
        assert not sender.send_now([Done(call=0)])
        # More than the kernel has room for while nobody reads.
        many = [Failed(call=number, kind="failed", text="t" * 1000) for number in range(20_000)]
        rest = sender.send_now(many)
        assert rest
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sender.send_rest, rest)
            found = await received(receiver, 1 + len(many))
        assert [message for message, _ in found] == [Done(call=0), *many]
        await other.aclose()

    async def send_on() -> None:
        while True:
            await sender.send_rest(sender.send_now([Done(call=1)]))
            await trio.lowlevel.checkpoint()

    with trio.fail_after(LONGEST), pytest.raises(ConnectionLostError):
        await send_on()
    await one.aclose()


@pytest.mark.trio
@pytest.mark.parametrize("where", ["first write", "last write", "turn", "later turn"])
async def test_a_broken_send_is_followed_by_nothing(ends: Ends, where: str) -> None:
    """A goodbye behind half of what was sealed could not be understood: a cut is better."""
    sender, wire, receiver = ends
    parts = [part(1, 100), part(2, 2 * BATCH_PAYLOAD), part(3, 100)]
    turns = 0
    if where == "first write":
        wire.half_at = 0
    elif where == "last write":
        wire.half_at = 1

    async def pace(size: int) -> None:
        nonlocal turns
        turns += 1
        if turns == {"turn": 1, "later turn": 2}.get(where):
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        out = memoryview(bytearray(SEALED_LENGTH))
        nursery.start_soon(functools.partial(sender.send_many, parts, out, pace))
        await trio.testing.wait_all_tasks_blocked()
        if where.endswith("write"):
            assert sender.writing_since < math.inf
        nursery.cancel_scope.cancel()
    before = len(wire.writes)
    await sender.aclose("stopping")
    assert len(wire.writes) == before
    with pytest.raises(ConnectionLostError, match="cut"):
        await received(receiver, 4)


@pytest.mark.trio
async def test_a_whole_send_is_followed_by_a_goodbye(ends: Ends) -> None:
    sender, _, receiver = ends
    await sender.send_many([part(1, 100)])
    assert sender.writing_since == math.inf
    await received(receiver, 1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sender.aclose, "stopping")
        assert await receiver.receive() == Ended("stopping")


@pytest.mark.trio
async def test_receiving_takes_turns(ends: Ends, autojump_clock: trio.testing.MockClock) -> None:
    """After each portion, with its size; and our own waiting is no silence of the other side."""
    sender, _, receiver = ends
    header, content = part(1, 300_000)
    counts: list[int] = []

    async def pace(count: int) -> None:
        counts.append(count)
        await trio.sleep(1)

    for _ in range(3):
        await sender.send_bytes(header, content)
    before = receiver.connection.bytes_in
    for _ in range(3):
        event = await receiver.receive()
        assert isinstance(event, Received)
        target = bytearray(300_000)
        await receiver.receive_bytes(memoryview(target), pace, 16_384)
        assert target == content
    # Every byte counts, also those that came together with a header, before there was a turn.
    assert sum(counts) == receiver.connection.bytes_in - before
    assert sum(count > 16_384 for count in counts) <= 3
    assert receiver.last_received == receiver.last_bytes == trio.current_time()


@pytest.mark.trio
async def test_small_talk_is_not_bytes_of_a_piece(
    ends: Ends, autojump_clock: trio.testing.MockClock
) -> None:
    sender, _, receiver = ends
    before = receiver.last_bytes
    await trio.sleep(5)
    await sender.send(Ping())
    await received(receiver, 1)
    assert receiver.last_bytes == before
    assert receiver.last_received == trio.current_time()
    await sender.send_bytes(*part(1, 100_000))
    await received(receiver, 1)
    assert receiver.last_bytes > before


@pytest.mark.trio
async def test_what_the_kernel_controls_a_connection_by_is_told() -> None:
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        stream = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
        async with stream, await listener.accept():
            own = congestion_control(stream)
            tune(stream)
            assert congestion_control(stream) in {own, "bbr"}
            assert own
    memory, _ = trio.testing.memory_stream_pair()
    assert congestion_control(memory) == ""
