"""Whole peers of one swarm in one process: their real parts, joined by streams in memory.

No socket and no tracker. `PeerNet` stands in for the network where it is dialled, `open_channel`,
and for its names, `look_up`.
"""

import mmap
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
import trio.testing
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import structs

from peer.data_dir import DataDir, JoinedSwarm
from peer.listener import Listener
from peer.parts import Parts
from peer.reactions import Reactions
from peer.store.contents import Content
from peer.store.splitter import FileStat, split, survey
from peer.swarm.peer_link import PeerLink
from protocol.drivers.on_trio import ConnectionLostError, TrioChannel
from protocol.entry import Entry, Tombstone, first_salt, sign_record
from protocol.hello import Credentials
from protocol.identity import Identity, generate_identity
from protocol.ids import AuthorKey, PeerId, SwarmKey
from protocol.manifest import Manifest
from protocol.roster import Member, Roster, encode_signed, sign_membership, sign_roster
from protocol.signing import Signed

PIECE = 256 << 10
CAPACITY = 1 << 40
Clock = trio.testing.MockClock
"""Ask for `autojump_clock` in the test itself: pytest-trio passes over a fixture's clock."""


def bytes_of(size: int, seed: int = 1) -> bytes:
    """Bytes that repeat nowhere, the same for the same seed."""
    return random.Random(seed).randbytes(size)


def aligned(content: bytes) -> mmap.mmap:
    """The bytes in page-aligned memory, as the store's buffers are."""
    buffer = mmap.mmap(-1, max(1, len(content)))
    buffer[: len(content)] = content
    return buffer


def manifest_of(path: Path) -> Manifest:
    """What `split` makes of a path."""
    return split(survey(path), progress=lambda *_: None, cancelled=lambda: False)


def stats_of(path: Path) -> dict[int, FileStat]:
    """How the files at a path look, by number in the manifest."""
    found = survey(path)
    return {
        n: s
        for n, (r, s) in enumerate(zip(found.files, found.stats, strict=True))
        if not r.directory
    }


class Way:
    """What carries bytes at some rate; wires that share it take turns, a packet at a time."""

    def __init__(self, rate: float, packet: int = 64 << 10) -> None:
        self.rate, self.packet = rate, packet
        self._free_at = 0.0
        self._open = trio.Event()
        self._open.set()

    def stop(self) -> None:
        """Carry nothing for now: who sends waits."""
        self._open = trio.Event()

    def go_on(self) -> None:
        """Carry again."""
        self._open.set()

    async def carry(self, count: int) -> None:
        """Return when so many bytes have been carried."""
        await self._open.wait()
        self._free_at = max(trio.current_time(), self._free_at) + count / self.rate
        await trio.sleep_until(self._free_at)
        await self._open.wait()


class Wire(trio.abc.HalfCloseableStream):
    """One end of a connection in memory, whose outgoing bytes a test may hold back or slow down."""

    def __init__(self, stream: trio.StapledStream) -> None:
        self._stream = stream
        self.silent = False
        self.sent = 0
        self.received = 0
        self.silent_after: int | None = None
        self.way: Way | None = None

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        # A buffer on its way is used again for the next batch.
        left = memoryview(bytes(data))
        while left:
            packet = left[: self.way.packet] if self.way else left
            if self.way:
                await self.way.carry(len(packet))
            left = left[len(packet) :]
            self.sent += len(packet)
            if self.silent_after is not None and self.sent > self.silent_after:
                self.silent = True
            if not self.silent:
                await self._stream.send_all(packet)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        received = bytes(await self._stream.receive_some(max_bytes))
        self.received += len(received)
        return received

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()


def pair_of_wires() -> tuple[Wire, Wire]:
    """The two ends of one connection."""
    one, other = trio.testing.memory_stream_pair()
    return Wire(one), Wire(other)


class SwarmOfPeers:
    """The keys of a swarm, and the roster of all who joined it so far."""

    def __init__(self, *, copies: int = 2) -> None:
        self.signing = Ed25519PrivateKey.generate()
        self.key = SwarmKey(self.signing.public_key().public_bytes_raw())
        self.members: list[Member] = []
        self.number = 0
        self.copies = copies
        self.grace = 1800

    def join(self, folder: Path, name: str, *, capacity: int = CAPACITY, zone: str = "") -> None:
        """Make a data directory that is in this swarm."""
        directory = DataDir(folder)
        directory.create()
        identity = directory.load_identity()
        member = Member(
            peer=identity.peer,
            static=identity.static_key,
            name=name,
            capacity=capacity,
            zone=zone,
            joined=1,
        )
        self.members.append(member)
        directory.save_joined(
            JoinedSwarm(
                swarm=self.key,
                psk=bytes(range(32)),
                tracker=generate_identity().static_key,
                tracker_addresses=("tracker.test:4440",),
                membership=sign_membership(self.signing, member),
                capacity=capacity,
            )
        )

    def change(self, peer: PeerId, **fields: object) -> None:
        """The next roster lists a member with these fields."""
        self.members = [structs.replace(m, **fields) if m.peer == peer else m for m in self.members]

    def roster(self, *, revoked: frozenset[PeerId] = frozenset()) -> bytes:
        """A roster of all members, signed, of the next number."""
        self.number += 1
        members = tuple(
            structs.replace(m, state="revoked") if m.peer in revoked else m for m in self.members
        )
        roster = Roster(
            swarm=self.key,
            number=self.number,
            name="Studio",
            trackers=(),
            members=members,
            copies=self.copies,
            grace=self.grace,
        )
        return encode_signed(sign_roster(self.signing, roster))


class TestPeer:
    """The parts of one peer, with what a test does to them."""

    __test__ = False

    def __init__(self, net: "PeerNet", name: str, folder: Path) -> None:
        self.net, self.name, self.folder = net, name, folder
        self.parts = Parts(folder / "data")
        Reactions(self.parts)
        self.listener = Listener(
            self.parts.admission, self.parts.links, self._no_operators, self.parts.shunned
        )
        self.scope: trio.CancelScope | None = None
        self.stopped = trio.Event()

    @property
    def me(self) -> PeerId:
        return self.parts.me

    @property
    def identity(self) -> Identity:
        return self.parts.identity

    async def run(
        self, *, replicating: bool, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Live until killed."""
        try:
            async with trio.open_nursery() as nursery:
                self.scope = nursery.cancel_scope
                self.parts.links.start(nursery)
                self.parts.downloads.start(nursery)
                nursery.start_soon(self.parts.trash.run)
                nursery.start_soon(self.parts.renditions.run)
                self.parts.proving.start(nursery)
                self.nursery = nursery
                if replicating:
                    nursery.start_soon(self.parts.presence_watch.run)
                    nursery.start_soon(self.parts.health_watch.run)
                    nursery.start_soon(self.parts.events.run)
                    nursery.start_soon(self.parts.replication.run)
                    nursery.start_soon(self.parts.dropping.run)
                    nursery.start_soon(self.parts.eviction.run)
                task_status.started()
                await trio.sleep_forever()
        finally:
            self.parts.close()
            os.close(self.parts.lock)
            self.stopped.set()

    async def kill(self) -> None:
        """Everything ends at once: no goodbye gets through."""
        self.net.peers.pop(self.name, None)
        for wire in self.net.wires.get(self.name, []):
            wire.silent = True
        assert self.scope is not None
        self.scope.cancel()
        with trio.CancelScope(shield=True):
            await self.stopped.wait()

    async def hold(self, content: bytes, name: str = "film.bin") -> tuple[Manifest, Content]:
        """Hold a file as our own content file, in full."""
        path = self.parts.directory.spool / name
        path.write_bytes(content)
        manifest = manifest_of(path)
        content = await self.parts.store.adopt(path, manifest)
        self.parts.adding.on_added(content)
        return manifest, content

    async def share(self, path: Path) -> tuple[Manifest, Content]:
        """Hold a user's file or folder where it lies."""
        manifest = manifest_of(path)
        content = await self.parts.contents.add(manifest, path, full=True, stats=stats_of(path))
        return manifest, content

    def entry(
        self, manifest: Manifest, name: str = "film", copies: int = 2, **more: object
    ) -> Entry:
        """An entry by this machine."""
        author = AuthorKey(self.identity.peer)
        fields: dict[str, object] = {
            "salt": first_salt(manifest.id, name),
            "author": author,
            "sequence": 1,
            "name": name,
            "manifest": manifest.id,
            "size": manifest.size,
            "pieces": manifest.pieces,
            "files": len(manifest.files),
            "kind": "file" if manifest.single else "folder",
            "copies": copies,
            "created": 1,
        }
        return Entry(**(fields | more))  # type: ignore[arg-type]

    def sign(self, record: Entry | Tombstone) -> Signed:
        return sign_record(record, self.identity.signing)

    async def publish(self, manifest: Manifest, name: str = "film", copies: int = 2) -> Entry:
        """Make an entry and remember it, as `add` does without a tracker."""
        entry = self.entry(manifest, name, copies)
        await self.parts.catalogue.learn(self.sign(entry), mine=True)
        return entry

    async def link_to(self, other: "TestPeer") -> PeerLink:
        return await self.parts.links.connect(other.me)

    def bytes_held(self, manifest: Manifest) -> bytes:
        """Our content file as it lies on disk."""
        return self.parts.contents.content_file(manifest.id).read_bytes()

    @staticmethod
    async def _no_operators(channel: TrioChannel) -> None:
        await channel.aclose("no operators here", refused=True)


class PeerNet:
    """Peers by name, and the connections between them."""

    def __init__(self, tmp_path: Path, nursery: trio.Nursery, patch: pytest.MonkeyPatch) -> None:
        self.tmp_path, self.nursery = tmp_path, nursery
        self.swarm = SwarmOfPeers()
        self.peers: dict[str, TestPeer] = {}
        self.wires: dict[str, list[Wire]] = {}
        self.dials = 0
        self._ends: dict[tuple[str, str], Wire] = {}
        self.on_wire: Callable[[str, str, Wire], None] = lambda *_: None
        """Called with who speaks to whom over a new wire's end."""
        self.ways: dict[str | tuple[str, str], Way] = {}
        """By speaker, or by speaker and listener: what new wires' bytes go over."""
        patch.setattr("peer.swarm.links.open_channel", self._open_channel)
        patch.setattr("peer.swarm.address_book.look_up", self._look_up)

    async def start(
        self, *names: str, replicating: bool = False, capacity: dict[str, int] | None = None
    ) -> list[TestPeer]:
        """Join machines and start them; everybody knows everybody's address and the roster."""
        for name in names:
            self.swarm.join(
                self.tmp_path / name / "data", name, capacity=(capacity or {}).get(name, CAPACITY)
            )
        started = [await self.restart(name, replicating=replicating) for name in names]
        encoded = self.swarm.roster()
        for peer in self.peers.values():
            await peer.parts.rosters.offer(encoded)
            for other in self.peers.values():
                if other is not peer:
                    await peer.parts.address_book.learn(other.me, (f"{other.name}:1",))
        return started

    async def spread_roster(self) -> None:
        """Everybody hears of a new roster, as from the tracker."""
        encoded = self.swarm.roster()
        for peer in list(self.peers.values()):
            await peer.parts.tracker.take_roster(encoded)

    async def restart(self, name: str, *, replicating: bool = False) -> TestPeer:
        """Start a machine on the data directory it has."""
        peer = TestPeer(self, name, self.tmp_path / name)
        peer.parts.load()
        self.peers[name] = peer

        async def run(task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
            await peer.run(replicating=replicating, task_status=task_status)

        await self.nursery.start(run)
        return peer

    def end(self, speaker: str, listener: str) -> Wire:
        """The newest wire over which `speaker` speaks to `listener`."""
        return self._ends[(speaker, listener)]

    @staticmethod
    async def _look_up(host: str) -> tuple[str, ...]:
        """Here a machine's name is its address."""
        return (host,)

    async def _open_channel(self, host: str, port: int, credentials: Credentials) -> TrioChannel:
        self.dials += 1
        target = self.peers.get(host)
        if target is None:
            raise ConnectionLostError(f"cannot connect to {host}:{port}: nobody there")
        dialler = next(
            peer.name for peer in self.peers.values() if peer.identity.static is credentials.static
        )
        ours, theirs = pair_of_wires()
        self.wires.setdefault(dialler, []).append(ours)
        self.wires.setdefault(host, []).append(theirs)
        self._remember(dialler, host, ours, theirs)
        target.nursery.start_soon(target.listener._accept, theirs)
        channel = TrioChannel(ours, credentials, initiator=True)
        await channel.handshake()
        return channel

    def _remember(self, dialler: str, host: str, ours: Wire, theirs: Wire) -> None:
        self._ends[(dialler, host)] = ours
        self._ends[(host, dialler)] = theirs
        ours.way = self.ways.get((dialler, host)) or self.ways.get(dialler)
        theirs.way = self.ways.get((host, dialler)) or self.ways.get(host)
        self.on_wire(dialler, host, ours)
        self.on_wire(host, dialler, theirs)


async def until(condition: Callable[[], bool], what: str = "", seconds: float = 600.0) -> None:
    """Wait, on a clock that jumps, until something is so."""
    with trio.move_on_after(seconds):
        while not condition():  # noqa: ASYNC110 - anything may make it so
            await trio.sleep(0.05)
    assert condition(), f"not within {seconds} s: {what}"
