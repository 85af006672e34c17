"""The two drivers in real conversations: in memory, over sockets, and one with the other."""

import asyncio
import functools
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import pytest
import trio
import trio.testing
from ends import Swarm

from protocol.connection import BATCH_PAYLOAD, Ended, Established, Received
from protocol.drivers import on_asyncio, on_trio
from protocol.drivers.on_asyncio import AsyncioChannel
from protocol.drivers.on_trio import TrioChannel
from protocol.drivers.processor import preferred_ciphers
from protocol.errors import RefusedError, RemoteProtocolError
from protocol.hello import Credentials
from protocol.identity import generate_identity
from protocol.ids import ManifestId
from protocol.messages.base import Done, Message, Ping
from protocol.messages.peering import GetPiece, Piece
from protocol.messages.shared import RosterDocument
from protocol.noise import Cipher

SWARM = Swarm()
MANIFEST = ManifestId(b"m" * 32)
CONTENT = random.Random(5).randbytes(BATCH_PAYLOAD + 70_001)
HEADER = Piece(length=len(CONTENT), manifest=MANIFEST, piece=0)
LONGEST = 30
"""Seconds after which a conversation that hangs is given up; none should come near."""

Pair = tuple[TrioChannel, TrioChannel]


@asynccontextmanager
async def in_memory(one: Credentials, two: Credentials) -> AsyncIterator[Pair]:
    here, there = trio.testing.memory_stream_pair()
    yield TrioChannel(here, one, initiator=True), TrioChannel(there, two, initiator=False)


@asynccontextmanager
async def over_loopback(one: Credentials, two: Credentials) -> AsyncIterator[Pair]:
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        here = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
        there = await listener.accept()
        async with here, there:
            yield TrioChannel(here, one, initiator=True), TrioChannel(there, two, initiator=False)


links = pytest.mark.parametrize("link", [in_memory, over_loopback])
Link = Callable[[Credentials, Credentials], AbstractAsyncContextManager[Pair]]


async def together(*tasks: Callable[[], Awaitable[object]]) -> None:
    with trio.fail_after(LONGEST):
        async with trio.open_nursery() as nursery:
            for task in tasks:
                nursery.start_soon(task)


async def shake_hands(pair: Pair) -> None:
    await together(pair[0].handshake, pair[1].handshake)


def message_of(event: Received | Ended) -> Message:
    assert isinstance(event, Received)
    return event.message


# --- trio -----------------------------------------------------------------------------------


@links
@pytest.mark.trio
async def test_a_conversation_on_trio(link: Link) -> None:
    async with link(SWARM.credentials(), SWARM.credentials()) as (here, there):

        async def ask() -> None:
            assert isinstance(await here.handshake(), Established)
            await here.send(GetPiece(manifest=MANIFEST, piece=0))
            assert await here.receive() == Received(HEADER, len(CONTENT))
            target = bytearray(len(CONTENT))
            await here.receive_bytes(memoryview(target))
            assert target == CONTENT
            event = await here.receive()
            assert message_of(event) == RosterDocument(length=5, number=1)
            assert await here.receive_document(5) == b"abcde"
            await here.aclose("thank you")

        async def serve() -> None:
            assert isinstance(await there.handshake(), Established)
            assert message_of(await there.receive()) == GetPiece(manifest=MANIFEST, piece=0)
            await there.send_bytes(HEADER, CONTENT)
            await there.send_bytes(RosterDocument(length=5, number=1), memoryview(b"abcde"))
            assert await there.receive() == Ended("thank you")

        await together(ask, serve)


@links
@pytest.mark.trio
async def test_both_directions_at_once_on_trio(link: Link) -> None:
    async with link(SWARM.credentials(), SWARM.credentials()) as pair:
        await shake_hands(pair)
        for_all = []

        async def receive(channel: TrioChannel) -> None:
            event = await channel.receive()
            assert isinstance(event, Received)
            for_all.append(await channel.receive_document(event.following))

        await together(
            *[functools.partial(channel.send_bytes, HEADER, CONTENT) for channel in pair],
            *[functools.partial(receive, channel) for channel in pair],
        )
        assert for_all == [CONTENT, CONTENT]


@links
@pytest.mark.trio
async def test_the_refused_side_learns_why_on_trio(link: Link) -> None:
    laptop = generate_identity()
    roster = SWARM.roster(SWARM.member(laptop, "laptop", state="revoked"))
    there = SWARM.credentials(admit=SWARM.admit_by(roster))
    async with link(SWARM.credentials(laptop), there) as (refused, refuser):

        async def knock() -> None:
            await refused.handshake()
            with pytest.raises(RefusedError, match="laptop has been revoked"):
                await refused.receive()

        async def answer() -> None:
            with pytest.raises(RefusedError):
                await refuser.handshake()
            await refuser.aclose()

        await together(knock, answer)


@links
@pytest.mark.trio
async def test_a_cut_is_a_lost_connection_on_trio(link: Link) -> None:
    async with link(SWARM.credentials(), SWARM.credentials()) as pair:
        await shake_hands(pair)
        await trio.aclose_forcefully(pair[1].stream)
        with trio.fail_after(LONGEST), pytest.raises(on_trio.ConnectionLostError):
            await pair[0].receive()
        with pytest.raises(on_trio.ConnectionLostError):
            await pair[0].send(Ping())
        await pair[0].aclose("bye")


@links
@pytest.mark.trio
async def test_a_stranger_gets_no_byte_on_trio(link: Link) -> None:
    async with link(SWARM.credentials(), SWARM.credentials()) as (stranger, channel):
        await stranger.stream.send_all(b"GET / HTTP/1.1\r\nHost: nas\r\n\r\n")
        with trio.fail_after(LONGEST), pytest.raises(RemoteProtocolError):
            await channel.handshake()
        await channel.aclose("bye")
        with suppress(trio.BrokenResourceError):
            assert await stranger.stream.receive_some(100) == b""


@pytest.mark.trio
async def test_a_sender_is_not_blamed_for_an_end_the_receiver_met() -> None:
    async with in_memory(SWARM.credentials(), SWARM.credentials()) as pair:
        await shake_hands(pair)
        await pair[1].aclose("going")
        assert await pair[0].receive() == Ended("going")
        with pytest.raises(on_trio.ConnectionLostError):
            await pair[0].send(Ping())
        with pytest.raises(on_trio.ConnectionLostError):
            await pair[0].send_bytes(HEADER, CONTENT)


@pytest.mark.trio
async def test_memory_given_back_while_reading_loses_nothing() -> None:
    async with over_loopback(SWARM.credentials(), SWARM.credentials()) as (here, there):
        await shake_hands((here, there))

        async def receive() -> None:
            event = await here.receive()
            assert isinstance(event, Received)
            assert await here.receive_document(event.following) == CONTENT
            assert message_of(await here.receive()) == Ping()

        async def send() -> None:
            await there.send_bytes(HEADER, CONTENT)
            await trio.testing.wait_all_tasks_blocked()
            here.connection.trim()
            await there.send(Ping())

        await together(receive, send)


@pytest.mark.trio
async def test_closing_tells_the_other_side_or_does_not_wait() -> None:
    async with in_memory(SWARM.credentials(), SWARM.credentials()) as pair:
        await pair[0].aclose("before the handshake")
        with pytest.raises(on_trio.ConnectionLostError):
            await pair[1].handshake()
        await pair[1].aclose()
        await pair[1].aclose()


@pytest.mark.trio
async def test_nobody_there_on_trio() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(on_trio.ConnectionLostError, match="cannot connect"):
            await on_trio.open_channel("127.0.0.1", held.getsockname()[1], SWARM.credentials())


@pytest.mark.trio
async def test_an_unwanted_machine_is_not_told_who_called_on_trio() -> None:
    def admit(hello: object, static: object) -> None:
        raise RefusedError("not who I called")

    heard: list[type[BaseException]] = []

    async def serve(stream: trio.SocketStream) -> None:
        channel = TrioChannel(stream, SWARM.credentials(), initiator=False)
        try:
            await channel.handshake()
        except on_trio.ConnectionLostError as error:
            heard.append(type(error))

    with trio.fail_after(LONGEST):
        async with trio.open_nursery() as nursery:
            start = functools.partial(trio.serve_tcp, serve, 0, host="127.0.0.1")
            [listener] = await nursery.start(start)
            port = listener.socket.getsockname()[1]
            with pytest.raises(RefusedError, match="not who I called"):
                await on_trio.open_channel("127.0.0.1", port, SWARM.credentials(admit=admit))
            while not heard:
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    assert heard == [on_trio.ConnectionLostError]


# --- asyncio --------------------------------------------------------------------------------


def socket_pair() -> tuple[socket.socket, socket.socket]:
    pair = socket.socketpair()
    for end in pair:
        end.setblocking(False)
    return pair


def run_asyncio(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(LONGEST):
            await work()

    asyncio.run(bounded())


async def send_piece(channel: AsyncioChannel) -> None:
    """The asyncio driver only ever receives bytes; here it also sends some."""
    await channel.send(HEADER)
    out = memoryview(bytearray(2 << 20))
    for sealed in channel.connection.send_bytes(memoryview(CONTENT), out):
        await channel._write(bytes(sealed))


async def receive_piece(channel: AsyncioChannel) -> None:
    assert await channel.receive() == Received(HEADER, len(CONTENT))
    target = bytearray(len(CONTENT))
    await channel.receive_bytes(memoryview(target))
    assert target == CONTENT


def test_a_conversation_on_asyncio() -> None:
    async def work() -> None:
        ends = socket_pair()
        here = AsyncioChannel(ends[0], SWARM.credentials(), initiator=True)
        there = AsyncioChannel(ends[1], SWARM.credentials(), initiator=False)
        established = await asyncio.gather(here.handshake(), there.handshake())
        assert all(isinstance(event, Established) for event in established)
        await asyncio.gather(send_piece(here), receive_piece(there))
        await asyncio.gather(send_piece(there), receive_piece(here))
        await here.send(Done(call=3))
        assert message_of(await there.receive()) == Done(call=3)
        here.close()
        with pytest.raises(on_asyncio.ConnectionLostError):
            await there.receive()
        with pytest.raises(on_asyncio.ConnectionLostError):
            await there.send(Ping())
        there.close()

    run_asyncio(work)


def test_the_refused_side_learns_why_on_asyncio() -> None:
    laptop = generate_identity()
    roster = SWARM.roster(SWARM.member(laptop, "laptop", state="revoked"))

    async def work() -> None:
        ends = socket_pair()
        refused = AsyncioChannel(ends[0], SWARM.credentials(laptop), initiator=True)
        admit = SWARM.admit_by(roster)
        refuser = AsyncioChannel(ends[1], SWARM.credentials(admit=admit), initiator=False)
        results = await asyncio.gather(
            refused.handshake(), refuser.handshake(), return_exceptions=True
        )
        assert isinstance(results[0], Established)
        assert isinstance(results[1], RefusedError)
        with pytest.raises(RefusedError, match="laptop has been revoked"):
            await refused.receive()
        with pytest.raises(on_asyncio.ConnectionLostError):
            await refused.send(Ping())
        for end in ends:
            end.close()

    run_asyncio(work)


def test_nobody_there_on_asyncio() -> None:
    async def work() -> None:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            with pytest.raises(on_asyncio.ConnectionLostError, match="cannot connect"):
                await on_asyncio.open_channel(
                    "127.0.0.1", held.getsockname()[1], SWARM.credentials()
                )

    run_asyncio(work)


# --- one with the other ---------------------------------------------------------------------


@pytest.mark.parametrize("cipher", Cipher)
@pytest.mark.trio
async def test_asyncio_talks_to_trio(cipher: Cipher) -> None:
    """As the page does to its daemon: two event loops, one protocol, a real socket between."""
    served: list[Message] = []

    async def serve(stream: trio.SocketStream) -> None:
        channel = TrioChannel(stream, SWARM.credentials(), initiator=False)
        await channel.handshake()
        served.append(message_of(await channel.receive()))
        await channel.send_bytes(HEADER, CONTENT)
        event = await channel.receive()
        assert isinstance(event, Received)
        assert await channel.receive_document(event.following) == CONTENT
        await channel.aclose("that was all")

    async def ask(port: int) -> None:
        credentials = SWARM.credentials(ciphers=(cipher,))
        channel = await on_asyncio.open_channel("127.0.0.1", port, credentials)
        await channel.send(GetPiece(manifest=MANIFEST, piece=0))
        await receive_piece(channel)
        await send_piece(channel)
        assert await channel.receive() == Ended("that was all")
        with pytest.raises(on_asyncio.ConnectionLostError):
            await channel.send(Ping())
        channel.close()

    with trio.fail_after(LONGEST):
        async with trio.open_nursery() as nursery:
            start = functools.partial(trio.serve_tcp, serve, 0, host="127.0.0.1")
            [listener] = await nursery.start(start)
            port = listener.socket.getsockname()[1]
            run = functools.partial(run_asyncio, functools.partial(ask, port))
            await trio.to_thread.run_sync(run, abandon_on_cancel=True)
            nursery.cancel_scope.cancel()
    assert served == [GetPiece(manifest=MANIFEST, piece=0)]


def test_small_messages_are_not_held_back_on_asyncio() -> None:
    """Two small sends in a row would else wait for the other side's delayed acknowledgement."""

    async def work() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            loop = asyncio.get_running_loop()

            async def serve() -> None:
                accepted, _ = await loop.sock_accept(listener)
                channel = AsyncioChannel(accepted, SWARM.credentials(), initiator=False)
                await channel.handshake()
                channel.close()

            port = listener.getsockname()[1]
            opening = on_asyncio.open_channel("127.0.0.1", port, SWARM.credentials())
            channel, _ = await asyncio.gather(opening, serve())
            assert channel._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            channel.close()

    run_asyncio(work)


def test_the_processor_prefers_one_cipher_and_accepts_both() -> None:
    assert set(preferred_ciphers()) == set(Cipher)
