"""What a member says of itself on its network: nothing, to all who lack the pre-shared key.

Salt, tag, port and addresses go over the network in clear. The tag binds the others to one member,
and with another salt looks like another machine's.
"""

from collections.abc import Iterable

from protocol.hashing import hash_lan
from protocol.ids import PeerId

SALT_LENGTH = 16
TAG_LENGTH = 16


def lan_tag(psk: bytes, salt: bytes, peer: PeerId, port: int, addresses: Iterable[bytes]) -> bytes:
    """The tag of a peer that listens at `port` of these addresses (4 or 16 bytes each)."""
    listed = b"".join(bytes([len(each)]) + each for each in sorted(addresses))
    return hash_lan(psk, salt + peer + port.to_bytes(2) + listed)


def tagged_peer(
    members: Iterable[PeerId],
    psk: bytes,
    salt: bytes,
    tag: bytes,
    port: int,
    addresses: tuple[bytes, ...],
) -> PeerId | None:
    """The member whose tag this is; None for a stranger's, or one of another swarm."""
    if len(salt) != SALT_LENGTH or len(tag) != TAG_LENGTH or not 0 < port < 1 << 16:
        return None
    return next(
        (peer for peer in members if lan_tag(psk, salt, peer, port, addresses) == tag), None
    )
