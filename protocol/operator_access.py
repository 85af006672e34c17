"""How the command line and the page reach the daemon of their own data directory.

A daemon writes this as `operator.json` (mode 0600) at each start, with a key made for that run:
whoever can read the file is an operator. The text holds secrets and is never logged.
"""

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol.address import Address
from protocol.errors import InvalidTextError, RefusedError
from protocol.hello import Credentials, Hello, MemberHello, OperatorHello
from protocol.ids import StaticKey
from protocol.noise import Cipher

FILE_NAME = "operator.json"


class OperatorAccess(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the daemon listens and what proves each side; keys are hex."""

    address: str
    psk: str
    operator_key: str
    daemon: str

    def __repr__(self) -> str:
        return f"OperatorAccess(address={self.address!r})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        """The field to print: `rich` asks here and would print the keys too."""
        return [("address", self.address)]


def make_operator_access(
    address: Address, psk: bytes, key: X25519PrivateKey, daemon: StaticKey
) -> OperatorAccess:
    """What a daemon that starts lets its operators know."""
    return OperatorAccess(
        address=str(address),
        psk=psk.hex(),
        operator_key=key.private_bytes_raw().hex(),
        daemon=daemon.hex(),
    )


def encode_operator_access(access: OperatorAccess) -> bytes:
    """The file's content."""
    return msgspec.json.encode(access)


def decode_operator_access(content: bytes) -> OperatorAccess:
    """Read the file; InvalidTextError when it is damaged."""
    try:
        access = msgspec.json.decode(content, type=OperatorAccess)
        if any(
            len(bytes.fromhex(x)) != 32 for x in (access.psk, access.operator_key, access.daemon)
        ):
            raise ValueError("keys have 32 bytes")
    except (msgspec.MsgspecError, ValueError) as error:
        raise InvalidTextError(f"{FILE_NAME} is damaged ({error}); restart the daemon") from None
    return access


def operator_credentials(
    access: OperatorAccess, version: str, ciphers: tuple[Cipher, ...]
) -> Credentials:
    """Credentials to connect with as an operator, and only to that daemon."""
    daemon = bytes.fromhex(access.daemon)

    def admit(hello: Hello, static: StaticKey) -> None:
        if static != daemon or not isinstance(hello, MemberHello):
            raise RefusedError("another program answers at the daemon's address")

    return Credentials(
        psk=bytes.fromhex(access.psk),
        static=X25519PrivateKey.from_private_bytes(bytes.fromhex(access.operator_key)),
        hello=OperatorHello(version=version),
        admit=admit,
        ciphers=ciphers,
    )
