"""A real tracker in a temporary directory, and peers that talk to it over in-memory streams."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio
import trio.testing
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import URL, Connection

from protocol.address import Address
from protocol.drivers.on_trio import TrioChannel
from protocol.drivers.processor import preferred_ciphers
from protocol.entry import Entry, Tombstone, sign_record
from protocol.geometry import Geometry
from protocol.hashing import hash_piece
from protocol.hello import Credentials, Hello, JoinHello, MemberHello
from protocol.identity import Identity, generate_identity
from protocol.ids import AuthorKey, PeerId, StaticKey
from protocol.inventory import inventory_digest
from protocol.manifest import FileRecord, Manifest, make_manifest
from protocol.messages.base import Message, Ping
from protocol.messages.shared import GetMachines, RosterDocument
from protocol.messages.tracking import Join, Present, join_proof_body
from protocol.operator_access import make_operator_access, operator_credentials
from protocol.roster import Roster, open_roster_untrusted
from protocol.signing import Signed
from tracker import in_bulk, invites, members, swarm
from tracker.admission import Admission
from tracker.daemon import Reception
from tracker.data_dir import DataDir, SwarmKeys
from tracker.database import Database, open_database
from tracker.errors import RequestFailedError
from tracker.tracker import Tracker

PIECE = 256 << 10
NOW = 1_800_000_000_000
make_place: Callable[[], URL] | None = None
"""Where `found` makes its databases; in the data directory while this is None."""


@dataclass(eq=False)
class Line:
    """A connection as far as presence looks at it."""

    last_received: float


def found(root: Path) -> tuple[DataDir, Database, SwarmKeys, Identity]:
    """A swarm that has just been made."""
    directory = DataDir(root / "tracker", make_place() if make_place else None)
    directory.create()
    keys, identity = directory.make_swarm_keys(), directory.make_identity()
    database = open_database(directory.place())
    database.write_now(
        lambda connection: swarm.found_swarm(connection, keys.signing, "club", ("nas.local:4100",))
    )
    return directory, database, keys, identity


def new_token(
    database: Database, *, zone: str = "", expires: int = NOW + 1000, now: int = NOW
) -> bytes:
    """The token of a fresh invite."""
    token = os.urandom(16)
    database.write_now(
        lambda connection: invites.record_invite(
            connection, token, zone=zone, expires=expires, now=now
        )
    )
    return token


@contextmanager
def held_up(database: Database, nursery: trio.Nursery) -> Iterator[None]:
    """No write goes to the disk meanwhile."""
    let_go = threading.Event()
    nursery.start_soon(database.write, lambda _: let_go.wait())
    try:
        yield
    finally:
        let_go.set()


def admit(
    database: Database,
    keys: SwarmKeys,
    name: str = "laptop",
    identity: Identity | None = None,
    token: bytes | None = None,
    zone: str | None = None,
    now: int = NOW,
    capacity: int = 1,
) -> tuple[Identity, members.Admitted]:
    """Make a machine a member, as a Join does."""
    who = identity or generate_identity()
    traded = token if token is not None else new_token(database)
    request = Join(
        call=0,
        token=traded,
        peer=who.peer,
        proof=bytes(64),
        name=name,
        zone=zone,
        capacity=capacity,
    )
    admitted = database.write_now(
        lambda connection: members.admit_machine(
            connection, keys.signing, request, who.static_key, now
        )
    )
    return who, admitted


def manifest_of(pieces: int, seed: int = 0) -> Manifest:
    """A manifest of one file; pieces are made up."""
    hashes = [hash_piece(b"%d %d" % (seed, piece)) for piece in range(pieces)]
    length = pieces * PIECE - (seed if pieces else 0)
    geometry = Geometry(piece_length=PIECE, length=length, short={})
    return make_manifest(geometry, hashes, [FileRecord(path="", offset=0, size=length)])


def folder_of(paths: Iterable[str]) -> Manifest:
    """A manifest of a folder with files of a byte; its piece is made up."""
    files = [FileRecord(path=path, offset=at, size=1) for at, path in enumerate(sorted(paths))]
    geometry = Geometry(piece_length=PIECE, length=len(files), short={})
    return make_manifest(geometry, [hash_piece(files[-1].path.encode())], files)


def store_manifest(connection: Connection, manifest: Manifest) -> None:
    """Keep a manifest, as PutManifest does; RequestFailedError when nothing names it."""
    if in_bulk.put_manifests(connection, [manifest]):
        raise RequestFailedError("refused", "no entry names this manifest")


def entry_of(manifest: Manifest, author: Identity, **changes: Any) -> Entry:
    """An entry that names a manifest."""
    fields: dict[str, Any] = {
        "salt": bytes(16),
        "author": AuthorKey(author.peer),
        "sequence": 1,
        "name": "holiday film.mp4",
        "manifest": manifest.id,
        "size": manifest.size,
        "pieces": manifest.pieces,
        "files": 1,
        "kind": "file",
        "created": NOW,
    }
    return Entry(**(fields | changes))


def signed(record: Entry | Tombstone, author: Identity) -> Signed:
    return sign_record(record, author.signing)


def tombstone_of(entry: Entry, sequence: int | None = None) -> Tombstone:
    return Tombstone(
        salt=entry.salt,
        author=entry.author,
        sequence=entry.sequence if sequence is None else sequence,
        manifest=entry.manifest,
        deleted=NOW,
    )


class Talk:
    """The remote's end of a connection, with what it was told kept until asked for."""

    def __init__(self, channel: TrioChannel) -> None:
        self.channel = channel
        self._calls = 0
        self._kept: list[Any] = []
        self.documents: dict[type[Message], bytes] = {}

    async def ask(self, kind: type[Message], content: bytes | None = None, **fields: Any) -> Any:
        """Send a request; its reply."""
        self._calls += 1
        request = kind(call=self._calls, **fields)
        if content is None:
            await self.channel.send(request)
        else:
            await self.channel.send_bytes(request, content)
        while True:
            message = await self._next()
            if getattr(message, "call", None) == self._calls:
                return message
            self._kept.append(message)

    async def told(self, kind: type[Message]) -> Any:
        """The next push of a kind; others are kept."""
        for index, message in enumerate(self._kept):
            if isinstance(message, kind):
                return self._kept.pop(index)
        while True:
            message = await self._next()
            if isinstance(message, kind):
                return message
            self._kept.append(message)

    async def until_the_end(self) -> None:
        """Read until reading fails."""
        while True:
            await self._next()

    def kept(self, kind: type[Message]) -> list[Any]:
        return [message for message in self._kept if isinstance(message, kind)]

    async def _next(self) -> Any:
        while True:
            event = await self.channel.receive()
            message: Any = event.message  # type: ignore[union-attr]
            if event.following:  # type: ignore[union-attr]
                content = await self.channel.receive_document(event.following)  # type: ignore[union-attr]
                self.documents[type(message)] = content
            if not isinstance(message, Ping):
                return message


@dataclass
class Swarm:
    """A running tracker with no sockets."""

    database: Database
    keys: SwarmKeys
    identity: Identity
    tracker: Tracker
    reception: Reception
    nursery: trio.Nursery
    operator: X25519PrivateKey
    memberships: dict[PeerId, Signed] = field(default_factory=dict)

    def stranger(self) -> trio.StapledStream[Any, Any]:
        """Our end of a connection on which nothing has been said."""
        ours, theirs = trio.testing.memory_stream_pair()
        self.nursery.start_soon(self.reception.receive, theirs)
        return ours

    async def open(self, identity: Identity, hello: Hello) -> Talk:
        credentials = Credentials(
            psk=self.keys.psk,
            static=identity.static,
            hello=hello,
            admit=lambda _hello, _static: None,
            ciphers=preferred_ciphers(),
        )
        return await self._open(credentials)

    async def member(self, identity: Identity, roster: int | None = None) -> Talk:
        number = self.tracker.roster.number if roster is None else roster
        membership = self.memberships[identity.peer]
        return await self.open(
            identity, MemberHello(version="test", membership=membership, roster=number)
        )

    async def member_over(self, stream: trio.SocketStream) -> Talk:
        """A new member, over a stream that the tracker serves."""
        identity = self.admit()
        credentials = Credentials(
            psk=self.keys.psk,
            static=identity.static,
            hello=MemberHello(
                version="test",
                membership=self.memberships[identity.peer],
                roster=self.tracker.roster.number,
            ),
            admit=lambda _hello, _static: None,
            ciphers=preferred_ciphers(),
        )
        channel = TrioChannel(stream, credentials, initiator=True)
        await channel.handshake()
        return Talk(channel)

    async def joiner(self, identity: Identity) -> Talk:
        return await self.open(identity, JoinHello(version="test"))

    async def operate(self, key: X25519PrivateKey | None = None) -> Talk:
        address = Address(host="127.0.0.1", port=1)
        access = make_operator_access(
            address, self.keys.psk, key or self.operator, self.identity.static_key
        )
        return await self._open(operator_credentials(access, "test", preferred_ciphers()))

    def admit(self, name: str = "laptop", capacity: int = 1) -> Identity:
        """Make a member without a connection."""
        identity, admitted = admit(self.database, self.keys, name, capacity=capacity)
        self.tracker.adopt(admitted.roster)
        self.memberships[identity.peer] = admitted.membership
        return identity

    async def present(self, identity: Identity, *, holdings: Any = (), **fields: Any) -> Talk:
        """A connected member that has presented itself and been told what there is to tell."""
        talk = await self.member(identity)
        values: dict[str, Any] = {
            "addresses": ("192.168.1.7:4101",),
            "capacity": 1,
            "stored": 0,
            "digest": inventory_digest(holdings),
            "seen": 0,
        }
        await talk.ask(Present, **(values | fields))
        # Requests are served one after the other: with this answer, all of Present is done.
        await talk.ask(GetMachines)
        return talk

    async def _open(self, credentials: Credentials) -> Talk:
        channel = TrioChannel(self.stranger(), credentials, initiator=True)
        await channel.handshake()
        return Talk(channel)

    def roster(self, talk: Talk) -> Roster:
        return open_roster_untrusted(talk.documents[RosterDocument], self.keys.public)


def join_request(identity: Identity, talk: Talk, token: bytes, **fields: Any) -> dict[str, Any]:
    """The fields of a Join that this machine may send on this connection."""
    body = join_proof_body(talk.channel.connection.handshake_hash)
    values = {
        "token": token,
        "peer": identity.peer,
        "proof": identity.signing.sign(body),
        "name": "laptop",
        "zone": None,
        "capacity": 5,
    }
    return values | fields


@contextmanager
def running(root: Path, nursery: trio.Nursery, wall: Any = lambda: NOW) -> Iterator[Swarm]:
    """A tracker for the length of a test."""
    _, database, keys, identity = found(root)
    operator = X25519PrivateKey.generate()
    tracker = Tracker(database, keys, identity, ("nas.local:4100",), wall)
    public = StaticKey(operator.public_key().public_bytes_raw())
    admission = Admission(keys, identity, public, lambda: tracker.roster)
    reception = Reception(tracker, admission)
    try:
        yield Swarm(database, keys, identity, tracker, reception, nursery, operator)
    finally:
        database.close()
