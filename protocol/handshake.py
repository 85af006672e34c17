"""The opening of a connection: a clear offer, then Noise XXpsk0, sans I/O.

The initiator sends one first Noise message for each (version, cipher) it offers, each bound to the
whole offer and to that very pick as its prologue; the responder answers nothing before one of them
has proven the pre-shared key. So offer and pick are both in the prologue, and a stranger gets no
byte. Layout: docs/protocol.md, part 1.
"""

from abc import ABC, abstractmethod

from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.hello import Credentials, Hello, decode_hello_untrusted, encode_hello
from protocol.ids import StaticKey
from protocol.noise import XXPSK0, Cipher, CipherState, HandshakeState

MAGIC = b"twofold\0"
SLOTS = 4
OFFER_LENGTH = len(MAGIC) + 2 * SLOTS
FIRST_LENGTH = 48
"""First Noise message: a 32-byte ephemeral key and the tag of an empty payload."""
MAX_MESSAGE = 10 << 10
VERSION = 1
_NUMBERS = {Cipher.AESGCM: 1, Cipher.CHACHAPOLY: 2}
_CIPHERS = {number: cipher for cipher, number in _NUMBERS.items()}

Pick = tuple[int, int]


class Handshake(ABC):
    """One side of the opening. Feed it exactly `wanted` bytes at a time until `finished`."""

    def __init__(self, credentials: Credentials) -> None:
        self.wanted = 0
        self.finished = False
        self.hello: Hello | None = None
        self._credentials = credentials
        self._noise: HandshakeState | None = None

    @abstractmethod
    def receive(self, received: bytes) -> bytes:
        """Take `wanted` bytes; returns what to send, maybe nothing.

        RemoteProtocolError or RefusedError ends the attempt.
        """

    @property
    def noise(self) -> HandshakeState:
        """The Noise handshake of the pick."""
        if self._noise is None:
            raise LocalProtocolError("the handshake has not got that far")
        return self._noise

    @property
    def remote_static(self) -> StaticKey:
        """The static key the other side proved."""
        if self.noise.remote_static is None:
            raise LocalProtocolError("the remote has not shown its key yet")
        return self.noise.remote_static

    def split(self) -> tuple[CipherState, CipherState]:
        """The cipher states of initiator to responder and of responder to initiator."""
        return self.noise.split()

    def _start_noise(self, offer: bytes, pick: Pick, *, initiator: bool) -> HandshakeState:
        return HandshakeState(
            pattern=XXPSK0,
            cipher=_CIPHERS[pick[1]],
            initiator=initiator,
            prologue=offer + bytes(pick),
            static=self._credentials.static,
            psk=self._credentials.psk,
        )

    def _read_hello(self, message: bytes) -> Hello:
        self.hello = decode_hello_untrusted(self.noise.read_message(message))
        return self.hello

    def _write_hello(self) -> bytes:
        message = self.noise.write_message(encode_hello(self._credentials.hello))
        return len(message).to_bytes(2) + message


class Initiator(Handshake):
    """The side that connects."""

    def __init__(self, credentials: Credentials) -> None:
        super().__init__(credentials)
        self._picks = [(VERSION, _NUMBERS[cipher]) for cipher in credentials.ciphers]
        self._offer = encode_offer(self._picks)
        self._candidates = {
            pick: self._start_noise(self._offer, pick, initiator=True) for pick in self._picks
        }
        self.wanted = 4

    def start(self) -> bytes:
        """The first bytes of the connection."""
        firsts = [noise.write_message(b"") for noise in self._candidates.values()]
        return self._offer + b"".join(firsts)

    def receive(self, received: bytes) -> bytes:
        """First the pick and a length, then the responder's message of that length."""
        if self._noise is None:
            noise = self._candidates.get((received[0], received[1]))
            if noise is None:
                raise RemoteProtocolError("the responder picked what was not offered")
            self._noise = noise
            self.wanted = _checked_length(received[2:])
            return b""
        hello = self._read_hello(received)
        self._credentials.admit(hello, self.remote_static)
        self.finished, self.wanted = True, 0
        return self._write_hello()


class Responder(Handshake):
    """The side that is connected to."""

    def __init__(self, credentials: Credentials) -> None:
        super().__init__(credentials)
        self._offer = b""
        self._picks: list[Pick] = []
        self._answered = False
        self.wanted = OFFER_LENGTH

    def receive(self, received: bytes) -> bytes:
        """The offer, the first messages, then a length and the initiator's last message."""
        if not self._picks:
            self._offer, self._picks = received, decode_offer_untrusted(received)
            self.wanted = FIRST_LENGTH * len(self._picks)
            return b""
        if self._noise is None:
            return self._answer(received)
        if not self._answered:
            self._answered, self.wanted = True, _checked_length(received)
            return b""
        hello = self._read_hello(received)
        self.finished, self.wanted = True, 0
        self._credentials.admit(hello, self.remote_static)
        return b""

    def _answer(self, firsts: bytes) -> bytes:
        pick = self._choose()
        self._noise, self.wanted = self._open_first(firsts, pick), 2
        # The rest prove nothing new; but what was changed on the way is not to pass unseen.
        for other in self._picks:
            if other != pick and other[0] == VERSION and other[1] in _CIPHERS:
                self._open_first(firsts, other)
        return bytes(pick) + self._write_hello()

    def _open_first(self, firsts: bytes, pick: Pick) -> HandshakeState:
        at = self._picks.index(pick) * FIRST_LENGTH
        noise = self._start_noise(self._offer, pick, initiator=False)
        noise.read_message(firsts[at : at + FIRST_LENGTH])
        return noise

    def _choose(self) -> Pick:
        for cipher in self._credentials.ciphers:
            pick = (VERSION, _NUMBERS[cipher])
            if pick in self._picks:
                return pick
        raise RemoteProtocolError("no protocol version and cipher in common")


def encode_offer(picks: list[Pick]) -> bytes:
    """16 bytes: the magic, then four slots of version and cipher, unused ones zero."""
    if not 1 <= len(picks) <= SLOTS:
        raise LocalProtocolError(f"an offer has 1 to {SLOTS} picks, not {len(picks)}")
    return (MAGIC + b"".join(bytes(pick) for pick in picks)).ljust(OFFER_LENGTH, b"\0")


def decode_offer_untrusted(offer: bytes) -> list[Pick]:
    """The picks offered; RemoteProtocolError for anything that is not an offer."""
    if not offer.startswith(MAGIC):
        raise RemoteProtocolError("not a Twofold connection")
    slots = offer[len(MAGIC) :]
    picks = [(slots[i], slots[i + 1]) for i in range(0, 2 * SLOTS, 2)]
    used = [pick for pick in picks if pick != (0, 0)]
    if not used or picks[: len(used)] != used or len(set(used)) != len(used):
        raise RemoteProtocolError("the offer's slots are malformed")
    return used


def _checked_length(prefix: bytes) -> int:
    length = int.from_bytes(prefix)
    if not 0 < length <= MAX_MESSAGE:
        raise RemoteProtocolError(f"handshake message of {length} bytes")
    return length
