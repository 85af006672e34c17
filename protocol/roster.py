"""Memberships and the roster: who belongs to the swarm, signed by the swarm key.

A membership is what a machine shows at each handshake; the roster is the numbered list of all of
them, and the newest one has the last word. Who was revoked or has left stays listed, as that.
"""

from functools import cached_property
from typing import Annotated, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Meta

from protocol import codec
from protocol.errors import RefusedError, RemoteProtocolError
from protocol.fields import (
    Addresses,
    Copies,
    Count,
    Label,
    Moment,
    Name,
    PeerIdField,
    StaticKeyField,
    SwarmKeyField,
)
from protocol.ids import PeerId, StaticKey, SwarmKey
from protocol.ring import Ring, RingMember
from protocol.signing import Signed, check_signature, sign

MAX_ROSTER = 8 << 20
MAX_MEMBERSHIP = 4 << 10
_MEMBERSHIP = "membership"
_ROSTER = "roster"

MemberState = Literal["active", "draining", "leaving", "left", "revoked"]
"""`draining` keeps what it has and takes nothing new; `leaving` is out of the ring, and serves
until what it holds is elsewhere. `left` and `revoked` are no members any more."""
OUTSIDE: frozenset[MemberState] = frozenset({"left", "revoked"})


class Member(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One machine. `capacity` is bytes offered for other people's pieces; 0 stores none."""

    peer: PeerIdField
    static: StaticKeyField
    name: Name
    role: Literal["peer", "tracker"] = "peer"
    zone: Label = ""
    capacity: Count = 0
    joined: Moment
    state: MemberState = "active"
    admin: bool = False
    """Whether it may delete and restore other members' entries, and let a burst of deletions go."""


class Membership(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the swarm key signs for one machine at joining."""

    swarm: SwarmKeyField
    member: Member


class Roster(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """All members by number; `trackers` are addresses, `grace` is seconds, `copies` a default."""

    swarm: SwarmKeyField
    number: Annotated[int, Meta(ge=1, lt=1 << 53)]
    name: Name
    trackers: Addresses
    grace: Annotated[int, Meta(ge=0, le=366 * 86_400)] = 1800
    copies: Copies = 2
    members: tuple[Member, ...]

    def find(self, peer: PeerId) -> Member | None:
        """The machine with this id, also one that is no member any more."""
        return self._by_peer.get(peer)

    @cached_property
    def _by_peer(self) -> dict[PeerId, Member]:
        return {member.peer: member for member in reversed(self.members)}

    def peers(self) -> tuple[Member, ...]:
        """The members that are peers, by name."""
        inside = (m for m in self.members if m.state not in OUTSIDE and m.role == "peer")
        return tuple(sorted(inside, key=lambda m: (m.name, m.peer)))

    def outside(self) -> frozenset[PeerId]:
        """Ids of the machines that are no members any more: revoked, or left."""
        return frozenset(m.peer for m in self.members if m.state in OUTSIDE)

    def admins(self) -> frozenset[PeerId]:
        """Ids of the members that are admins."""
        return frozenset(m.peer for m in self.peers() if m.admin)

    def storing(self) -> tuple[Member, ...]:
        """The members that should hold pieces, by name. One that is leaving should not."""
        return tuple(m for m in self.peers() if m.capacity > 0 and m.state != "leaving")

    def ring(self) -> Ring:
        """The ring of the members that store pieces; draining ones too, for what they hold."""
        return Ring(
            [RingMember(peer=m.peer, capacity=m.capacity, zone=m.zone) for m in self.storing()]
        )


def sign_membership(swarm_signing: Ed25519PrivateKey, member: Member) -> Signed:
    """Admit a machine."""
    swarm = SwarmKey(swarm_signing.public_key().public_bytes_raw())
    body = codec.encode(Membership(swarm=swarm, member=member))
    return sign(swarm_signing, _MEMBERSHIP, body)


def open_membership_untrusted(signed: Signed, swarm: SwarmKey, static: StaticKey) -> Member:
    """The member a remote proves to be, having shown `static` in the handshake.

    Raises RefusedError when the membership is of another swarm, forged, or another machine's.
    """
    try:
        check_signature(signed, swarm, _MEMBERSHIP)
        shown = codec.decode_untrusted(signed.body, Membership, limit=MAX_MEMBERSHIP)
    except RemoteProtocolError as error:
        raise RefusedError(f"not a member of this swarm: {error}") from None
    if shown.swarm != swarm or shown.member.static != static:
        raise RefusedError("the membership shown belongs to another machine")
    member: Member = shown.member
    return member


def check_not_revoked(roster: Roster | None, member: Member) -> None:
    """RefusedError when this member is none any more by the newest roster, or its key is old."""
    listed = roster.find(member.peer) if roster else None
    if listed is None:
        return
    if listed.state == "revoked":
        raise RefusedError(f"{listed.name} has been revoked")
    if listed.state == "left":
        raise RefusedError(f"{listed.name} has left the swarm; it may join again with an invite")
    if listed.static != member.static:
        raise RefusedError(f"{listed.name} shows an old key")


def sign_roster(swarm_signing: Ed25519PrivateKey, roster: Roster) -> Signed:
    """Sign a roster with the swarm key."""
    return sign(swarm_signing, _ROSTER, codec.encode(roster))


def encode_signed(signed: Signed) -> bytes:
    """A signed document as bytes, to send or to keep."""
    return codec.encode(signed)


def open_roster_untrusted(encoded: bytes, swarm: SwarmKey) -> Roster:
    """Check and read a roster.

    RemoteProtocolError unless this swarm's key signed it, and it lists nobody twice.
    """
    signed: Signed = codec.decode_flat_untrusted(encoded, Signed, limit=MAX_ROSTER)
    check_signature(signed, swarm, _ROSTER)
    roster: Roster = codec.decode_untrusted(signed.body, Roster, limit=MAX_ROSTER)
    if roster.swarm != swarm:
        raise RemoteProtocolError("the roster is of another swarm")
    for keys in ({m.peer for m in roster.members}, {m.static for m in roster.members}):
        if len(keys) != len(roster.members):
            raise RemoteProtocolError("the roster lists a machine twice")
    return roster
