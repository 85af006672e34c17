"""Ed25519 signatures over exact bytes: what was signed is carried, never encoded again to check it.

Each kind of body is signed under its own context, so that no signature of one kind serves another.
Signatures are checked by libsodium: of what is short in half the time that OpenSSL takes.
"""

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from protocol.errors import RemoteProtocolError
from protocol.fields import SignatureField


class Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Encoded bytes and the signature over them; worth nothing until checked."""

    body: bytes
    signature: SignatureField


def sign(key: Ed25519PrivateKey, context: str, body: bytes) -> Signed:
    """Sign `body` for one use, named by `context`."""
    return Signed(body, key.sign(_message(context, body)))


def check_signature(signed: Signed, key: bytes, context: str) -> None:
    """Raise RemoteProtocolError unless `key` signed this body for this use."""
    if not is_signature(signed.signature, key, _message(context, signed.body)):
        raise RemoteProtocolError(f"the {context}'s signature is not valid")


def is_signature(signature: bytes, key: bytes, message: bytes) -> bool:
    """Whether an Ed25519 key (32 bytes) signed a message; False also for what is no key at all."""
    try:
        VerifyKey(key).verify(message, signature)
    except (BadSignatureError, ValueError):
        return False
    return True


def _message(context: str, body: bytes) -> bytes:
    return b"twofold 2026 " + context.encode() + b"\0" + body
