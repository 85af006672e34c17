"""The Noise Protocol Framework, revision 34, with the names of its section 5: 25519 and SHA256.

Owns a connection's handshake and ciphers. Refuses every message the remote did not make with the
right keys, and every use out of turn.
Invariant: no key meets the same nonce twice, and a handshake that failed stays failed.
"""

import hashlib
import hmac
from dataclasses import dataclass
from enum import Enum
from struct import Struct
from typing import Literal, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import aead

from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.ids import HASH_LENGTH, KEY_LENGTH, StaticKey

MAX_MESSAGE_LENGTH = 65535
TAG_LENGTH = 16
MAX_NONCE = 2**64 - 1  # reserved by the specification: a cipher that reaches it is spent

Token: TypeAlias = Literal["e", "s", "ee", "es", "se", "psk"]
_Aead: TypeAlias = aead.AESGCM | aead.ChaCha20Poly1305


@dataclass(frozen=True)
class HandshakePattern:
    """A handshake pattern without pre-messages; the initiator writes the first message."""

    name: str
    messages: tuple[tuple[Token, ...], ...]


XXPSK0 = HandshakePattern("XXpsk0", (("psk", "e"), ("e", "ee", "s", "es"), ("s", "se")))


class Cipher(Enum):
    """A cipher function: its name in the protocol name, its primitive, its layout of the nonce."""

    AESGCM = ("AESGCM", aead.AESGCM, Struct(">4xQ"))
    CHACHAPOLY = ("ChaChaPoly", aead.ChaCha20Poly1305, Struct("<4xQ"))

    def __init__(self, noise_name: str, primitive: type[_Aead], nonce: Struct) -> None:
        self.noise_name = noise_name
        self.primitive = primitive
        self.nonce = nonce


class CipherState:
    """One direction's key and the nonce counter that goes with it."""

    def __init__(self, cipher: Cipher, key: bytes | None = None) -> None:
        self._cipher = cipher
        self._aead: _Aead | None = None if key is None else cipher.primitive(key)
        self._n = 0

    def initialize_key(self, key: bytes) -> None:
        """Take a key; its first nonce is 0."""
        self._aead = self._cipher.primitive(key)
        self._n = 0

    def has_key(self) -> bool:
        """Whether a key was taken; without one, the data of a handshake passes unencrypted."""
        return self._aead is not None

    def set_nonce(self, nonce: int) -> None:
        """Set the counter for the next message."""
        self._n = nonce

    def encrypt_with_ad(self, ad: bytes, plaintext: bytes) -> bytes:
        """Encrypt and authenticate, or return the plaintext while there is no key."""
        if self._aead is None:
            return plaintext
        ciphertext = self._aead.encrypt(self._nonce(), plaintext, ad)
        self._n += 1
        return ciphertext

    def decrypt_with_ad(self, ad: bytes, ciphertext: bytes) -> bytes:
        """Check and decrypt, or return the ciphertext while there is no key."""
        if self._aead is None:
            return ciphertext
        try:
            plaintext = self._aead.decrypt(self._nonce(), ciphertext, ad)
        except InvalidTag:
            raise RemoteProtocolError("a handshake message failed authentication") from None
        self._n += 1
        return plaintext

    def encrypt(self, plaintext: bytes | bytearray | memoryview) -> bytes:
        """One transport message, tag included."""
        if self._aead is None or len(plaintext) + TAG_LENGTH > MAX_MESSAGE_LENGTH:
            raise LocalProtocolError("no key, or a message too long for Noise")
        nonce = self._nonce()
        self._n += 1
        return self._aead.encrypt(nonce, plaintext, None)

    def encrypt_into(self, plaintext: bytes | bytearray | memoryview, out: memoryview) -> int:
        """Write one transport message to the front of `out`; return its length, tag included."""
        length = len(plaintext) + TAG_LENGTH
        if self._aead is None or length > min(len(out), MAX_MESSAGE_LENGTH):
            raise LocalProtocolError("no key, or a message too long for Noise or its buffer")
        nonce = self._nonce()
        # Counted before: a nonce whose ciphertext may have reached `out` is never used again.
        self._n += 1
        return self._aead.encrypt_into(nonce, plaintext, None, out[:length])

    def decrypt(self, ciphertext: bytes | memoryview) -> bytes:
        """Open one transport message."""
        if self._aead is None:
            raise LocalProtocolError("no key")
        try:
            plaintext = self._aead.decrypt(self._nonce(), ciphertext, None)
        except InvalidTag:
            raise RemoteProtocolError("a transport message failed authentication") from None
        self._n += 1
        return plaintext

    def decrypt_into(self, ciphertext: memoryview, out: memoryview) -> int:
        """Open one transport message to the front of `out`, worthless if it fails; its length."""
        length = len(ciphertext) - TAG_LENGTH
        if self._aead is None or length > min(len(out), MAX_MESSAGE_LENGTH - TAG_LENGTH):
            raise LocalProtocolError("no key, or a message too long for Noise or its buffer")
        try:
            self._aead.decrypt_into(self._nonce(), ciphertext, None, out[:length])
        except InvalidTag:
            raise RemoteProtocolError("a transport message failed authentication") from None
        self._n += 1
        return length

    def _nonce(self) -> bytes:
        if self._n >= MAX_NONCE:
            raise LocalProtocolError("this cipher key has no nonces left")
        return self._cipher.nonce.pack(self._n)


class SymmetricState:
    """The chaining key and the transcript hash of a handshake, and the cipher they key."""

    def __init__(self, protocol_name: bytes, cipher: Cipher) -> None:
        if len(protocol_name) > HASH_LENGTH:
            protocol_name = hashlib.sha256(protocol_name).digest()
        self._h = self._ck = protocol_name.ljust(HASH_LENGTH, b"\0")
        self._cipher = cipher
        self.cipher_state = CipherState(cipher)

    def mix_key(self, input_key_material: bytes) -> None:
        """Stir a secret into the chaining key, and take a new cipher key."""
        self._ck, temp_k = _hkdf(self._ck, input_key_material, 2)
        self.cipher_state.initialize_key(temp_k)

    def mix_hash(self, data: bytes) -> None:
        """Bind data into the transcript."""
        self._h = hashlib.sha256(self._h + data).digest()

    def mix_key_and_hash(self, input_key_material: bytes) -> None:
        """Stir a pre-shared key into the chaining key and the transcript."""
        self._ck, temp_h, temp_k = _hkdf(self._ck, input_key_material, 3)
        self.mix_hash(temp_h)
        self.cipher_state.initialize_key(temp_k)

    def get_handshake_hash(self) -> bytes:
        """The transcript hash: unique to this handshake once it has finished."""
        return self._h

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        """Encrypt with the transcript as associated data, and bind the ciphertext into it."""
        ciphertext = self.cipher_state.encrypt_with_ad(self._h, plaintext)
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt_and_hash(self, ciphertext: bytes) -> bytes:
        """The inverse of `encrypt_and_hash`."""
        plaintext = self.cipher_state.decrypt_with_ad(self._h, ciphertext)
        self.mix_hash(ciphertext)
        return plaintext

    def split(self) -> tuple[CipherState, CipherState]:
        """The ciphers for transport messages: initiator to responder, then the other way."""
        temp_k1, temp_k2 = _hkdf(self._ck, b"", 2)
        return CipherState(self._cipher, temp_k1), CipherState(self._cipher, temp_k2)


class HandshakeState:
    """One handshake, from either side: write and read in turn until `finished`, then split once."""

    def __init__(
        self,
        *,
        pattern: HandshakePattern,
        cipher: Cipher,
        initiator: bool,
        prologue: bytes,
        static: X25519PrivateKey,
        psk: bytes | None,
        ephemeral: X25519PrivateKey | None = None,  # for test vectors only: else made when sent
    ) -> None:
        expected = KEY_LENGTH if any("psk" in tokens for tokens in pattern.messages) else 0
        if len(psk or b"") != expected:
            raise LocalProtocolError(f"{pattern.name} takes a pre-shared key of {expected} bytes")
        name = f"Noise_{pattern.name}_25519_{cipher.noise_name}_SHA256"
        self._symmetric = SymmetricState(name.encode(), cipher)
        self._symmetric.mix_hash(prologue)
        self._messages, self._done = pattern.messages, 0
        self._initiator = initiator
        self._psk = psk or b""
        self._s = static
        self._e = ephemeral
        self._rs = self._re = b""
        self._state: Literal["open", "failed", "split"] = "open"

    @property
    def finished(self) -> bool:
        """Whether every message of the pattern was written or read, and none failed."""
        return self._done == len(self._messages)

    @property
    def remote_static(self) -> StaticKey | None:
        """The remote's static key, once a message has proven it; for good only when finished."""
        return StaticKey(self._rs) if self._rs and self._state != "failed" else None

    @property
    def handshake_hash(self) -> bytes:
        """The transcript hash of the finished handshake."""
        if not self.finished:
            raise LocalProtocolError("the handshake has not finished")
        return self._symmetric.get_handshake_hash()

    def write_message(self, payload: bytes) -> bytes:
        """The next handshake message, carrying `payload`."""
        message = b""
        for token in self._begin_turn(writing=True):
            if token == "e":
                self._e = self._e or X25519PrivateKey.generate()
                message += self._mix_ephemeral(self._e.public_key().public_bytes_raw())
            elif token == "s":
                static = self._s.public_key().public_bytes_raw()
                message += self._symmetric.encrypt_and_hash(static)
            else:
                self._mix_secret(token)
        message += self._symmetric.encrypt_and_hash(payload)
        if len(message) > MAX_MESSAGE_LENGTH:
            raise LocalProtocolError("a handshake message is too long for Noise")
        self._state, self._done = "open", self._done + 1
        return message

    def read_message(self, message: bytes) -> bytes:
        """The payload of the remote's next handshake message."""
        if len(message) > MAX_MESSAGE_LENGTH:
            raise LocalProtocolError("a handshake message is too long for Noise")
        for token in self._begin_turn(writing=False):
            if token == "e":
                public, message = _take(message, KEY_LENGTH)
                self._re = self._mix_ephemeral(public)
            elif token == "s":
                tag_length = TAG_LENGTH if self._symmetric.cipher_state.has_key() else 0
                sealed, message = _take(message, KEY_LENGTH + tag_length)
                self._rs = self._symmetric.decrypt_and_hash(sealed)
            else:
                self._mix_secret(token)
        payload = self._symmetric.decrypt_and_hash(message)
        self._state, self._done = "open", self._done + 1
        return payload

    def split(self) -> tuple[CipherState, CipherState]:
        """As `SymmetricState.split`; once, as a second pair would use the same nonces again."""
        if not self.finished or self._state == "split":
            raise LocalProtocolError("a handshake is split once, after it has finished")
        self._state = "split"
        return self._symmetric.split()

    def _begin_turn(self, *, writing: bool) -> tuple[Token, ...]:
        my_turn = (self._done % 2 == 0) == self._initiator
        if self._state != "open" or self.finished or writing != my_turn:
            raise LocalProtocolError("the handshake is over, or it is the other side's turn")
        # Until the turn has ended well: an exception leaves the transcript half-way.
        self._state = "failed"
        return self._messages[self._done]

    def _mix_ephemeral(self, public: bytes) -> bytes:
        self._symmetric.mix_hash(public)
        # Section 9.2: else the pre-shared key alone could give one cipher key to two handshakes.
        if self._psk:
            self._symmetric.mix_key(public)
        return public

    def _mix_secret(self, token: Token) -> None:
        if token == "psk":
            self._symmetric.mix_key_and_hash(self._psk)
            return
        # The first letter is the initiator's key, the second the responder's.
        mine, theirs = token[0 if self._initiator else 1], token[1 if self._initiator else 0]
        private = self._e if mine == "e" else self._s
        public = self._re if theirs == "e" else self._rs
        if private is None or not public:
            raise LocalProtocolError(f"the pattern has {token!r} before the keys it needs")
        try:
            secret = private.exchange(X25519PublicKey.from_public_bytes(public))
        except ValueError:
            raise RemoteProtocolError("the remote's key is of low order") from None
        self._symmetric.mix_key(secret)


def _take(message: bytes, length: int) -> tuple[bytes, bytes]:
    if len(message) < length:
        raise RemoteProtocolError("a handshake message is too short")
    return message[:length], message[length:]


def _hkdf(chaining_key: bytes, input_key_material: bytes, num_outputs: int) -> list[bytes]:
    temp_key = hmac.digest(chaining_key, input_key_material, "sha256")
    outputs = [b""]
    for number in range(1, num_outputs + 1):
        outputs.append(hmac.digest(temp_key, outputs[-1] + bytes([number]), "sha256"))
    return outputs[1:]
