"""Ed25519 signatures over exact bytes: what was signed is carried, never encoded again to check it.

Each kind of body is signed under its own context, so that no signature of one kind serves another.
"""

from functools import lru_cache

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

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
    try:
        _public(key).verify(signed.signature, _message(context, signed.body))
    except (InvalidSignature, ValueError):
        raise RemoteProtocolError(f"the {context}'s signature is not valid") from None


@lru_cache(maxsize=256)
def _public(key: bytes) -> Ed25519PublicKey:
    """The same few sign nearly everything."""
    return Ed25519PublicKey.from_public_bytes(key)


def _message(context: str, body: bytes) -> bytes:
    return b"twofold 2026 " + context.encode() + b"\0" + body
