"""What the kernel tells of a connection."""

import struct

import pytest
import trio
import trio.testing

from protocol.drivers.on_trio import read_tcp
from protocol.drivers.tcp_info import TcpReading, parse_tcp_info

FIELDS = {68: ("I", 51_000), 100: ("I", 7), 120: ("Q", 1 << 40), 148: ("I", 50_000)}
MORE = {156: ("I", 1000), 168: ("Q", 2_500_000), 176: ("Q", 500_000)}


def tcp_info(length: int) -> bytes:
    """A struct tcp_info, as linux/tcp.h has it, in which all other bytes are set."""
    found = bytearray(b"\xff" * 248)
    for offset, (kind, value) in (FIELDS | MORE).items():
        struct.pack_into(f"={kind}", found, offset, value)
    return bytes(found[:length])


@pytest.mark.parametrize("length", [184, 200, 248])
def test_the_fields_lie_where_the_kernel_has_them(length: int) -> None:
    assert parse_tcp_info(tcp_info(length), "cubic") == TcpReading(
        control="cubic",
        rtt=0.051,
        least_rtt=0.05,
        acked=1 << 40,
        segments=1000,
        sent_again=7,
        busy=2.5,
        held_back=0.5,
    )


@pytest.mark.parametrize("length", [0, 104, 183])
def test_an_older_kernel_tells_too_little(length: int) -> None:
    assert parse_tcp_info(tcp_info(length), "cubic") is None


@pytest.mark.trio
async def test_this_kernel_tells_how_much_has_come() -> None:
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        stream = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
        async with stream, await listener.accept() as other:
            await stream.send_all(b"x" * 5000)
            received = 0
            while received < 5000:
                received += len(await other.receive_some())
            reading = read_tcp(stream)
            assert reading is not None
            assert reading.control
            assert 0 <= reading.acked <= 5002
            assert reading.segments >= 1
            assert 0 < reading.least_rtt <= reading.rtt < 5


def test_nothing_is_told_of_a_stream_in_memory() -> None:
    assert read_tcp(trio.testing.memory_stream_pair()[0]) is None
