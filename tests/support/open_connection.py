"""Pieces for tests of open connections, and the check that one was refused."""

import random

import pytest
from ends import End

from protocol.connection import (
    BATCH_PAYLOAD,
    PAYLOAD,
    State,
)
from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.ids import ManifestId
from protocol.messages.peering import Piece
from protocol.noise import Cipher

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
