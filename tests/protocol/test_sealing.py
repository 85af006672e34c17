"""The bytes that follow a header are sealed into the buffers there are, and all are then owed."""

import random

import pytest
from ends import open_pair
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.connection import BATCH_LENGTH, BATCH_PAYLOAD, LEAST_ROOM, PAYLOAD, RECORD
from protocol.errors import LocalProtocolError
from protocol.ids import ManifestId
from protocol.messages.base import Ping
from protocol.messages.peering import Piece
from protocol.noise import TAG_LENGTH


def piece(length: int) -> Piece:
    return Piece(length=length, manifest=ManifestId(b"m" * 32), piece=3)


def content_of(length: int) -> bytes:
    return random.Random(length).randbytes(length)


@pytest.mark.parametrize(
    ("size", "room", "taken"),
    [
        (5, 23, 5),
        (5, LEAST_ROOM - 1, 5),
        (5, 22, 0),
        (LEAST_ROOM, LEAST_ROOM - 1, 0),
        (LEAST_ROOM, LEAST_ROOM, LEAST_ROOM - TAG_LENGTH - 2),
        (PAYLOAD, RECORD, PAYLOAD),
        (PAYLOAD, RECORD - 1, PAYLOAD - 1),
        (2 * PAYLOAD, 2 * RECORD - 1, PAYLOAD),
        (PAYLOAD + 1, RECORD + 18, PAYLOAD),
        (PAYLOAD + 1, RECORD + 19, PAYLOAD + 1),
        (3 * BATCH_PAYLOAD, BATCH_LENGTH, BATCH_PAYLOAD),
    ],
)
def test_as_much_is_sealed_as_fits(size: int, room: int, taken: int) -> None:
    """A transport message is cut only where nothing whole would go into the buffer."""
    pair = open_pair()
    content, sender = content_of(size), pair.initiator.connection
    stream = sender.send(piece(size))
    first = bytearray(room)
    found, used = sender.seal_bytes(memoryview(content), memoryview(first))
    assert found == taken
    assert used == taken + (TAG_LENGTH + 2) * -(-taken // PAYLOAD)
    assert not any(first[used:])
    last = bytearray(4 * BATCH_LENGTH)
    rest, end = sender.seal_bytes(memoryview(content)[taken:], memoryview(last))
    assert rest == size - taken
    pair.responder.feed(stream + first[:used] + last[:end] + sender.send(Ping()))
    assert pair.responder.bodies == [content]
    assert pair.responder.messages == [piece(size), Ping()]
    assert pair.responder.connection.bytes_in == sender.bytes_out


@given(
    sizes=st.lists(st.integers(1, 3 * PAYLOAD) | st.integers(1, 40), min_size=1, max_size=5),
    room=st.integers(LEAST_ROOM, 2 * RECORD),
)
@settings(max_examples=40, deadline=None)
def test_sealed_into_small_buffers_it_is_the_same(sizes: list[int], room: int) -> None:
    pair = open_pair()
    contents, sender = [content_of(size) for size in sizes], pair.initiator.connection
    stream = b""
    for content in contents:
        stream += sender.send(piece(len(content)))
        rest = memoryview(content)
        while rest:
            out = memoryview(bytearray(room))
            taken, used = sender.seal_bytes(rest, out)
            assert taken > 0
            stream += out[:used]
            rest = rest[taken:]
    pair.responder.feed(stream)
    assert pair.responder.bodies == contents


def test_what_is_sealed_is_no_longer_owed_and_no_more_than_that() -> None:
    sender = open_pair().initiator.connection
    out = memoryview(bytearray(BATCH_LENGTH))
    with pytest.raises(LocalProtocolError, match="0 announced"):
        sender.seal_bytes(memoryview(b"x"), out)
    sender.send(piece(PAYLOAD + 3))
    assert sender.seal_bytes(memoryview(bytes(PAYLOAD + 3)), out[:RECORD])[0] == PAYLOAD
    with pytest.raises(LocalProtocolError, match="3 bytes are still owed"):
        sender.send(Ping())
    assert sender.seal_bytes(memoryview(b""), out) == (0, 0)
    with pytest.raises(LocalProtocolError, match="4 bytes to send, 3 announced"):
        sender.seal_bytes(memoryview(b"four"), out)
    assert sender.seal_bytes(memoryview(b"abc"), out[:10]) == (0, 0)
    sender.seal_bytes(memoryview(b"abc"), out)
    assert sender.send(Ping())


def test_no_farewell_while_bytes_to_be_sealed_are_owed() -> None:
    sender = open_pair().initiator.connection
    sender.send(piece(2 * PAYLOAD))
    sender.seal_bytes(memoryview(bytes(PAYLOAD)), memoryview(bytearray(BATCH_LENGTH)))
    assert sender.close("stopping") == b""
