"""A machine's two key pairs, kept for life: X25519 for transport, Ed25519 for signatures."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol.errors import InvalidTextError
from protocol.ids import PeerId, StaticKey


class Identity:
    """The private half of a machine. Its repr shows only the public id."""

    def __init__(self, signing: Ed25519PrivateKey, static: X25519PrivateKey) -> None:
        self.signing = signing
        self.static = static
        self.peer = PeerId(signing.public_key().public_bytes_raw())
        self.static_key = StaticKey(static.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"Identity(peer={self.peer.hex()[:12]})"


def generate_identity() -> Identity:
    """A fresh identity from the system's random source."""
    return Identity(Ed25519PrivateKey.generate(), X25519PrivateKey.generate())


def encode_identity(identity: Identity) -> bytes:
    """64 secret bytes: the Ed25519 seed, then the X25519 scalar."""
    return identity.signing.private_bytes_raw() + identity.static.private_bytes_raw()


def decode_identity(secret: bytes) -> Identity:
    """The identity in 64 secret bytes; InvalidTextError for any other number of them."""
    if len(secret) != 64:
        raise InvalidTextError(f"an identity has 64 bytes, this has {len(secret)}")
    return Identity(
        Ed25519PrivateKey.from_private_bytes(secret[:32]),
        X25519PrivateKey.from_private_bytes(secret[32:]),
    )
