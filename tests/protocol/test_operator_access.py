"""The operator's way in: who can read the file gets in, to that daemon only; it leaks nothing."""

import json

import pytest
import rich.pretty
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from ends import AES_FIRST, ConnectionPair, Swarm
from hypothesis import given
from hypothesis import strategies as st

from protocol.address import Address
from protocol.errors import InvalidTextError, RefusedError
from protocol.hello import Hello, JoinHello, OperatorHello
from protocol.identity import generate_identity
from protocol.ids import StaticKey
from protocol.operator_access import (
    OperatorAccess,
    decode_operator_access,
    encode_operator_access,
    make_operator_access,
    operator_credentials,
)

SWARM = Swarm()
DAEMON = generate_identity()
KEY = X25519PrivateKey.generate()
ACCESS = make_operator_access(
    Address(host="127.0.0.1", port=4440), SWARM.psk, KEY, DAEMON.static_key
)
SECRETS = (SWARM.psk.hex(), KEY.private_bytes_raw().hex())


def test_the_file_round_trips() -> None:
    assert decode_operator_access(encode_operator_access(ACCESS)) == ACCESS
    assert ACCESS.address == "127.0.0.1:4440"


def test_an_operator_gets_in() -> None:
    seen: list[tuple[Hello, StaticKey]] = []
    there = SWARM.credentials(DAEMON, admit=lambda hello, static: seen.append((hello, static)))
    ConnectionPair(operator_credentials(ACCESS, "1.0", AES_FIRST), there).open()
    public = StaticKey(KEY.public_key().public_bytes_raw())
    assert seen == [(OperatorHello(version="1.0"), public)]


def test_an_operator_talks_to_its_own_daemon_only() -> None:
    """Another program of the swarm may listen there now; it does not learn who called."""
    pair = ConnectionPair(operator_credentials(ACCESS, "1.0", AES_FIRST), SWARM.credentials())
    answer = pair.flights(1)[-1]
    with pytest.raises(RefusedError, match="another program"):
        pair.initiator.feed(answer)
    assert pair.initiator.connection.take_outgoing() == b""


@pytest.mark.parametrize("hello", [JoinHello(version="1"), OperatorHello(version="1")])
def test_a_daemon_shows_a_membership(hello: Hello) -> None:
    with pytest.raises(RefusedError):
        operator_credentials(ACCESS, "1.0", AES_FIRST).admit(hello, DAEMON.static_key)


def test_no_secret_is_printed() -> None:
    credentials = operator_credentials(ACCESS, "1.0", AES_FIRST)
    for thing in (ACCESS, credentials):
        for text in (repr(thing), str(thing), f"{thing}", rich.pretty.pretty_repr(thing)):
            assert not any(secret in text for secret in SECRETS)
            assert repr(SWARM.psk) not in text


@given(content=st.binary(max_size=100))
def test_anything_else_is_damaged(content: bytes) -> None:
    with pytest.raises(InvalidTextError, match=r"operator\.json is damaged"):
        decode_operator_access(content)


@pytest.mark.parametrize("field", ["address", "psk", "operator_key", "daemon"])
@pytest.mark.parametrize("value", [None, 5, "zz" * 32, "00" * 31, "00" * 33, ...])
def test_a_damaged_field_is_noticed(field: str, value: object) -> None:
    if field == "address" and isinstance(value, str):
        return
    fields = json.loads(encode_operator_access(ACCESS))
    if value is ...:
        del fields[field]
    else:
        fields[field] = value
    with pytest.raises(InvalidTextError, match="damaged"):
        decode_operator_access(json.dumps(fields).encode())


def test_a_file_cut_short_is_damaged() -> None:
    content = encode_operator_access(ACCESS)
    for kept in range(len(content)):
        with pytest.raises(InvalidTextError):
            decode_operator_access(content[:kept])


def test_unknown_fields_are_refused() -> None:
    fields = json.loads(encode_operator_access(ACCESS)) | {"more": 1}
    with pytest.raises(InvalidTextError):
        decode_operator_access(json.dumps(fields).encode())
    assert isinstance(ACCESS, OperatorAccess)
