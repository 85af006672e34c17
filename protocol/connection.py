"""One encrypted connection, sans I/O: bytes in, events out; messages in, bytes out.

States, in order: OPENING (handshake), CONTROL (between messages), BYTES (raw bytes of the last
message are due), CLOSED. Whatever a remote sends wrong raises RemoteProtocolError, after which
the connection is CLOSED and only fit to be dropped. An end of the stream without a Close message
is a cut, not an end.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from protocol import codec
from protocol.errors import LocalProtocolError, ProtocolError, RefusedError, RemoteProtocolError
from protocol.handshake import Handshake, Initiator, Responder
from protocol.hello import Credentials, Hello
from protocol.ids import StaticKey
from protocol.messages import decode_message_untrusted
from protocol.messages.base import Close, Message, Ping, bytes_following
from protocol.noise import MAX_MESSAGE_LENGTH, TAG_LENGTH, CipherState
from protocol.receive_buffer import ReceiveBuffer

PAYLOAD = MAX_MESSAGE_LENGTH - TAG_LENGTH
RECORD = 2 + MAX_MESSAGE_LENGTH
LEAST_ROOM = 1024
BATCH = 16
BATCH_PAYLOAD = BATCH * PAYLOAD
BATCH_LENGTH = BATCH * RECORD
"""Bytes of a buffer that holds one batch of sealed transport messages (about 1 MiB)."""


class State(Enum):
    """Where a connection is; each state accepts only what its name says."""

    OPENING = "opening"
    CONTROL = "control"
    BYTES = "bytes"
    CLOSED = "closed"


@dataclass(frozen=True)
class NeedData:
    """Nothing more can be told before more bytes are received."""


@dataclass(frozen=True)
class Established:
    """The handshake is done and the other side admitted."""

    hello: Hello
    static: StaticKey


@dataclass(frozen=True)
class Received:
    """A control message; when `following` is not 0, `receive_into` must be called next."""

    message: Message
    following: int


@dataclass(frozen=True)
class BytesReceived:
    """The buffer given to `receive_into` is full."""


@dataclass(frozen=True)
class Ended:
    """The other side closed in good order, and said why."""

    reason: str


Event = NeedData | Established | Received | BytesReceived | Ended
NEED_DATA = NeedData()
BYTES_RECEIVED = BytesReceived()
_PING = codec.encode_control(Ping())
SEALED_PING = 2 + len(_PING) + TAG_LENGTH
"""Bytes of a Ping on the wire: no other control message is as short."""
PINGED = Received(Ping(), 0)
"""The event of each Ping: what thousands of idle connections say."""


class Connection:
    """Either end of a connection. Not for two tasks at once in the same direction."""

    def __init__(self, credentials: Credentials, *, initiator: bool) -> None:
        self.state = State.OPENING
        self.bytes_in = 0
        self.bytes_out = 0
        self._initiator = initiator
        self._hash = b""
        self._buffer = ReceiveBuffer()
        self._outgoing = bytearray()
        self._handshake: Handshake
        if initiator:
            opening = Initiator(credentials)
            self._outgoing += opening.start()
            self._handshake = opening
        else:
            self._handshake = Responder(credentials)
        self._receiving: CipherState
        self._sending: CipherState | None = None
        self._target: memoryview | None = None
        self._filled = 0
        self._due = 0
        self._owed = 0

    @property
    def handshake_hash(self) -> bytes:
        """Names this very connection: equal at both ends, never twice the same."""
        return self._hash or self._handshake.noise.handshake_hash

    @property
    def holds_nothing(self) -> bool:
        """Whether all bytes that were received are understood."""
        return not self._buffer

    @property
    def due(self) -> int:
        """Bytes that follow the last message received and have not been received."""
        return self._due - self._filled if self.state is State.BYTES else 0

    # Receiving

    def receive_space(self) -> memoryview:
        """Where the next bytes from the socket go; call `received` with their number."""
        return self._buffer.space()

    def received(self, count: int) -> None:
        """Count bytes now in `receive_space`. RemoteProtocolError for 0, the end of the stream."""
        if count == 0 and self.state is not State.CLOSED:
            self.state = State.CLOSED
            raise RemoteProtocolError("the connection was cut")
        self.bytes_in += count
        self._buffer.filled(count)

    def take_in(self, received: bytes) -> Event:
        """Bytes that were read elsewhere, not none; then as `next_event`."""
        if self._is_only_pings(received):
            self.bytes_in += len(received)
            try:
                for start in range(0, len(received), SEALED_PING):
                    self._open_ping(received[start + 2 : start + SEALED_PING])
            except ProtocolError as error:
                self._fail(error)
                raise
            return PINGED
        while received:
            space = self.receive_space()
            count = min(len(space), len(received))
            space[:count] = received[:count]
            self.received(count)
            received = received[count:]
        return self.next_event()

    def receive_into(self, target: memoryview) -> None:
        """Say where the bytes that follow the last message go: exactly that many."""
        if self.state is not State.BYTES or self._target is not None:
            raise LocalProtocolError("no bytes are due")
        if len(target) != self._due:
            raise LocalProtocolError(f"{self._due} bytes are due, the buffer has {len(target)}")
        self._target, self._filled = target, 0
        self._buffer.expect(self._due)

    def next_event(self) -> Event:
        """The next thing the remote said. Raises RemoteProtocolError or RefusedError."""
        try:
            if self.state is State.OPENING:
                return self._next_opening()
            if self.state is State.BYTES:
                return self._next_bytes()
            if self.state is State.CONTROL:
                return self._next_control()
        except ProtocolError as error:
            self._fail(error)
            raise
        raise LocalProtocolError("the connection is closed")

    def trim(self) -> None:
        """Give back what memory an idle connection does not need."""
        self._buffer.trim()

    def stay_small(self) -> None:
        """Read little at a time from now on: this is one connection of many."""
        self._buffer.stay_small()

    # Sending

    def take_outgoing(self) -> bytes:
        """Handshake bytes to send now, or nothing."""
        outgoing = bytes(self._outgoing)
        self._outgoing.clear()
        self.bytes_out += len(outgoing)
        return outgoing

    def send(self, message: Message) -> bytes:
        """The bytes of one control message; after a header, `send_bytes` must be next."""
        self._open_sending()
        if self._owed:
            raise LocalProtocolError(f"{self._owed} bytes are still owed after the last header")
        try:
            owed = bytes_following(message)
        except RemoteProtocolError as error:
            raise LocalProtocolError(str(error)) from None
        sealed = self._seal(codec.encode_control(message))
        self._owed = owed
        return sealed

    def send_encoded(self, message: bytes) -> bytes:
        """The same of one that `codec.encode_control` has encoded, and that nothing follows."""
        if self._owed:
            raise LocalProtocolError(f"{self._owed} bytes are still owed after the last header")
        return self._seal(message)

    def send_bytes(self, content: memoryview, out: memoryview) -> Iterator[memoryview]:
        """The bytes that follow a header, sealed a batch at a time into `out`.

        `out` has BATCH_LENGTH bytes; each view yielded must be sent before the next is asked for.
        LocalProtocolError when these are more than the header announced; they may be fewer, and the
        rest follow in another call.
        """
        self._check_owed(content)
        for start in range(0, len(content), BATCH_PAYLOAD):
            taken, used = self._seal_records(content[start : start + BATCH_PAYLOAD], out)
            yield out[:used]
            # Only now: a batch that was not sent to its end is still owed.
            self._owed -= taken

    def seal_bytes(self, content: memoryview, out: memoryview) -> tuple[int, int]:
        """Seal as much of what a header announced as fits into `out`, of at least LEAST_ROOM bytes.

        Returns how much of `content` was taken and how much of `out` is used; more, and further
        messages, may be sealed behind it. All of it must then be sent, or nothing more ever.
        """
        self._check_owed(content)
        taken, used = self._seal_records(content, out)
        self._owed -= taken
        return taken, used

    def _check_owed(self, content: memoryview) -> None:
        self._open_sending()
        if len(content) > self._owed:
            raise LocalProtocolError(f"{len(content)} bytes to send, {self._owed} announced")

    def _seal_records(self, content: memoryview, out: memoryview) -> tuple[int, int]:
        encrypt_into = self._open_sending().encrypt_into
        taken = used = 0
        size, room = len(content), len(out)
        while taken < size:
            end = min(taken + PAYLOAD, size)
            length = end - taken + TAG_LENGTH
            if used + 2 + length > room:
                if taken or room - used < LEAST_ROOM:
                    break
                # A small buffer takes part of a message's worth, or nothing would ever go.
                length = room - used - 2
                end = taken + length - TAG_LENGTH
            out[used] = length >> 8
            out[used + 1] = length & 0xFF
            used += 2
            encrypt_into(content[taken:end], out[used : used + length])
            used += length
            taken = end
        self.bytes_out += used
        return taken, used

    def close(self, reason: str = "", *, refused: bool = False) -> bytes:
        """The bytes of a good end; nothing when there is nobody to tell any more."""
        # In the middle of bytes a Close would be taken for some of them.
        if self._sending is None or self._owed or self.state is State.CLOSED:
            self.state = State.CLOSED
            return b""
        farewell = self.send(Close(reason=reason[:1000], refused=refused))
        self.state = State.CLOSED
        return farewell

    def _open_sending(self) -> CipherState:
        if self._sending is None or self.state is State.CLOSED:
            raise LocalProtocolError("the connection is not open")
        return self._sending

    def _seal(self, plaintext: bytes) -> bytes:
        sealed = self._open_sending().encrypt(plaintext)
        self.bytes_out += 2 + len(sealed)
        return len(sealed).to_bytes(2) + sealed

    # Events, state by state

    def _next_opening(self) -> Event:
        handshake = self._handshake
        while not handshake.finished:
            received = self._buffer.take(handshake.wanted)
            if received is None:
                return NEED_DATA
            try:
                self._outgoing += handshake.receive(bytes(received))
            finally:
                if handshake.finished:
                    self._install(handshake)
        self.state = State.CONTROL
        if handshake.hello is None:
            raise LocalProtocolError("a finished handshake has a hello")
        # Keys and hellos of a handshake that is over are of no use, and there may be thousands.
        self._hash = handshake.noise.handshake_hash
        del self._handshake
        return Established(handshake.hello, handshake.remote_static)

    def _install(self, handshake: Handshake) -> None:
        forth, back = handshake.split()
        if self._initiator:
            self._sending, self._receiving = forth, back
        else:
            self._sending, self._receiving = back, forth

    def _next_control(self) -> Event:
        record = self._buffer.take_record()
        return NEED_DATA if record is None else self._open_control(record)

    def _is_only_pings(self, received: bytes) -> bool:
        """Whether these bytes are whole messages as long as a Ping, behind nothing."""
        number, rest = divmod(len(received), SEALED_PING)
        if rest or self.state is not State.CONTROL or self._buffer:
            return False
        high, low = divmod(SEALED_PING - 2, 256)
        return received[::SEALED_PING] == bytes([high]) * number and (
            received[1::SEALED_PING] == bytes([low]) * number
        )

    def _open_ping(self, record: bytes) -> None:
        if self._receiving.decrypt(record) != _PING:
            raise RemoteProtocolError("a message as short as a Ping is none")

    def _open_control(self, record: bytes | memoryview) -> Event:
        plaintext = self._receiving.decrypt(record)
        if plaintext == _PING:
            return PINGED
        message = decode_message_untrusted(plaintext)
        if isinstance(message, Close):
            if message.refused:
                raise RefusedError(message.reason)
            self.state = State.CLOSED
            return Ended(message.reason)
        self._due = bytes_following(message)
        if self._due:
            self.state, self._target = State.BYTES, None
        return Received(message, self._due)

    def _next_bytes(self) -> Event:
        target = self._target
        if target is None:
            raise LocalProtocolError("receive_into must be called before the next event")
        filled, due, decrypt_into = self._filled, self._due, self._receiving.decrypt_into
        while filled < due:
            record = self._buffer.take_record()
            if record is None:
                self._filled = filled
                return NEED_DATA
            end = filled + len(record) - TAG_LENGTH
            if not filled < end <= due:
                raise RemoteProtocolError("more bytes than the header announced, or none")
            decrypt_into(record, target[filled:end])
            filled = end
        self.state, self._target = State.CONTROL, None
        return BYTES_RECEIVED

    def _fail(self, error: ProtocolError) -> None:
        """Tell a proven but refused remote why; anybody else learns nothing."""
        opening = self.state is State.OPENING
        if opening and isinstance(error, RefusedError) and self._sending is not None:
            farewell = Close(reason=str(error)[:1000], refused=True)
            self._outgoing += self._seal(codec.encode_control(farewell))
        if not isinstance(error, LocalProtocolError):
            self.state = State.CLOSED
