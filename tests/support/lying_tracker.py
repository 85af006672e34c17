"""A tracker that lies: the real protocol, a real handshake with a tracker's identity, no database.

It answers every peer politely with what a test has put down: `Lies`. Whatever is not put down is
answered as by a tracker that knows nothing. All requests are kept, to be looked at.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.connection import Ended
from protocol.drivers.on_trio import ConnectionLostError, TrioChannel
from protocol.drivers.processor import preferred_ciphers
from protocol.errors import ProtocolError
from protocol.hello import Credentials, MemberHello
from protocol.identity import Identity
from protocol.ids import ManifestId, PeerId
from protocol.messages.base import Done, Failed, Message, Ping, Request
from protocol.messages.deleting import GetHeld, Held
from protocol.messages.rebuilding import OfferEntries, Wanted
from protocol.messages.shared import (
    GetMachines,
    GetManifest,
    Holder,
    Locate,
    Located,
    Machine,
    Machines,
    ManifestDocument,
    RosterDocument,
)
from protocol.messages.tracking import (
    EntryChanged,
    GetEntry,
    Listing,
    Listings,
    PeerChanged,
    Present,
    Presented,
    Publish,
    Published,
    Search,
)
from protocol.roster import Member, sign_membership
from protocol.signing import Signed


@dataclass
class Lies:
    """What it says. `listed` gives listings for a request, `manifests` any bytes for an id."""

    epoch: bytes = bytes(15) + b"\x01"
    change: int = 0
    roster: int = 0
    listed: Callable[[Search | GetEntry], list[Signed]] = lambda _: []
    holders: dict[ManifestId, tuple[Holder, ...]] = field(default_factory=dict)
    manifests: dict[ManifestId, bytes] = field(default_factory=dict)
    machines: tuple[Machine, ...] = ()
    silent: bool = False
    """Connections stay open, and nothing is said on them."""


class LyingTracker:
    """Serves streams, one each peer; `push` says something to all of them unasked."""

    def __init__(
        self, signing: Ed25519PrivateKey, swarm: bytes, psk: bytes, identity: Identity
    ) -> None:
        member = Member(
            peer=identity.peer, static=identity.static_key, name="tracker", role="tracker", joined=1
        )
        self._credentials = lambda: Credentials(
            psk=psk,
            static=identity.static,
            hello=MemberHello(
                version="test",
                membership=sign_membership(signing, member),
                roster=self.lies.roster,
            ),
            admit=lambda _hello, _static: None,
            ciphers=preferred_ciphers(),
        )
        self.lies = Lies()
        self.asked: list[Request] = []
        self.connections = 0
        self._open: dict[TrioChannel, trio.Lock] = {}

    async def serve(self, stream: trio.abc.HalfCloseableStream) -> None:
        """One connection, to its end."""
        self.connections += 1
        channel = TrioChannel(stream, self._credentials(), initiator=False)
        try:
            await channel.handshake()
            self._open[channel] = trio.Lock()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._ping, channel)
                await self._read(channel)
                nursery.cancel_scope.cancel()
        except* (ProtocolError, ConnectionLostError, trio.BrokenResourceError):
            pass
        finally:
            self._open.pop(channel, None)
            await trio.aclose_forcefully(stream)

    async def push(self, message: Message, content: bytes | None = None) -> None:
        """Say something to every peer."""
        for channel in list(self._open):
            await self._say(channel, message, content)

    async def push_roster(self, encoded: bytes, number: int) -> None:
        """Send a roster, or what is to pass for one."""
        await self.push(RosterDocument(length=len(encoded), number=number), encoded)

    async def push_entry(self, record: Signed, change: int) -> None:
        """Tell of a record."""
        await self.push(EntryChanged(change=change, record=record))

    async def push_peer(self, peer: PeerId, *addresses: str) -> None:
        """Say that a member is live, and where."""
        await self.push(PeerChanged(peer=peer, state="live", addresses=addresses))

    async def cut(self) -> None:
        """End all connections: peers come again."""
        for channel in list(self._open):
            await trio.aclose_forcefully(channel.stream)

    async def _ping(self, channel: TrioChannel) -> None:
        while True:
            await trio.sleep(5)
            await self._say(channel, Ping())

    async def _say(
        self, channel: TrioChannel, message: Message, content: bytes | None = None
    ) -> None:
        if self.lies.silent:
            return
        async with self._open[channel]:
            if content is None:
                await channel.send(message)
            else:
                await channel.send_bytes(message, content)

    async def _read(self, channel: TrioChannel) -> None:
        while True:
            event = await channel.receive()
            if isinstance(event, Ended):
                return
            if event.following:
                await channel.receive_document(event.following)
            if isinstance(event.message, Request):
                self.asked.append(event.message)
                await self._say(channel, *self._answer(event.message))

    def _answer(self, request: Request) -> tuple[Message, bytes | None]:
        lies, call, content = self.lies, request.call, None
        answer: Message = Done(call=call)
        match request:
            case Present():
                answer = Presented(
                    call=call,
                    in_sync=True,
                    change=lies.change,
                    epoch=lies.epoch,
                    roster=lies.roster,
                )
            case Search() | GetEntry():
                listed = lies.listed(request)
                listings = tuple(Listing(record=each, have=1, holders=()) for each in listed)
                answer = Listings(call=call, listings=listings, total=len(listings))
            case Locate(manifest=manifest):
                answer = Located(call=call, holders=lies.holders.get(manifest, ()))
            case GetMachines():
                answer = Machines(call=call, machines=lies.machines)
            case GetManifest(manifest=manifest) if manifest in lies.manifests:
                content = lies.manifests[manifest]
                answer = ManifestDocument(call=call, length=len(content), manifest=manifest)
            case GetManifest():
                answer = Failed(call=call, kind="not_found", text="no such manifest")
            case OfferEntries():
                answer = Wanted(call=call, records=(), manifests=(), busy=0)
            case Publish():
                answer = Published(call=call, needs_manifest=False)
            case GetHeld():
                answer = Held(call=call, records=())
        return answer, content
