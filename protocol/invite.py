"""Invites: the strings that admit a machine to the swarm.

An invite carries secrets (the swarm's pre-shared key and a single-use token), which `repr` never
shows. Refuses anything but exactly one well-formed invite of a version this code knows.
"""

import msgspec

from protocol.address import Address
from protocol.checked_text import decode, encode
from protocol.errors import InvalidTextError, LocalProtocolError
from protocol.ids import KEY_LENGTH, StaticKey, SwarmKey

PSK_LENGTH = 32
TOKEN_LENGTH = 16
MOST_ADDRESSES = 8

_KIND = "invite"
_VERSION = 1
_PREFIX_LENGTH = 2
"""Each address has its length before it, two bytes: the longest are over 255 bytes."""


class Invite(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine needs to join; raises LocalProtocolError if a field has a wrong length."""

    addresses: tuple[Address, ...]
    """Where the tracker listens, 1..8, to be tried in this order."""
    tracker: StaticKey
    swarm: SwarmKey
    psk: bytes
    """The swarm's pre-shared transport key, 32 bytes; secret."""
    token: bytes
    """What is traded for a membership, 16 bytes; secret, single use."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.addresses) <= MOST_ADDRESSES:
            raise LocalProtocolError(f"an invite has 1 to {MOST_ADDRESSES} addresses")
        lengths = [len(part) for part in (self.tracker, self.swarm, self.psk, self.token)]
        if lengths != [KEY_LENGTH, KEY_LENGTH, PSK_LENGTH, TOKEN_LENGTH]:
            raise LocalProtocolError("a key or the token of an invite has a wrong length")

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"Invite({shown})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        """The fields to print, not the secrets: `rich` asks here and would print them all."""
        return [
            ("addresses", tuple(str(address) for address in self.addresses)),
            ("tracker", self.tracker.hex()),
            ("swarm", self.swarm.hex()),
        ]


def encode_invite(invite: Invite) -> str:
    """The text to hand over: `twofold-invite-...`."""
    parts = [bytes([_VERSION]), invite.tracker, invite.swarm, invite.psk, invite.token]
    parts.append(bytes([len(invite.addresses)]))
    for address in invite.addresses:
        written = str(address).encode()
        parts += [len(written).to_bytes(_PREFIX_LENGTH, "big"), written]
    return encode(_KIND, b"".join(parts))


def decode_invite(text: str) -> Invite:
    """The invite in `text`; InvalidTextError says what is wrong and what to do."""
    payload = _Payload(decode(_KIND, text))
    if payload.take_number(1) != _VERSION:
        raise InvalidTextError("this invite was made by a newer Twofold: update this machine")
    tracker = StaticKey(payload.take(KEY_LENGTH))
    swarm = SwarmKey(payload.take(KEY_LENGTH))
    psk = payload.take(PSK_LENGTH)
    token = payload.take(TOKEN_LENGTH)
    count = payload.take_number(1)
    if not 1 <= count <= MOST_ADDRESSES:
        raise _damaged()
    addresses = tuple(_take_address(payload) for _ in range(count))
    payload.end()
    return Invite(addresses=addresses, tracker=tracker, swarm=swarm, psk=psk, token=token)


class _Payload:
    """Bytes taken from front to back; running short is an InvalidTextError."""

    def __init__(self, left: bytes) -> None:
        self._left = left

    def take(self, length: int) -> bytes:
        if len(self._left) < length:
            raise _damaged()
        taken, self._left = self._left[:length], self._left[length:]
        return taken

    def take_number(self, length: int) -> int:
        return int.from_bytes(self.take(length), "big")

    def end(self) -> None:
        if self._left:
            raise _damaged()


def _take_address(payload: _Payload) -> Address:
    written = payload.take(payload.take_number(_PREFIX_LENGTH))
    try:
        return Address.parse(written.decode())
    except ValueError as error:  # InvalidTextError and UnicodeDecodeError are both ValueErrors
        raise InvalidTextError(
            f"this invite has a bad tracker address: ask for a new invite ({error})"
        ) from error


def _damaged() -> InvalidTextError:
    return InvalidTextError("this invite was not made correctly: ask for a new invite")
