"""A member's connection to the tracker and nothing else of it: for loads on the tracker."""

import math
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio
from msgspec import structs

from peer.data_dir import DataDir, JoinedSwarm
from peer.version import VERSION
from protocol.address import Address
from protocol.drivers.on_trio import TrioChannel, open_channel
from protocol.drivers.processor import preferred_ciphers
from protocol.hello import Credentials, MemberHello
from protocol.identity import Identity
from protocol.inventory import inventory_digest
from protocol.liveness import TRACKER_PING_EVERY
from protocol.messages.base import Ping, Reply, Request
from protocol.messages.tracking import Present, Presented

NOTHING_HELD = inventory_digest(())


@dataclass(frozen=True)
class Asked:
    """A request, and the bytes that follow it."""

    request: Request
    content: bytes = b""


class TrackerMember:
    """Asks, many questions at once. Use `present` to make one."""

    def __init__(self, channel: TrioChannel, identity: Identity) -> None:
        self._channel = channel
        self.identity = identity

    async def ask(self, questions: Iterable[Asked], at_once: int) -> list[tuple[float, Reply]]:
        """Ask with so many on their way; for each, in order, seconds and what was answered."""
        asked = list(questions)
        began, answers = [math.nan] * len(asked), dict[int, tuple[float, Reply]]()
        free = trio.Semaphore(at_once)

        async def send() -> None:
            for number, each in enumerate(asked):
                await free.acquire()
                request = structs.replace(each.request, call=number)
                began[number] = trio.current_time()
                if each.content:
                    await self._channel.send_bytes(request, each.content)
                else:
                    await self._channel.send(request)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            while len(answers) < len(asked):
                reply = await self._reply()
                answers[reply.call] = (trio.current_time() - began[reply.call], reply)
                free.release()
        return [answers[number] for number in range(len(asked))]

    async def ping(self) -> None:
        """Say now and then that this member is there; for ever."""
        while True:
            await trio.sleep(TRACKER_PING_EVERY)
            await self._channel.send(Ping())

    async def read(self) -> None:
        """Read what is told, for ever."""
        while True:
            await self._reply()

    async def _reply(self) -> Reply:
        while True:
            event = await self._channel.receive()
            following = getattr(event, "following", 0)
            if following:
                await self._channel.receive_document(following)
            message = getattr(event, "message", None)
            if message is None:
                raise SystemExit(f"the tracker ended it: {event}")
            if isinstance(message, Reply):
                return message


@asynccontextmanager
async def present(directory: DataDir, digest: bytes = NOTHING_HELD) -> AsyncIterator[TrackerMember]:
    """Connect as the member of this data directory, and be there with this inventory."""
    identity, joined = directory.load_identity(), directory.load_joined()
    address = Address.parse(joined.tracker_addresses[0])
    channel = await open_channel(address.host, address.port, _credentials(identity, joined))
    member = TrackerMember(channel, identity)
    introduction = Present(call=0, addresses=(), capacity=0, stored=0, digest=digest, seen=1 << 40)
    ((_, presented),) = await member.ask([Asked(introduction)], 1)
    assert isinstance(presented, Presented), presented
    assert presented.in_sync, "the tracker wants to be told anew"
    yield member
    await channel.aclose()


def _credentials(identity: Identity, joined: JoinedSwarm) -> Credentials:
    return Credentials(
        psk=joined.psk,
        static=identity.static,
        hello=MemberHello(version=VERSION, membership=joined.membership, roster=1 << 20),
        admit=lambda _hello, _static: None,
        ciphers=preferred_ciphers(),
    )
