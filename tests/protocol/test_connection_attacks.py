"""What an attacker on the wire or a member gone bad sends ends a connection and no more."""

import pytest
from ends import ConnectionPair, flip_bit, open_pair, split_records
from hypothesis import given, settings
from hypothesis import strategies as st
from open_connection import ciphers, content_of, piece, refused

from protocol import codec
from protocol.connection import (
    BYTES_RECEIVED,
    PAYLOAD,
    Received,
    State,
)
from protocol.errors import RemoteProtocolError
from protocol.geometry import MAX_PIECE_LENGTH
from protocol.messages.base import Done, Message, Ping
from protocol.messages.shared import RosterDocument
from protocol.noise import MAX_MESSAGE_LENGTH, TAG_LENGTH, Cipher
from protocol.roster import MAX_ROSTER

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
