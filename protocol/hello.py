"""What each side says of itself inside the handshake, encrypted: who it is and by what right."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from msgspec import Meta

from protocol import codec
from protocol.fields import Count
from protocol.ids import StaticKey
from protocol.noise import Cipher
from protocol.signing import Signed

MAX_HELLO = 8 << 10
Version = Annotated[str, Meta(max_length=64)]
Lane = Literal["", "sends", "takes"]
"""What the side that connects does on a lane: sends pieces, or takes them; "" is no lane."""


class MemberHello(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="member"
):
    """A machine of the swarm; `roster` is the number of the newest roster it knows, 0 for none.

    With `lane`, this connection is one more to a peer it has a link to, for pieces only.
    """

    version: Version
    membership: Signed
    roster: Count
    lane: Lane = ""


class JoinHello(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="join"):
    """A machine with an invite and no membership yet; only a tracker admits it, only to join."""

    version: Version


class OperatorHello(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="operator"
):
    """The command line or the page of this very machine, known by the operator key it proved."""

    version: Version


Hello = MemberHello | JoinHello | OperatorHello


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Everything one side brings to a handshake.

    `admit` is called with the other side's hello and proven static key and raises RefusedError to
    turn it away; an initiator's is called before it says who it is. `ciphers` is in order of
    preference.
    """

    psk: bytes = field(repr=False)
    static: X25519PrivateKey = field(repr=False)
    hello: Hello
    admit: Callable[[Hello, StaticKey], None]
    ciphers: tuple[Cipher, ...]


def encode_hello(hello: Hello) -> bytes:
    """A hello as handshake payload."""
    return codec.encode(hello)


def decode_hello_untrusted(payload: bytes) -> Hello:
    """Read the other side's payload; RemoteProtocolError when it is none."""
    hello: Hello = codec.decode_untrusted(payload, Hello, limit=MAX_HELLO)
    return hello
