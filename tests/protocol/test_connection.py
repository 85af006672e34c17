"""An open connection: messages and bytes arrive whole, in order and unchanged, or it is closed."""

import tracemalloc

import msgspec
import pytest
from ends import End, Swarm, open_pair, split_records
from hypothesis import given, settings
from hypothesis import strategies as st
from open_connection import MANIFEST, SIZES, ciphers, content_of, piece

from protocol import codec
from protocol.connection import (
    BATCH_LENGTH,
    BATCH_PAYLOAD,
    BYTES_RECEIVED,
    PAYLOAD,
    PINGED,
    RECORD,
    SEALED_PING,
    Connection,
    Ended,
    NeedData,
    Received,
    State,
)
from protocol.errors import LocalProtocolError, RefusedError, RemoteProtocolError
from protocol.geometry import MAX_PIECE_LENGTH
from protocol.messages import ALL
from protocol.messages.base import Close, Done, Message, Ping
from protocol.messages.peering import GetPiece, Have
from protocol.noise import TAG_LENGTH, Cipher
from protocol.receive_buffer import SMALL

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
def test_bytes_read_elsewhere_are_the_same(cipher: Cipher) -> None:
    pair = open_pair(cipher)
    said = [pair.initiator.say(message) for message in (Ping(), Ping(), Done(call=9), Ping())]
    there = pair.responder.connection
    assert there.take_in(said[0]) is PINGED
    assert there.take_in(said[1][:5]) == NeedData()
    assert not there.holds_nothing
    # Behind half a message, as many bytes as a Ping has are none.
    rest = said[1][5:] + said[2]
    assert there.take_in(rest[: len(said[0])]) == PINGED
    assert there.take_in(rest[len(said[0]) :] + said[3]) == Received(Done(call=9), 0)
    assert there.next_event() == PINGED
    assert there.next_event() == NeedData()
    assert there.holds_nothing
    assert there.bytes_in == pair.initiator.connection.bytes_out


@ciphers
def test_a_forged_ping_ends_it(cipher: Cipher) -> None:
    pair = open_pair(cipher)
    ping = bytearray(pair.initiator.say(Ping()))
    ping[-1] ^= 1
    there = pair.responder.connection
    with pytest.raises(RemoteProtocolError, match="authentication"):
        there.take_in(bytes(ping))
    assert there.state is State.CLOSED


@ciphers
def test_many_pings_are_one_event(cipher: Cipher) -> None:
    pair = open_pair(cipher)
    there = pair.responder.connection
    pings = [pair.initiator.say(Ping()) for _ in range(5)]
    assert there.take_in(b"".join(pings)) is PINGED
    assert there.holds_nothing
    assert there.take_in(pair.initiator.say(Done(call=9))) == Received(Done(call=9), 0)
    assert there.bytes_in == pair.initiator.connection.bytes_out


@ciphers
@pytest.mark.parametrize("spoil", ["one", "newest", "missing", "doubled", "old", "replaced"])
def test_many_pings_end_it_if_any_is_forged(cipher: Cipher, spoil: str) -> None:
    pair = open_pair(cipher)
    pings = [bytearray(pair.initiator.say(Ping())) for _ in range(5)]
    match spoil:
        case "one":
            pings[1][-1] ^= 1
        case "replaced":  # something else was said, and is to be forgotten
            pings[1] = pings[1][:2] + bytes(SEALED_PING - 2)
        case "newest":
            pings[-1][5] ^= 1
        case "missing":
            del pings[2]
        case "doubled":
            pings.insert(2, pings[2])
        case "old":
            pings[-1] = pings[0]
    with pytest.raises(RemoteProtocolError, match="authentication"):
        pair.responder.connection.take_in(b"".join(pings))
    assert pair.responder.connection.state is State.CLOSED


@ciphers
def test_what_is_as_short_as_a_ping_and_none_ends_it(cipher: Cipher) -> None:
    pair = open_pair(cipher)
    ping = pair.initiator.say(Ping())
    said = pair.initiator.connection.send_encoded(codec.encode_control(Ping()).swapcase())
    with pytest.raises(RemoteProtocolError, match="as short as a Ping"):
        pair.responder.connection.take_in(ping + said)
    assert pair.responder.connection.state is State.CLOSED


@pytest.mark.parametrize("message", ALL, ids=lambda message: message.__name__)
def test_no_message_is_as_short_as_a_ping(message: type[Message]) -> None:
    """Trackers know a Ping by its length alone."""
    config = message.__struct_config__
    # A map of the type and of each field without a default, with at least a byte for its value.
    least = {config.tag_field: config.tag} | dict.fromkeys(_needed(message), 0)
    length = len(msgspec.msgpack.encode(least)) + TAG_LENGTH + 2
    assert length > SEALED_PING or message is Ping


def _needed(message: type[Message]) -> list[str]:
    fields = msgspec.structs.fields(message)
    return [field.encode_name for field in fields if field.required]


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
