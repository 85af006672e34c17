"""Two ends of a connection with the bytes between them in a test's hands, and a swarm to be in."""

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.connection import (
    BATCH_LENGTH,
    Connection,
    Established,
    Event,
    NeedData,
    Received,
    State,
)
from protocol.errors import RefusedError
from protocol.hello import Credentials, Hello, MemberHello
from protocol.identity import Identity, generate_identity
from protocol.ids import StaticKey, SwarmKey
from protocol.messages.base import Message
from protocol.noise import Cipher
from protocol.roster import (
    Member,
    Roster,
    check_not_revoked,
    open_membership_untrusted,
    sign_membership,
)
from protocol.signing import Signed

AES_FIRST = (Cipher.AESGCM, Cipher.CHACHAPOLY)
CHACHA_FIRST = (Cipher.CHACHAPOLY, Cipher.AESGCM)

Admit = Callable[[Hello, StaticKey], None]


class Swarm:
    """A swarm key, a pre-shared key, and whatever is signed with them."""

    def __init__(self) -> None:
        self.signing = Ed25519PrivateKey.generate()
        self.key = SwarmKey(self.signing.public_key().public_bytes_raw())
        self.psk = bytes(range(32))

    def member(self, identity: Identity, name: str = "nas", **fields: object) -> Member:
        """A member with this identity."""
        known = {"peer": identity.peer, "static": identity.static_key, "name": name, "joined": 1}
        return Member(**(known | fields))  # type: ignore[arg-type]

    def roster(self, *members: Member, number: int = 1) -> Roster:
        """A roster of these members, unsigned."""
        return Roster(
            swarm=self.key, number=number, name="Studio", trackers=("nas:4440",), members=members
        )

    def admit_by(self, roster: Roster | None) -> Admit:
        """What a machine that knows this roster admits."""

        def admit(hello: Hello, static: StaticKey) -> None:
            if not isinstance(hello, MemberHello):
                raise RefusedError("members only")
            member = open_membership_untrusted(hello.membership, self.key, static)
            check_not_revoked(roster, member)

        return admit

    def credentials(
        self,
        identity: Identity | None = None,
        *,
        ciphers: tuple[Cipher, ...] = AES_FIRST,
        admit: Admit | None = None,
        psk: bytes | None = None,
        membership: Signed | None = None,
    ) -> Credentials:
        """Those of a fresh member, that admits any member, unless told otherwise."""
        identity = identity or generate_identity()
        membership = membership or sign_membership(self.signing, self.member(identity))
        return Credentials(
            psk=self.psk if psk is None else psk,
            static=identity.static,
            hello=MemberHello(version="1.2.3", membership=membership, roster=1),
            admit=admit or self.admit_by(None),
            ciphers=ciphers,
        )


class End:
    """One end: a Connection, and everything it has been told so far."""

    def __init__(self, credentials: Credentials, *, initiator: bool) -> None:
        self.connection = Connection(credentials, initiator=initiator)
        self.events: list[Event] = []
        self.bodies: list[bytearray] = []
        """The bytes that followed each header, full only when the event says so."""

    @property
    def established(self) -> bool:
        """Whether this end ever took the other for a proven member."""
        return any(isinstance(event, Established) for event in self.events)

    @property
    def messages(self) -> list[Message]:
        """The control messages received, in order."""
        return [event.message for event in self.events if isinstance(event, Received)]

    def feed(self, stream: bytes, *, step: int = 1 << 30) -> None:
        """Receive these bytes, at most `step` in one read. Raises what the connection raises."""
        left = memoryview(stream)
        while left:
            space = self.connection.receive_space()
            count = min(len(left), len(space), step)
            space[:count] = left[:count]
            self.connection.received(count)
            left = left[count:]
            self.drain()
            if self.connection.state is State.CLOSED:
                return

    def drain(self) -> None:
        """Take all events there are."""
        while self.connection.state is not State.CLOSED:
            event = self.connection.next_event()
            if isinstance(event, NeedData):
                return
            self.events.append(event)
            if isinstance(event, Received) and event.following:
                self.bodies.append(bytearray(event.following))
                self.connection.receive_into(memoryview(self.bodies[-1]))

    def say(self, header: Message, content: bytes = b"") -> bytes:
        """A message, and the bytes it announces, as they go over the wire."""
        stream = self.connection.send(header)
        out = memoryview(bytearray(BATCH_LENGTH))
        for sealed in self.connection.send_bytes(memoryview(content), out):
            stream += bytes(sealed)
        return stream

    def say_raw(self, plaintext: bytes) -> bytes:
        """A transport message our own code would not make, sealed with this end's cipher."""
        return self.connection._seal(plaintext)


class ConnectionPair:
    """Two ends and the wire between them."""

    def __init__(self, initiator: Credentials, responder: Credentials) -> None:
        self.initiator = End(initiator, initiator=True)
        self.responder = End(responder, initiator=False)

    def flights(self, count: int = 3, *, step: int = 1 << 30) -> list[bytes]:
        """Deliver the first `count` handshake flights unharmed; these, and the next, undelivered.

        There are three: the offer, the responder's hello, the initiator's hello.
        """
        ends = [self.initiator, self.responder]
        flights = []
        for number in range(count):
            flights.append(ends[number % 2].connection.take_outgoing())
            ends[1 - number % 2].feed(flights[-1], step=step)
        flights.append(ends[count % 2].connection.take_outgoing())
        return flights

    def open(self, *, step: int = 1 << 30) -> "ConnectionPair":
        """Do the whole handshake; self."""
        self.flights(step=step)
        assert self.initiator.established
        assert self.responder.established
        return self


def open_pair(cipher: Cipher = Cipher.AESGCM) -> ConnectionPair:
    """An open connection between two members."""
    swarm = Swarm()
    return ConnectionPair(
        swarm.credentials(ciphers=(cipher,)), swarm.credentials(ciphers=(cipher,))
    ).open()


def split_records(stream: bytes) -> list[bytes]:
    """The transport messages in a stream, each with its length."""
    records = []
    while stream:
        stop = 2 + int.from_bytes(stream[:2])
        records.append(stream[:stop])
        stream = stream[stop:]
    return records


def flip_bit(stream: bytes, bit: int) -> bytes:
    """The stream with one bit changed."""
    changed = bytearray(stream)
    changed[bit // 8] ^= 1 << (bit % 8)
    return bytes(changed)
