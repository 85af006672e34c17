"""Messages of more than one conversation: rosters, manifests, who holds what."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from protocol.fields import (
    Addresses,
    Bits,
    Count,
    Label,
    ManifestIdField,
    Moment,
    Name,
    PeerIdField,
)
from protocol.manifest import MAX_MANIFEST
from protocol.messages.base import Message, Reply, Request
from protocol.roster import MAX_ROSTER

PeerState = Literal["live", "suspect", "gone"]


class RosterDocument(Message, frozen=True, kw_only=True, tag=True):
    """A signed roster follows; sent unasked to whoever shows a lower number."""

    max_bytes: ClassVar[int] = MAX_ROSTER

    length: Count
    number: Count


class GetManifest(Request, frozen=True, kw_only=True, tag=True):
    """Ask for a manifest by id."""

    manifest: ManifestIdField


class ManifestDocument(Reply, frozen=True, kw_only=True, tag=True):
    """The encoded manifest follows."""

    max_bytes: ClassVar[int] = MAX_MANIFEST

    length: Count
    manifest: ManifestIdField


class Locate(Request, frozen=True, kw_only=True, tag=True):
    """Ask who holds pieces of a manifest; the tracker answers, or a peer from what it knows."""

    manifest: ManifestIdField


class Holder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A peer that holds pieces of one manifest: `bits` is None for all of them."""

    peer: PeerIdField
    state: PeerState
    addresses: Addresses
    bits: Bits | None


class Located(Reply, frozen=True, kw_only=True, tag=True):
    """At most 50 holders, live ones and full ones first; huge bitfields may be left out."""

    holders: Annotated[tuple[Holder, ...], Meta(max_length=50)]


class GetMachines(Request, frozen=True, kw_only=True, tag=True):
    """Ask for the machines of the swarm and how they are."""


class Machine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One member as the tracker sees it; `stored` and `capacity` are bytes."""

    peer: PeerIdField
    name: Name
    zone: Label
    state: PeerState
    addresses: Addresses
    capacity: Count
    stored: Count
    seen: Moment


class Machines(Reply, frozen=True, kw_only=True, tag=True):
    """Every active member that is a peer, by name."""

    machines: Annotated[tuple[Machine, ...], Meta(max_length=1000)]
