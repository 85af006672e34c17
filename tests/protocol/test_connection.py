"""An open connection: messages and bytes arrive whole, in order and unchanged, or it is closed."""

import random
import tracemalloc

import pytest
from ends import ConnectionPair, End, Swarm, flip_bit, open_pair, split_records
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import codec
from protocol.connection import (
    BATCH_LENGTH,
    BATCH_PAYLOAD,
    BYTES_RECEIVED,
    PAYLOAD,
    RECORD,
    Connection,
    Ended,
    NeedData,
    Received,
    State,
)
from protocol.errors import LocalProtocolError, RefusedError, RemoteProtocolError
from protocol.geometry import MAX_PIECE_LENGTH
from protocol.ids import ManifestId
from protocol.messages.base import Close, Done, Message, Ping
from protocol.messages.peering import GetPiece, Have, Piece
from protocol.messages.shared import RosterDocument
from protocol.noise import MAX_MESSAGE_LENGTH, TAG_LENGTH, Cipher
from protocol.receive_buffer import SMALL
from protocol.roster import MAX_ROSTER

MANIFEST = ManifestId(b"m" * 32)
SIZES = [1, 2, PAYLOAD - 1, PAYLOAD, PAYLOAD + 1, BATCH_PAYLOAD, BATCH_PAYLOAD + 7]
ciphers = pytest.mark.parametrize("cipher", Cipher)


def piece(length: int) -> Piece:
    return Piece(length=length, manifest=MANIFEST, piece=3)


def content_of(length: int) -> bytes:
    return random.Random(length).randbytes(length)


def refused(end: End, stream: bytes, *, step: int = 1 << 30) -> None:
    """The remote is to blame for this stream, and the connection is over."""
    with pytest.raises(RemoteProtocolError):
        end.feed(stream, step=step)
    assert end.connection.state is State.CLOSED
    with pytest.raises(LocalProtocolError):
        end.connection.next_event()
    assert end.connection.close("bye") == b""


# --- messages and bytes arrive --------------------------------------------------------------


@ciphers
def test_messages_go_both_ways(cipher: Cipher) -> None:
    pair = open_pair(cipher)
    said: list[Message] = [
        Ping(),
        GetPiece(manifest=MANIFEST, piece=7),
        Have(manifest=MANIFEST, pieces=tuple(range(4096))),
        Done(call=9),
    ]
    for here, there in ((pair.initiator, pair.responder), (pair.responder, pair.initiator)):
        there.feed(b"".join(here.say(message) for message in said))
        assert there.messages == said
        assert there.connection.bytes_in == here.connection.bytes_out


@ciphers
@pytest.mark.parametrize("size", SIZES)
def test_bytes_follow_their_header(cipher: Cipher, size: int) -> None:
    pair = open_pair(cipher)
    content = content_of(size)
    stream = pair.responder.say(piece(size), content) + pair.responder.say(Ping())
    pair.initiator.feed(stream)
    assert pair.initiator.events[1:] == [
        Received(piece(size), size),
        BYTES_RECEIVED,
        Received(Ping(), 0),
    ]
    assert pair.initiator.bodies == [content]
    assert pair.initiator.connection.state is State.CONTROL


@given(
    sizes=st.lists(st.integers(1, 3 * PAYLOAD) | st.integers(1, 40), min_size=1, max_size=5),
    step=st.integers(500, 200_000),
)
@settings(max_examples=40, deadline=None)
def test_bytes_arrive_whatever_their_size_and_however_they_are_read(
    sizes: list[int], step: int
) -> None:
    pair = open_pair()
    contents = [content_of(size) for size in sizes]
    stream = b""
    for content in contents:
        stream += pair.initiator.say(piece(len(content)), content) + pair.initiator.say(Ping())
    pair.responder.feed(stream, step=step)
    assert pair.responder.bodies == contents
    assert pair.responder.messages == [m for size in sizes for m in (piece(size), Ping())]


def test_one_byte_at_a_time() -> None:
    pair = open_pair()
    content = content_of(PAYLOAD + 300)
    stream = pair.initiator.say(Ping()) + pair.initiator.say(piece(len(content)), content)
    pair.responder.feed(stream + pair.initiator.connection.close("done"), step=1)
    assert pair.responder.messages == [Ping(), piece(len(content))]
    assert pair.responder.bodies == [content]
    assert pair.responder.events[-1] == Ended("done")


def test_bytes_can_be_sealed_in_several_calls() -> None:
    pair = open_pair()
    content, sender = content_of(100_000), pair.initiator.connection
    stream = sender.send(piece(len(content)))
    for part in (content[:70_000], content[70_000:]):
        out = memoryview(bytearray(BATCH_LENGTH))
        stream += b"".join(bytes(sealed) for sealed in sender.send_bytes(memoryview(part), out))
    pair.responder.feed(stream)
    assert pair.responder.bodies == [content]


def test_a_batch_is_sealed_into_one_buffer() -> None:
    """The speed of the bulk path: one view for 16 transport messages, and full ones."""
    sender = open_pair().initiator.connection
    sender.send(piece(2 * BATCH_PAYLOAD))
    out = memoryview(bytearray(BATCH_LENGTH))
    lengths = []
    for sealed in sender.send_bytes(memoryview(bytes(2 * BATCH_PAYLOAD)), out):
        assert sealed.obj is out.obj
        lengths.append(len(sealed))
        assert {len(record) for record in split_records(bytes(sealed))} == {RECORD}
    assert lengths == [BATCH_LENGTH, BATCH_LENGTH]


def test_nothing_of_the_plaintext_shows_on_the_wire() -> None:
    pair = open_pair()
    content = b"the secret of the group " * 100
    stream = pair.initiator.say(piece(len(content)), content)
    assert b"secret" not in stream
    assert stream.find(MANIFEST) == -1
    assert pair.initiator.say(Ping()) != pair.initiator.say(Ping())


# --- an end and a cut -----------------------------------------------------------------------


def test_a_close_is_an_end() -> None:
    pair = open_pair()
    pair.initiator.feed(pair.responder.connection.close("going home"))
    assert pair.initiator.events[-1] == Ended("going home")
    assert pair.initiator.connection.state is State.CLOSED
    assert pair.responder.connection.state is State.CLOSED
    pair.initiator.connection.received(0)
    with pytest.raises(LocalProtocolError):
        pair.initiator.connection.next_event()


def test_what_comes_after_a_close_is_not_read() -> None:
    pair = open_pair()
    stream = pair.responder.say(Close(reason="bye")) + pair.responder.say(Ping())
    pair.initiator.feed(stream)
    assert pair.initiator.events[-1] == Ended("bye")
    assert pair.initiator.messages == []


def test_a_refusal_after_the_handshake() -> None:
    pair = open_pair()
    with pytest.raises(RefusedError, match=r"^revoked just now$"):
        pair.initiator.feed(pair.responder.connection.close("revoked just now", refused=True))
    assert pair.initiator.connection.state is State.CLOSED


@given(kept=st.integers(0, 400))
@settings(max_examples=60, deadline=None)
def test_a_stream_that_stops_without_a_close_was_cut(kept: int) -> None:
    pair = open_pair()
    stream = pair.initiator.say(Ping()) + pair.initiator.say(piece(300), bytes(300))
    assert len(stream) > 400
    pair.responder.feed(stream[:kept])
    with pytest.raises(RemoteProtocolError, match="cut"):
        pair.responder.connection.received(0)
    assert pair.responder.connection.state is State.CLOSED
    assert BYTES_RECEIVED not in pair.responder.events


def test_no_farewell_in_the_middle_of_bytes() -> None:
    """It would be taken for some of them: exactly these, were they as many as are due."""
    pair = open_pair()
    sender, farewell = pair.initiator.connection, codec.encode(Close(reason="stopping"))
    stream = sender.send(piece(len(farewell)))
    stream += sender.close("stopping")
    pair.responder.feed(stream)
    assert BYTES_RECEIVED not in pair.responder.events
    with pytest.raises(RemoteProtocolError, match="cut"):
        pair.responder.connection.received(0)


def test_no_farewell_behind_half_a_batch() -> None:
    sender = open_pair().initiator.connection
    sender.send(piece(2 * BATCH_PAYLOAD))
    batches = sender.send_bytes(
        memoryview(bytes(2 * BATCH_PAYLOAD)), memoryview(bytearray(BATCH_LENGTH))
    )
    next(batches)
    assert sender.close("stopping") == b""


# --- what an attacker on the wire can do ----------------------------------------------------


def three_messages(pair: ConnectionPair) -> list[bytes]:
    return [pair.initiator.say(Done(call=n)) for n in range(3)]


def test_a_replayed_message_is_refused() -> None:
    pair = open_pair()
    one, two, _ = three_messages(pair)
    refused(pair.responder, one + two + one)
    assert pair.responder.messages == [Done(call=0), Done(call=1)]


def test_reordered_messages_are_refused() -> None:
    pair = open_pair()
    one, two, _ = three_messages(pair)
    refused(pair.responder, two + one)
    assert pair.responder.messages == []


def test_a_dropped_message_is_noticed() -> None:
    pair = open_pair()
    one, _, three = three_messages(pair)
    refused(pair.responder, one + three)
    assert pair.responder.messages == [Done(call=0)]


def test_a_message_sent_back_is_refused() -> None:
    pair = open_pair()
    refused(pair.initiator, pair.initiator.say(Ping()))


def test_a_message_of_another_connection_is_refused() -> None:
    refused(open_pair().responder, open_pair().initiator.say(Ping()))


@ciphers
def test_no_bit_of_a_message_can_change(cipher: Cipher) -> None:
    length = len(open_pair(cipher).initiator.say(Done(call=5)))
    for bit in range(8 * length):
        pair = open_pair(cipher)
        stream = pair.initiator.say(Done(call=5)) + pair.initiator.say(Ping())
        try:
            pair.responder.feed(flip_bit(stream, bit))
        except RemoteProtocolError:
            assert pair.responder.connection.state is State.CLOSED
        else:
            # A greater length waits for what never comes.
            assert bit < 16
        assert pair.responder.messages == []


@given(where=st.integers(0, 1 << 30), bit=st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_no_bit_of_the_bytes_can_change(where: int, bit: int) -> None:
    pair = open_pair()
    content = content_of(PAYLOAD + 500)
    header = pair.initiator.say(piece(len(content)), content)
    stream = header + pair.initiator.say(Ping())
    first = len(split_records(stream)[0])
    position = first + where % (len(header) - first)
    try:
        pair.responder.feed(flip_bit(stream, 8 * position + bit))
    except RemoteProtocolError:
        assert pair.responder.connection.state is State.CLOSED
    else:
        assert pair.responder.connection.state is State.BYTES
    assert BYTES_RECEIVED not in pair.responder.events
    assert pair.responder.messages == [piece(len(content))]


def test_records_of_bytes_cannot_be_swapped_or_dropped() -> None:
    content = content_of(3 * PAYLOAD)
    for order in ([0, 2, 1, 3], [0, 1, 1, 3], [0, 2, 3]):
        pair = open_pair()
        records = split_records(pair.initiator.say(piece(len(content)), content))
        refused(pair.responder, b"".join(records[n] for n in order))
        assert BYTES_RECEIVED not in pair.responder.events


# --- what a member gone bad can do ----------------------------------------------------------


@pytest.mark.parametrize("length", [*range(TAG_LENGTH + 1), 100, MAX_MESSAGE_LENGTH])
@pytest.mark.parametrize("bulk", [False, True])
def test_a_record_of_zeros_is_refused_whatever_its_length(length: int, bulk: bool) -> None:
    pair = open_pair()
    if bulk:
        pair.responder.feed(pair.initiator.connection.send(piece(1 << 20)))
    refused(pair.responder, length.to_bytes(2) + bytes(length))


def test_an_empty_message_is_refused() -> None:
    pair = open_pair()
    refused(pair.responder, pair.initiator.say_raw(b""))


def test_an_empty_record_of_bytes_is_refused() -> None:
    """Else a remote could keep us busy for ever, one tag after another."""
    pair = open_pair()
    stream = pair.initiator.connection.send(piece(100)) + pair.initiator.say_raw(b"")
    refused(pair.responder, stream)


@pytest.mark.parametrize(
    "plaintext", [b"\xc1", b"\x80", b"hello", b"\x91" * 60_000, bytes(PAYLOAD)]
)
def test_a_message_that_is_none_is_refused(plaintext: bytes) -> None:
    pair = open_pair()
    refused(pair.responder, pair.initiator.say_raw(plaintext))
    assert pair.responder.messages == []


@pytest.mark.parametrize(
    "header",
    [
        piece(MAX_PIECE_LENGTH + 1),
        piece(1 << 62),
        piece(0),
        RosterDocument(length=MAX_ROSTER + 1, number=1),
        RosterDocument(length=0, number=1),
    ],
)
def test_a_header_that_announces_too_much_or_nothing_is_refused(header: Message) -> None:
    pair = open_pair()
    refused(pair.responder, pair.initiator.say_raw(codec.encode(header)))
    assert pair.responder.messages == []


def test_the_most_a_header_may_announce_is_accepted() -> None:
    pair = open_pair()
    stream = pair.initiator.connection.send(piece(MAX_PIECE_LENGTH))
    pair.responder.feed(stream)
    assert pair.responder.events[-1] == Received(piece(MAX_PIECE_LENGTH), MAX_PIECE_LENGTH)


@pytest.mark.parametrize("parts", [[101], [50, 51], [100, 1], [PAYLOAD]])
def test_more_bytes_than_announced_are_never_written(parts: list[int]) -> None:
    pair = open_pair()
    stream = pair.initiator.connection.send(piece(100))
    for part in parts:
        stream += pair.initiator.say_raw(b"x" * part)
    refused(pair.responder, stream)
    complete = parts == [100, 1]  # the last byte is then no message
    assert (BYTES_RECEIVED in pair.responder.events) is complete
    assert pair.responder.bodies[0].count(b"x") == (100 if complete else sum(parts[:-1]))


def test_a_message_in_the_middle_of_bytes_is_only_bytes() -> None:
    pair = open_pair()
    inside = codec.encode(Ping())
    stream = pair.initiator.connection.send(piece(len(inside) + 1))
    pair.responder.feed(stream + pair.initiator.say_raw(inside))
    assert pair.responder.messages == [piece(len(inside) + 1)]
    assert pair.responder.connection.state is State.BYTES


# --- misuse here ----------------------------------------------------------------------------


def header_received() -> Connection:
    pair = open_pair()
    receiver = pair.responder.connection
    stream = pair.initiator.connection.send(piece(10))
    receiver.receive_space()[: len(stream)] = stream
    receiver.received(len(stream))
    assert receiver.next_event() == Received(piece(10), 10)
    return receiver


def test_the_buffer_must_be_given_before_the_next_event() -> None:
    receiver = header_received()
    with pytest.raises(LocalProtocolError):
        receiver.next_event()
    receiver.receive_into(memoryview(bytearray(10)))
    assert receiver.next_event() == NeedData()


@pytest.mark.parametrize("length", [0, 9, 11])
def test_the_buffer_must_be_as_long_as_what_is_due(length: int) -> None:
    with pytest.raises(LocalProtocolError, match="10 bytes are due"):
        header_received().receive_into(memoryview(bytearray(length)))


def test_a_buffer_is_given_once_and_only_when_bytes_are_due() -> None:
    receiver = header_received()
    receiver.receive_into(memoryview(bytearray(10)))
    with pytest.raises(LocalProtocolError):
        receiver.receive_into(memoryview(bytearray(10)))
    with pytest.raises(LocalProtocolError):
        open_pair().responder.connection.receive_into(memoryview(bytearray(10)))


def test_nothing_can_be_sent_before_the_handshake_or_after_the_close() -> None:
    opening = End(Swarm().credentials(), initiator=True).connection
    closed = open_pair().initiator.connection
    assert closed.close()
    assert closed.close() == b""
    for connection in (opening, closed):
        with pytest.raises(LocalProtocolError):
            connection.send(Ping())
        with pytest.raises(LocalProtocolError):
            list(connection.send_bytes(memoryview(b"x"), memoryview(bytearray(100))))


def test_bytes_without_a_header_or_beyond_it_are_not_sent() -> None:
    sender = open_pair().initiator.connection
    out = memoryview(bytearray(1000))
    with pytest.raises(LocalProtocolError, match="0 announced"):
        list(sender.send_bytes(memoryview(b"x"), out))
    sender.send(piece(3))
    with pytest.raises(LocalProtocolError, match="3 announced"):
        list(sender.send_bytes(memoryview(b"four"), out))


def test_no_message_is_sent_while_bytes_are_owed() -> None:
    pair = open_pair()
    sender = pair.initiator.connection
    stream = sender.send(piece(3))
    with pytest.raises(LocalProtocolError, match="3 bytes are still owed"):
        sender.send(Ping())
    out = memoryview(bytearray(1000))
    stream += b"".join(bytes(part) for part in sender.send_bytes(memoryview(b"abc"), out))
    pair.responder.feed(stream + sender.send(Ping()))
    assert pair.responder.messages == [piece(3), Ping()]


@pytest.mark.parametrize("length", [0, MAX_PIECE_LENGTH + 1])
def test_our_own_header_that_announces_too_much_or_nothing_is_not_sent(length: int) -> None:
    with pytest.raises(LocalProtocolError, match=f"announces {length} bytes"):
        open_pair().initiator.connection.send(piece(length))


def test_a_message_too_long_for_one_record_is_not_sent() -> None:
    sender = open_pair().initiator.connection
    with pytest.raises(LocalProtocolError, match="does not fit"):
        sender.send(Close(reason="x" * 70_000))
    assert sender.send(Ping())


def test_text_that_is_no_unicode_is_not_sent() -> None:
    with pytest.raises(LocalProtocolError, match="Close cannot be encoded"):
        open_pair().initiator.connection.send(Close(reason="\udcff"))


# --- memory ---------------------------------------------------------------------------------


def test_an_idle_connection_gives_memory_back() -> None:
    pair = open_pair()
    receiver = pair.responder.connection
    pair.responder.feed(pair.initiator.say(piece(4 << 20), bytes(4 << 20)))
    assert len(receiver.receive_space()) >= 1 << 20
    receiver.trim()
    assert len(receiver.receive_space()) == SMALL
    pair.responder.feed(pair.initiator.say(piece(100_000), content_of(100_000)))
    assert pair.responder.bodies[-1] == content_of(100_000)


def test_memory_given_back_during_a_read_loses_nothing() -> None:
    """The reading task waits with the space in its hands when another finds the connection idle."""
    pair = open_pair()
    receiver = pair.responder.connection
    pair.responder.feed(pair.initiator.say(piece(1 << 20), bytes(1 << 20)))
    space = receiver.receive_space()
    receiver.trim()
    stream = pair.initiator.say(Done(call=1))
    space[: len(stream)] = stream
    receiver.received(len(stream))
    pair.responder.drain()
    assert pair.responder.messages[-1] == Done(call=1)
    assert len(receiver.receive_space()) <= SMALL


@pytest.mark.parametrize("due", [False, True])
def test_trimming_at_any_moment_loses_nothing(due: bool) -> None:
    pair = open_pair()
    content = content_of(3 * PAYLOAD)
    stream = pair.initiator.say(piece(len(content)), content) if due else b""
    stream += pair.initiator.say(Have(manifest=MANIFEST, pieces=tuple(range(9, 4096))))
    for start in range(0, len(stream), 777):
        pair.responder.connection.trim()
        pair.responder.feed(stream[start : start + 777])
    assert pair.responder.bodies == ([content] if due else [])
    assert pair.responder.messages[-1] == Have(manifest=MANIFEST, pieces=tuple(range(9, 4096)))


def test_small_talk_stays_in_a_small_buffer() -> None:
    pair = open_pair()
    receiver = pair.responder.connection
    for number in range(2000):
        pair.responder.feed(pair.initiator.say(Done(call=number)), step=11 + number % 50)
    assert len(pair.responder.messages) == 2000
    assert len(receiver.receive_space()) <= 3 * SMALL


def test_receiving_bulk_takes_a_bounded_buffer() -> None:
    pair = open_pair()
    stream = pair.initiator.say(piece(8 << 20), bytes(8 << 20))
    target = memoryview(bytearray(8 << 20))
    receiver = pair.responder.connection
    tracemalloc.start()
    try:
        left = memoryview(stream)
        while left:
            space = receiver.receive_space()
            count = min(len(space), len(left))
            space[:count] = left[:count]
            receiver.received(count)
            left = left[count:]
            event = receiver.next_event()
            if isinstance(event, Received):
                receiver.receive_into(target)
                receiver.next_event()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert receiver.state is State.CONTROL
    assert peak < 5 << 20
