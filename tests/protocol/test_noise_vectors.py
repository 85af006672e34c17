"""`protocol.noise` against vectors others published: every message byte for byte, in both roles."""

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from noise_vectors import CACOPHONY, KEYS, PAYLOADS, PROLOGUE, PSK, XXPSK0_LAST

from protocol.noise import (
    TAG_LENGTH,
    XXPSK0,
    Cipher,
    CipherState,
    HandshakePattern,
    HandshakeState,
)

PATTERNS = {
    "XX": HandshakePattern("XX", (("e",), ("e", "ee", "s", "es"), ("s", "se"))),
    "NNpsk0": HandshakePattern("NNpsk0", (("psk", "e"), ("e", "ee"))),
}
CIPHERS = {cipher.noise_name: cipher for cipher in Cipher}


def private_key(hexadecimal: str) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(bytes.fromhex(hexadecimal))


def cacophony_side(pattern_name: str, cipher_name: str, side: str) -> HandshakeState:
    return HandshakeState(
        pattern=PATTERNS[pattern_name],
        cipher=CIPHERS[cipher_name],
        initiator=side == "init",
        prologue=PROLOGUE,
        static=private_key(KEYS[f"{side}_static"]),
        psk=PSK if "psk" in pattern_name else None,
        ephemeral=private_key(KEYS[f"{side}_ephemeral"]),
    )


def seal(cipher: CipherState, plaintext: bytes) -> bytes:
    out = bytearray(len(plaintext) + TAG_LENGTH)
    assert cipher.encrypt_into(plaintext, memoryview(out)) == len(out)
    return bytes(out)


def unseal(cipher: CipherState, ciphertext: bytes) -> bytes:
    out = bytearray(len(ciphertext) - TAG_LENGTH)
    assert cipher.decrypt_into(memoryview(ciphertext), memoryview(out)) == len(out)
    return bytes(out)


@pytest.mark.parametrize("side", ["init", "resp"])
@pytest.mark.parametrize(("pattern_name", "cipher_name"), CACOPHONY)
def test_cacophony(pattern_name: str, cipher_name: str, side: str) -> None:
    vector = CACOPHONY[pattern_name, cipher_name]
    messages = [bytes.fromhex(message) for message in vector["messages"]]
    noise = cacophony_side(pattern_name, cipher_name, side)
    handshake_length = len(PATTERNS[pattern_name].messages)
    ours = 0 if side == "init" else 1

    for number in range(handshake_length):
        assert not noise.finished
        if number % 2 == ours:
            assert noise.write_message(PAYLOADS[number]) == messages[number]
        else:
            assert noise.read_message(messages[number]) == PAYLOADS[number]
    assert noise.finished
    assert noise.handshake_hash.hex() == vector["handshake_hash"]

    ciphers = noise.split()
    assert len(messages) == len(PAYLOADS) > handshake_length + 1
    for number in range(handshake_length, len(messages)):
        cipher = ciphers[number % 2]
        if number % 2 == ours:
            assert seal(cipher, PAYLOADS[number]) == messages[number]
        else:
            assert unseal(cipher, messages[number]) == PAYLOADS[number]


@pytest.mark.parametrize(("pattern_name", "cipher_name"), CACOPHONY)
def test_transport_without_the_bulk_path(pattern_name: str, cipher_name: str) -> None:
    messages = [
        bytes.fromhex(message) for message in CACOPHONY[pattern_name, cipher_name]["messages"]
    ]
    initiator = cacophony_side(pattern_name, cipher_name, "init")
    responder = cacophony_side(pattern_name, cipher_name, "resp")
    handshake_length = len(PATTERNS[pattern_name].messages)
    for number in range(handshake_length):
        writer, reader = (initiator, responder) if number % 2 == 0 else (responder, initiator)
        reader.read_message(writer.write_message(PAYLOADS[number]))

    sending, receiving = initiator.split(), responder.split()
    for number in range(handshake_length, len(messages)):
        way = number % 2
        assert sending[way].encrypt_with_ad(b"", PAYLOADS[number]) == messages[number]
        assert receiving[way].decrypt_with_ad(b"", messages[number]) == PAYLOADS[number]


@pytest.mark.parametrize("cipher_name", XXPSK0_LAST)
def test_xxpsk0_of_snow(cipher_name: str) -> None:
    def side(initiator: bool) -> HandshakeState:
        return HandshakeState(
            pattern=XXPSK0,
            cipher=CIPHERS[cipher_name],
            initiator=initiator,
            prologue=bytes([1, 2, 3]),
            static=counting_key(0 if initiator else 1),
            psk=bytes(range(4, 36)),
            ephemeral=counting_key(32 if initiator else 33),
        )

    def counting_key(start: int) -> X25519PrivateKey:
        return X25519PrivateKey.from_private_bytes(bytes(range(start, start + 32)))

    initiator, responder = side(initiator=True), side(initiator=False)
    first = initiator.write_message(b"abc")
    assert len(first) == 51
    assert responder.read_message(first) == b"abc"
    second = responder.write_message(b"defg")
    assert len(second) == 100
    assert initiator.read_message(second) == b"defg"
    third = initiator.write_message(b"")
    assert third.hex() == XXPSK0_LAST[cipher_name]
    assert responder.read_message(third) == b""
    assert initiator.handshake_hash == responder.handshake_hash
    assert responder.remote_static == counting_key(0).public_key().public_bytes_raw()
    assert initiator.remote_static == counting_key(1).public_key().public_bytes_raw()
