"""The driver without an event loop, in conversations with a Connection in another thread."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from ends import Swarm

from protocol.connection import Ended, Established, Received
from protocol.drivers.blocking import BlockingChannel, ConnectionLostError
from protocol.errors import RefusedError
from protocol.identity import generate_identity
from protocol.messages.base import Done, Ping

SWARM = Swarm()
LONGEST = 30

Serve = Callable[[BlockingChannel], object]


class Ends:
    """One end for the test, the other served in a thread."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.sock = socket.create_connection(server.getsockname(), LONGEST)
            self.other, _ = server.accept()
        self.other.settimeout(LONGEST)
        self.here = BlockingChannel(self.sock, SWARM.credentials(), initiator=True)

    def serve(self, work: Serve, **options: object) -> Future[object]:
        credentials = SWARM.credentials(**options)  # type: ignore[arg-type]
        there = BlockingChannel(self.other, credentials, initiator=False)
        return self._pool.submit(lambda: (there.handshake(), work(there)))

    def close(self) -> None:
        self.sock.close()
        self._pool.shutdown()
        self.other.close()


@pytest.fixture
def ends() -> Iterator[Ends]:
    both = Ends()
    yield both
    both.close()


def test_a_conversation(ends: Ends) -> None:
    def answer(there: BlockingChannel) -> None:
        assert there.receive() == Received(Ping(), 0)
        there.send(Done(call=1))
        there.send(Done(call=2))
        assert there.receive() == Ended("thank you")

    served = ends.serve(answer)
    assert isinstance(ends.here.handshake(), Established)
    ends.here.send(Ping())
    assert ends.here.receive() == Received(Done(call=1), 0)
    assert ends.here.receive() == Received(Done(call=2), 0)
    ends.here.close("thank you")
    served.result(LONGEST)
    assert ends.sock.fileno() == -1


def test_a_cut_is_a_lost_connection(ends: Ends) -> None:
    served = ends.serve(lambda _: ends.other.close())
    ends.here.handshake()
    served.result(LONGEST)
    with pytest.raises(ConnectionLostError, match="cut"):
        ends.here.receive()
    with pytest.raises(ConnectionLostError):
        ends.here.send(Ping())
    ends.here.close("bye")


def test_a_reset_is_a_lost_connection(ends: Ends) -> None:
    ends.here.connection.take_outgoing()
    # With bytes that nobody has read, closing resets.
    ends.sock.sendall(b"x" * 10_000)
    ends.other.close()
    with pytest.raises(ConnectionLostError, match="receiving failed"):
        ends.here.handshake()


def test_silence_is_the_callers_time_out(ends: Ends) -> None:
    served = ends.serve(lambda _: None)
    ends.here.handshake()
    served.result(LONGEST)
    ends.sock.settimeout(0.01)
    with pytest.raises(TimeoutError):
        ends.here.receive()


def test_the_refused_side_learns_why(ends: Ends) -> None:
    laptop = generate_identity()
    roster = SWARM.roster(SWARM.member(laptop, "laptop", state="revoked"))
    here = BlockingChannel(ends.sock, SWARM.credentials(laptop), initiator=True)
    served = ends.serve(lambda _: None, admit=SWARM.admit_by(roster))
    here.handshake()
    with pytest.raises(RefusedError, match="laptop has been revoked"):
        here.receive()
    with pytest.raises(RefusedError):
        served.result(LONGEST)


def test_no_goodbye_after_half_a_message(ends: Ends) -> None:
    served = ends.serve(lambda _: None)
    ends.here.handshake()
    served.result(LONGEST)
    ends.sock.settimeout(0.05)
    with pytest.raises(TimeoutError):
        # More than the kernel takes while nobody reads.
        ends.here._write(bytes(64 << 20))
    ends.here.close("bye")
    read = 0
    while found := ends.other.recv(1 << 20):
        read += len(found)
        assert not found.strip(b"\0")
    assert 0 < read < 64 << 20
