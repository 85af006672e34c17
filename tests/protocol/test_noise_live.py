"""`protocol.noise` talking with the independent `noiseprotocol`, and holding off an attacker."""

from typing import cast

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from noise.connection import Keypair, NoiseConnection
from noise.exceptions import NoiseInvalidMessage

from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.noise import (
    MAX_MESSAGE_LENGTH,
    MAX_NONCE,
    TAG_LENGTH,
    XXPSK0,
    Cipher,
    CipherState,
    HandshakePattern,
    HandshakeState,
)

PSK = bytes(range(32))
PROLOGUE = b"twofold test"
STATICS = {
    True: X25519PrivateKey.from_private_bytes(b"\x11" * 32),
    False: X25519PrivateKey.from_private_bytes(b"\x22" * 32),
}
PAYLOADS = (b"", b"who the responder is", b"who the initiator is" * 9)
LONGEST = bytes(range(256)) * 255 + bytes(MAX_MESSAGE_LENGTH - TAG_LENGTH - 256 * 255)

ciphers = pytest.mark.parametrize("cipher", Cipher)
roles = pytest.mark.parametrize("initiator", [True, False], ids=["initiator", "responder"])


def our_side(
    cipher: Cipher, initiator: bool, *, psk: bytes | None = PSK, prologue: bytes = PROLOGUE
) -> HandshakeState:
    return HandshakeState(
        pattern=XXPSK0,
        cipher=cipher,
        initiator=initiator,
        prologue=prologue,
        static=STATICS[initiator],
        psk=psk,
    )


def their_side(
    cipher: Cipher,
    initiator: bool,
    *,
    pattern: str = "XXpsk0",
    psk: bytes | None = PSK,
    prologue: bytes = PROLOGUE,
) -> NoiseConnection:
    name = f"Noise_{pattern}_25519_{cipher.noise_name}_SHA256"
    connection = NoiseConnection.from_name(name.encode())
    if initiator:
        connection.set_as_initiator()
    else:
        connection.set_as_responder()
    if psk is not None:
        connection.set_psks(psk)
    connection.set_prologue(prologue)
    static = STATICS[initiator].private_bytes_raw()
    connection.set_keypair_from_private_bytes(Keypair.STATIC, static)
    connection.start_handshake()
    return connection


def our_pair(cipher: Cipher) -> dict[bool, HandshakeState]:
    return {initiator: our_side(cipher, initiator) for initiator in (True, False)}


def converse(sides: dict[bool, HandshakeState], count: int) -> list[bytes]:
    """Exchange the first `count` handshake messages, and return them."""
    messages = []
    for number in range(count):
        writer = number % 2 == 0
        messages.append(sides[writer].write_message(PAYLOADS[number]))
        assert sides[not writer].read_message(messages[-1]) == PAYLOADS[number]
    return messages


def message_to_read(cipher: Cipher, number: int) -> tuple[HandshakeState, bytes]:
    """A side that waits for handshake message `number`, and that message."""
    sides = our_pair(cipher)
    converse(sides, number)
    writer = number % 2 == 0
    return sides[not writer], sides[writer].write_message(PAYLOADS[number])


def transport(cipher: Cipher) -> tuple[CipherState, CipherState]:
    """What the initiator sends with, and what the responder receives that with."""
    sides = our_pair(cipher)
    converse(sides, 3)
    return sides[True].split()[0], sides[False].split()[0]


def seal(cipher: CipherState, plaintext: bytes) -> bytes:
    out = bytearray(len(plaintext) + TAG_LENGTH + 3)
    length = cipher.encrypt_into(plaintext, memoryview(out))
    assert not any(out[length:])
    return bytes(out[:length])


def unseal(cipher: CipherState, ciphertext: bytes) -> bytes:
    out = bytearray(max(0, len(ciphertext) - TAG_LENGTH) + 3)
    length = cipher.decrypt_into(memoryview(ciphertext), memoryview(out))
    assert not any(out[length:])
    return bytes(out[:length])


@ciphers
@roles
def test_conversation_with_noiseprotocol(cipher: Cipher, initiator: bool) -> None:
    ours, theirs = our_side(cipher, initiator), their_side(cipher, not initiator)
    for number, payload in enumerate(PAYLOADS):
        assert not ours.finished
        if (number % 2 == 0) == initiator:
            assert theirs.read_message(ours.write_message(payload)) == payload
        else:
            assert ours.read_message(bytes(theirs.write_message(payload))) == payload

    assert ours.finished
    assert theirs.handshake_finished
    assert ours.handshake_hash == theirs.get_handshake_hash()
    assert ours.remote_static == STATICS[not initiator].public_key().public_bytes_raw()

    forth, back = ours.split()
    sending, receiving = (forth, back) if initiator else (back, forth)
    for plaintext in (b"one", b"", LONGEST, b"and after it"):
        sealed = seal(sending, plaintext)
        assert len(sealed) == len(plaintext) + TAG_LENGTH
        assert theirs.decrypt(sealed) == plaintext
        assert unseal(receiving, theirs.encrypt(plaintext)) == plaintext
    assert len(seal(sending, LONGEST)) == MAX_MESSAGE_LENGTH


@ciphers
def test_static_key_in_the_clear(cipher: Cipher) -> None:
    """IX sends the initiator's static key before there is any key to encrypt it with."""
    ours = HandshakeState(
        pattern=HandshakePattern("IX", (("e", "s"), ("e", "ee", "se", "s", "es"))),
        cipher=cipher,
        initiator=False,
        prologue=PROLOGUE,
        static=STATICS[False],
        psk=None,
    )
    theirs = their_side(cipher, initiator=True, pattern="IX", psk=None)
    assert ours.read_message(bytes(theirs.write_message(b"clear"))) == b"clear"
    assert ours.remote_static == STATICS[True].public_key().public_bytes_raw()
    assert theirs.read_message(ours.write_message(b"sealed")) == b"sealed"
    assert ours.handshake_hash == theirs.get_handshake_hash()


@ciphers
@roles
@pytest.mark.parametrize(
    ("psk", "prologue"),
    [(b"\xff" * 32, PROLOGUE), (PSK, b"twofold tesT")],
    ids=["psk", "prologue"],
)
def test_first_message_shows_a_wrong_psk_or_prologue(
    cipher: Cipher, initiator: bool, psk: bytes, prologue: bytes
) -> None:
    """Before the responder has answered a byte."""
    if initiator:
        theirs = their_side(cipher, initiator=False)
        first = our_side(cipher, initiator=True, psk=psk, prologue=prologue).write_message(b"")
        with pytest.raises(InvalidTag):
            theirs.read_message(first)
    else:
        ours = our_side(cipher, initiator=False)
        first = bytes(
            their_side(cipher, initiator=True, psk=psk, prologue=prologue).write_message(b"")
        )
        with pytest.raises(RemoteProtocolError):
            ours.read_message(first)
        with pytest.raises(LocalProtocolError):
            ours.write_message(b"")


@ciphers
@pytest.mark.parametrize("broken", range(3))
def test_no_flipped_bit_passes_the_handshake(cipher: Cipher, broken: int) -> None:
    for position in range(len(message_to_read(cipher, broken)[1])):
        reader, original = message_to_read(cipher, broken)
        message = bytearray(original)
        message[position] ^= 1 << (position % 8)
        with pytest.raises(RemoteProtocolError):
            reader.read_message(bytes(message))
        assert not reader.finished
        assert reader.remote_static is None
        with pytest.raises(LocalProtocolError):
            reader.split()


@ciphers
@pytest.mark.parametrize("broken", range(3))
def test_no_truncated_or_extended_handshake_message_passes(cipher: Cipher, broken: int) -> None:
    length = len(message_to_read(cipher, broken)[1])
    for cut in [*range(length), length + 1]:
        reader, message = message_to_read(cipher, broken)
        with pytest.raises(RemoteProtocolError):
            reader.read_message((message + b"\0")[:cut])
        assert not reader.finished


@ciphers
def test_replayed_handshake_message_is_refused(cipher: Cipher) -> None:
    recorded = converse(our_pair(cipher), 3)
    responder = our_side(cipher, initiator=False)
    # Anyone can replay a first message; the answer to it is what a replayer cannot continue.
    assert responder.read_message(recorded[0]) == PAYLOADS[0]
    responder.write_message(PAYLOADS[1])
    with pytest.raises(RemoteProtocolError):
        responder.read_message(recorded[2])


@ciphers
@pytest.mark.parametrize(
    "low_order", [bytes(32), b"\1" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"]
)
@roles
def test_low_order_ephemeral_is_refused(cipher: Cipher, initiator: bool, low_order: bytes) -> None:
    """Even from one that knows the pre-shared key, so that the tag of its message is right."""
    attacker = HandshakeState(
        pattern=XXPSK0,
        cipher=cipher,
        initiator=not initiator,
        prologue=PROLOGUE,
        static=STATICS[not initiator],
        psk=PSK,
        ephemeral=cast(X25519PrivateKey, LowOrderKey(low_order)),
    )
    ours = our_side(cipher, initiator)
    if initiator:
        attacker.read_message(ours.write_message(b""))
        with pytest.raises(RemoteProtocolError, match="low order"):
            ours.read_message(attacker.write_message(b""))
    else:
        ours.read_message(attacker.write_message(b""))
        with pytest.raises(RemoteProtocolError, match="low order"):
            ours.write_message(b"")
    assert not ours.finished


class LowOrderKey:
    """Stands for a private key whose public key is a point of low order."""

    def __init__(self, public: bytes) -> None:
        self._public = public

    def public_key(self) -> "LowOrderKey":
        return self

    def public_bytes_raw(self) -> bytes:
        return self._public

    def exchange(self, _: object) -> bytes:
        return bytes(32)


@ciphers
def test_replayed_transport_message_is_refused(cipher: Cipher) -> None:
    sending, receiving = transport(cipher)
    first, second = seal(sending, b"first"), seal(sending, b"second")
    assert unseal(receiving, first) == b"first"
    with pytest.raises(RemoteProtocolError):
        unseal(receiving, first)
    # The failure has not moved the counter.
    assert unseal(receiving, second) == b"second"


@ciphers
def test_reordered_or_missing_transport_message_is_refused(cipher: Cipher) -> None:
    sending, receiving = transport(cipher)
    first, second = seal(sending, b"first"), seal(sending, b"second")
    with pytest.raises(RemoteProtocolError):
        unseal(receiving, second)
    assert unseal(receiving, first) == b"first"


@ciphers
def test_reflected_transport_message_is_refused(cipher: Cipher) -> None:
    sides = our_pair(cipher)
    converse(sides, 3)
    forth, back = sides[True].split()
    with pytest.raises(RemoteProtocolError):
        unseal(back, seal(forth, b"to the responder"))


@ciphers
def test_truncated_or_flipped_transport_message_is_refused(cipher: Cipher) -> None:
    sending, receiving = transport(cipher)
    sealed = seal(sending, b"twenty bytes of text")
    for length in range(len(sealed)):
        with pytest.raises(RemoteProtocolError):
            unseal(receiving, sealed[:length])
    for position in range(len(sealed)):
        flipped = bytearray(sealed)
        flipped[position] ^= 1 << (position % 8)
        with pytest.raises(RemoteProtocolError):
            unseal(receiving, bytes(flipped))
    with pytest.raises(RemoteProtocolError):
        receiving.decrypt_with_ad(b"", sealed[:-1])
    assert unseal(receiving, sealed) == b"twenty bytes of text"


@ciphers
def test_noiseprotocol_refuses_our_message_twice(cipher: Cipher) -> None:
    ours, theirs = our_side(cipher, initiator=True), their_side(cipher, initiator=False)
    theirs.read_message(ours.write_message(b""))
    ours.read_message(bytes(theirs.write_message(b"")))
    theirs.read_message(ours.write_message(b""))
    sealed = seal(ours.split()[0], b"once")
    assert theirs.decrypt(sealed) == b"once"
    with pytest.raises(NoiseInvalidMessage):
        theirs.decrypt(sealed)


@ciphers
def test_opening_in_place(cipher: Cipher) -> None:
    """A sealed message may be opened into the very buffer that holds it."""
    sending, receiving = transport(cipher)
    buffer = memoryview(bytearray(seal(sending, LONGEST)))
    assert receiving.decrypt_into(buffer, buffer[:-TAG_LENGTH]) == len(LONGEST)
    assert buffer[:-TAG_LENGTH] == LONGEST


@ciphers
def test_nonces_run_out_before_they_repeat(cipher: Cipher) -> None:
    sending, receiving = transport(cipher)
    sending.set_nonce(MAX_NONCE - 1)
    receiving.set_nonce(MAX_NONCE - 1)
    assert unseal(receiving, seal(sending, b"the last")) == b"the last"
    for _ in range(2):
        with pytest.raises(LocalProtocolError):
            seal(sending, b"one more")
        with pytest.raises(LocalProtocolError):
            sending.encrypt_with_ad(b"", b"one more")
        with pytest.raises(LocalProtocolError):
            unseal(receiving, bytes(TAG_LENGTH))
        with pytest.raises(LocalProtocolError):
            receiving.decrypt_with_ad(b"", bytes(TAG_LENGTH))


@ciphers
def test_bulk_path_refuses_what_cannot_fit(cipher: Cipher) -> None:
    sending, receiving = transport(cipher)
    room = memoryview(bytearray(MAX_MESSAGE_LENGTH + 1))
    with pytest.raises(LocalProtocolError):
        sending.encrypt_into(LONGEST + b"!", room)
    with pytest.raises(LocalProtocolError):
        sending.encrypt_into(b"four", room[: 4 + TAG_LENGTH - 1])
    sealed = memoryview(seal(sending, b"four"))
    with pytest.raises(LocalProtocolError):
        receiving.decrypt_into(sealed, room[:3])
    with pytest.raises(LocalProtocolError):
        receiving.decrypt_into(room, memoryview(bytearray(len(room))))
    # None of it has used up a nonce.
    assert unseal(receiving, bytes(sealed)) == b"four"


def test_bulk_path_refuses_to_work_without_a_key() -> None:
    keyless = CipherState(Cipher.AESGCM)
    assert not keyless.has_key()
    assert keyless.encrypt_with_ad(b"", b"clear") == b"clear"
    with pytest.raises(LocalProtocolError):
        seal(keyless, b"clear")
    with pytest.raises(LocalProtocolError):
        unseal(keyless, bytes(TAG_LENGTH))


@roles
def test_turns_are_kept(initiator: bool) -> None:
    sides = our_pair(Cipher.AESGCM)
    for number in range(3):
        writer = number % 2 == 0
        with pytest.raises(LocalProtocolError):
            sides[writer].read_message(b"")
        with pytest.raises(LocalProtocolError):
            sides[not writer].write_message(b"")
        for side in sides.values():
            with pytest.raises(LocalProtocolError):
                side.split()
            with pytest.raises(LocalProtocolError):
                _ = side.handshake_hash
        # Misuse has changed nothing: the conversation goes on.
        message = sides[writer].write_message(PAYLOADS[number])
        assert sides[not writer].read_message(message) == PAYLOADS[number]

    finished = sides[initiator]
    with pytest.raises(LocalProtocolError):
        finished.write_message(b"")
    with pytest.raises(LocalProtocolError):
        finished.read_message(b"")
    finished.split()
    with pytest.raises(LocalProtocolError):
        finished.split()
    assert finished.finished
    assert len(finished.handshake_hash) == 32


def test_handshake_messages_have_a_longest_length() -> None:
    room = MAX_MESSAGE_LENGTH - 32 - TAG_LENGTH
    first = our_side(Cipher.AESGCM, initiator=True).write_message(bytes(room))
    assert len(first) == MAX_MESSAGE_LENGTH
    assert our_side(Cipher.AESGCM, initiator=False).read_message(first) == bytes(room)
    with pytest.raises(LocalProtocolError):
        our_side(Cipher.AESGCM, initiator=True).write_message(bytes(room + 1))
    with pytest.raises(LocalProtocolError):
        our_side(Cipher.AESGCM, initiator=False).read_message(first + b"!")


@pytest.mark.parametrize("psk", [None, b"", bytes(31), bytes(33)])
def test_psk_has_one_length(psk: bytes | None) -> None:
    with pytest.raises(LocalProtocolError):
        our_side(Cipher.AESGCM, initiator=True, psk=psk)


def test_psk_is_refused_where_the_pattern_has_none() -> None:
    with pytest.raises(LocalProtocolError):
        HandshakeState(
            pattern=HandshakePattern("NN", (("e",), ("e", "ee"))),
            cipher=Cipher.AESGCM,
            initiator=True,
            prologue=b"",
            static=STATICS[True],
            psk=PSK,
        )


def test_pattern_that_uses_a_key_too_early_is_refused() -> None:
    noise = HandshakeState(
        pattern=HandshakePattern("XX", (("e", "es"),)),
        cipher=Cipher.AESGCM,
        initiator=True,
        prologue=b"",
        static=STATICS[True],
        psk=None,
    )
    with pytest.raises(LocalProtocolError):
        noise.write_message(b"")
