"""Thousands of members that are connected to a tracker and do nothing else, in one process.

    python -m benchmarks.many_members KEYS PORT FIRST COUNT

Each is a real connection with a real handshake, from one of many loopback addresses, that presents
itself, asks for the machines as a peer does, pings, and gives the tracker up when that is silent.
What comes back is when a peer would: `Reconnecting`. Driven by lines on standard input: `cut` ends
all connections at once, `look` tells how it stands. What the tracker says to a member that it has
taken in is read and thrown away unopened: that costs a peer's machine, and is not measured here.
"""

import contextlib
import heapq
import json
import os
import random
import select
import socket
import struct
import sys
import time
from itertools import count
from pathlib import Path

import msgspec
from benchmarks.tracker_member import NOTHING_HELD

from peer.reconnecting import Reconnecting
from peer.version import VERSION
from protocol.connection import Connection, Ended, Established, NeedData, Received, State
from protocol.drivers.processor import preferred_ciphers
from protocol.errors import ProtocolError
from protocol.hello import Credentials, MemberHello
from protocol.identity import decode_identity
from protocol.liveness import TRACKER_PING_EVERY, TRACKER_SILENT_AFTER
from protocol.messages.base import Ping
from protocol.messages.shared import GetMachines
from protocol.messages.tending import ComeBack
from protocol.messages.tracking import Present, Presented
from protocol.signing import Signed

CONNECT_TIMEOUT = 10.0
PER_ADDRESS = 500
"""Members that come from one address, as behind one router."""
START_RATE = 150
"""New connections a second at the start: only a storm comes at once."""
_TICK = 0.02
_RESET = struct.pack("ii", 1, 0)
_CROWD = 1 << 16


class Keys(msgspec.Struct, array_like=True):
    """What members need to be let in; see `benchmarks.crowd`."""

    psk: bytes
    members: list[tuple[bytes, bytes, bytes]]
    """Identity, body and signature of the membership."""


class Member:
    """One member: away, connecting, or in."""

    def __init__(self, load: "Load", number: int, keys: Keys) -> None:
        self._load = load
        secret, *membership = keys.members[number]
        self._source = f"127.1.{number // PER_ADDRESS // 200}.{1 + number // PER_ADDRESS % 200}"
        self._credentials = Credentials(
            psk=keys.psk,
            static=decode_identity(secret).static,
            hello=MemberHello(version=VERSION, membership=Signed(*membership), roster=1 << 20),
            admit=lambda _hello, _static: None,
            ciphers=preferred_ciphers(),
        )
        self._again = Reconnecting(random.Random(number))
        self._socket: socket.socket | None = None
        self._connection: Connection | None = None
        self._address = f"{self._source}:{4100 + number % PER_ADDRESS}"
        self.taken_in = self.established = False
        self.heard = 0.0
        self.generation = 0

    def connect(self, now: float) -> None:
        """Dial."""
        self.generation += 1
        self.heard = now
        self.established = False
        opened = socket.socket()
        opened.setblocking(False)
        opened.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        opened.bind((self._source, 0))
        with contextlib.suppress(BlockingIOError):
            opened.connect(("127.0.0.1", self._load.port))
        self._socket = opened
        self._connection = None
        self._load.watch(opened, self, select.EPOLLOUT)
        self._load.later(now + CONNECT_TIMEOUT, self)

    def ready(self, events: int, now: float) -> None:
        """Something can be done on the socket."""
        opened = self._socket
        if opened is None:
            return
        try:
            if self._connection is None:
                if opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    self._lost(now, "refused")
                    return
                self._connection = Connection(self._credentials, initiator=True)
                self._load.poll.modify(opened, select.EPOLLIN)
                opened.send(self._connection.take_outgoing())
            elif self.taken_in:
                got = opened.recv_into(self._load.waste)
                self.heard = now
                if not got:
                    self._lost(now, "dropped")
            else:
                self._read(opened, self._connection, now)
        except BlockingIOError:
            return
        except (OSError, ProtocolError) as error:
            self._lost(now, f"{type(error).__name__}")

    def due(self, now: float) -> None:
        """A ping, the end of patience, or another try is due."""
        opened, connection = self._socket, self._connection
        if opened is None:
            self.connect(now)
        elif not self.established:
            self._lost(now, "slow")
        elif now - self.heard > TRACKER_SILENT_AFTER:
            self._lost(now, "silent")
        elif connection is not None:
            try:
                opened.send(connection.send(Ping()))
            except OSError:
                self._lost(now, "dropped")
                return
            self._load.later(now + TRACKER_PING_EVERY, self)

    def cut(self, now: float) -> None:
        """As when a cable is pulled."""
        if self._socket is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._lost(now, "cut")

    def _read(self, opened: socket.socket, connection: Connection, now: float) -> None:
        connection.received(opened.recv_into(connection.receive_space()))
        self.heard = now
        while not self.taken_in and connection.state is not State.CLOSED:
            event = connection.next_event()
            opened.send(connection.take_outgoing() or b"")
            if isinstance(event, NeedData):
                return
            if isinstance(event, Established):
                self.established = True
                self.generation += 1  # it is no slow tracker: that is not due any more
                self._load.later(now + TRACKER_PING_EVERY * random.random(), self)
                asked = Present(
                    call=0,
                    addresses=(self._address,),
                    capacity=0,
                    stored=0,
                    digest=NOTHING_HELD,
                    seen=1 << 40,
                )
                opened.send(connection.send(asked) + connection.send(GetMachines(call=1)))
            elif isinstance(event, Received):
                self._understand(event, now)
            elif isinstance(event, Ended):
                self._lost(now, "told to come back")

    def _understand(self, event: Received, now: float) -> None:
        match event.message:
            case ComeBack(after=after, spread=spread):
                self._again.stay_away(after, spread)
            case Presented():
                self.taken_in = True
                self._again.taken_in()
                self._load.arrived(now)

    def _lost(self, now: float, why: str) -> None:
        assert self._socket is not None
        self.generation += 1
        self._load.count(why)
        self._socket.close()
        self._load.members_in -= self.taken_in
        self._socket, self._connection, self.taken_in = None, None, False
        self._load.later(now + self._again.next_wait(), self)


class Load:
    """All members of this process, in one loop."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.poll = select.epoll()
        self.waste = bytearray(1 << 18)
        self.members_in = 0
        self.last_arrival = 0.0
        self.lost: dict[str, int] = {}
        self._by_socket: dict[int, Member] = {}
        self._due: list[tuple[float, int, int, Member]] = []
        self._count = count()
        self._said = b""
        self.members: list[Member] = []

    def watch(self, opened: socket.socket, member: Member, events: int) -> None:
        """Tell a member when its socket is ready."""
        self._by_socket[opened.fileno()] = member
        self.poll.register(opened, events)

    def later(self, when: float, member: Member) -> None:
        """Call `due`, unless its connection is another by then."""
        heapq.heappush(self._due, (when, next(self._count), member.generation, member))

    def arrived(self, now: float) -> None:
        """A member was taken in."""
        self.members_in += 1
        self.last_arrival = now

    def count(self, why: str) -> None:
        """A connection was lost."""
        self.lost[why] = self.lost.get(why, 0) + 1

    def run(self) -> None:
        """Until standard input ends."""
        os.set_blocking(0, False)
        self.poll.register(0, select.EPOLLIN)
        for number, member in enumerate(self.members):
            self.later(time.monotonic() + number / START_RATE, member)
        while self._turn():
            pass

    def _turn(self) -> bool:
        for descriptor, events in self.poll.poll(_TICK, _CROWD):
            if descriptor == 0:
                if not self._obey():
                    return False
                continue
            self._by_socket[descriptor].ready(events, time.monotonic())
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            _, _, generation, member = heapq.heappop(self._due)
            if generation == member.generation:
                member.due(now)
        return True

    def _obey(self) -> bool:
        got = os.read(0, 4096)
        self._said += got
        *lines, self._said = self._said.split(b"\n")
        for line in lines:
            now = time.monotonic()
            if line == b"cut":
                self.lost = {}
                for member in self.members:
                    member.cut(now)
            told = {"in": self.members_in, "last": self.last_arrival, "lost": self.lost}
            print(json.dumps(told), flush=True)
        return bool(got)


def main() -> None:
    """Be there."""
    path, port, first, number = sys.argv[1:]
    keys = msgspec.msgpack.decode(Path(path).read_bytes(), type=Keys)
    load = Load(int(port))
    load.members = [Member(load, int(first) + each, keys) for each in range(int(number))]
    load.run()


if __name__ == "__main__":
    main()
