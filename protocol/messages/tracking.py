"""What a peer and its tracker say to each other over the connection they keep open."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from protocol.fields import (
    Addresses,
    Bits,
    ByteLength,
    Count,
    DigestField,
    Label,
    ManifestIdField,
    Name,
    PeerIdField,
    SignatureField,
    TokenField,
)
from protocol.manifest import MAX_MANIFEST, SMALL_MANIFEST
from protocol.messages.base import Message, Reply, Request
from protocol.messages.finding import (
    MAX_INSIDE,
    Filters,
    ReplacedWords,
    SearchCursor,
    SearchWords,
    Sort,
)
from protocol.messages.shared import PeerState
from protocol.pictures import RenditionQuality, Side
from protocol.signing import Signed

Epoch = Annotated[bytes, Meta(max_length=16)]
PAGE = 50
"""Most entries in one answer, so that it fits a control message."""


class Join(Request, frozen=True, kw_only=True, tag=True):
    """Trade an invite's token for a membership.

    `proof` is the signature of `peer` over the Noise handshake hash, under `join_proof_body`.
    """

    token: TokenField
    peer: PeerIdField
    proof: SignatureField
    name: Name
    zone: Label | None
    capacity: Count


class Joined(Reply, frozen=True, kw_only=True, tag=True):
    """The membership; the roster that lists it follows as a RosterDocument."""

    membership: Signed


MOST_CHANGED = 1000


class Present(Request, frozen=True, kw_only=True, tag=True):
    """First words of a peer after connecting: how to reach it and a digest of what it holds.

    `seen` is the number of the last catalogue change this peer knows, `epoch` of which database of
    the tracker: b"" before it was told of any.
    """

    addresses: Addresses
    capacity: Count
    stored: Count
    digest: DigestField
    seen: Count
    epoch: Epoch = b""


class Presented(Reply, frozen=True, kw_only=True, tag=True):
    """`in_sync` is False when the peer must announce everything again.

    `change` is the newest catalogue change; EntryChanged messages for the manifests this peer holds
    follow for everything after its `seen`, and PeerChanged or PeersChanged for every peer that is
    live. `roster` is the number of the tracker's roster; a peer that this does not list hands over
    its own, and presents itself again: till then nothing else is noted of it.
    """

    in_sync: bool
    change: Count
    epoch: Epoch = b""
    roster: Count = 0
    listed: bool = True


class ChangeCapacity(Request, frozen=True, kw_only=True, tag=True):
    """This member offers another amount of room from now on. Done: the roster says so."""

    capacity: Count


class ChangeState(Request, frozen=True, kw_only=True, tag=True):
    """This member drains, leaves, has left, or is active again. Done: the roster says so.

    `roster` is the number of the newest roster it goes by. "left" is refused when there is a newer
    one: somebody whom it counted on may just have gone too.
    """

    state: Literal["active", "draining", "leaving", "left"]
    roster: Count


class Holding(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a peer now holds of one manifest: all (None), some, or nothing (b"")."""

    manifest: ManifestIdField
    bits: Bits | None


class Announce(Request, frozen=True, kw_only=True, tag=True):
    """What changed since the last announce; with `reset`, forget everything first."""

    reset: bool = False
    stored: Count
    holdings: Annotated[tuple[Holding, ...], Meta(max_length=1000)]


class Report(Request, frozen=True, kw_only=True, tag=True):
    """A peer failed an audit of this manifest: its holding counts again once announced anew.

    Done. Without a new announce it counts again after an hour.
    """

    peer: PeerIdField
    manifest: ManifestIdField
    why: Label


class Publish(Request, frozen=True, kw_only=True, tag=True):
    """Put a signed entry or tombstone into the catalogue.

    `manifest` is what a new entry names, encoded, where that is small: no PutManifest is asked for
    then. Otherwise b"".
    """

    record: Signed
    manifest: Annotated[bytes, Meta(max_length=SMALL_MANIFEST)] = b""


class Published(Reply, frozen=True, kw_only=True, tag=True):
    """Stored. `needs_manifest` asks for a PutManifest; a tombstone may be `held` for approval."""

    needs_manifest: bool
    held: bool = False


class PutManifest(Request, frozen=True, kw_only=True, tag=True):
    """The encoded manifest follows."""

    max_bytes: ClassVar[int] = MAX_MANIFEST

    length: Count
    manifest: ManifestIdField


class Search(Request, frozen=True, kw_only=True, tag=True):
    """Entries whose name, caption, tags, author or inner names contain all words; "" lists all.

    `sort`: by relevance the nearest first, and of these, as without words, the newest. `cursor` is
    b"" for the first page, then what the last answer gave to the same words, filters and sort.
    """

    words: SearchWords
    filters: Filters = Filters()
    sort: Sort = "relevance"
    limit: Annotated[int, Meta(ge=1, le=PAGE)] = PAGE
    cursor: SearchCursor = b""


class GetEntry(Request, frozen=True, kw_only=True, tag=True):
    """Ask for entries whose id starts with these bytes."""

    prefix: Annotated[bytes, Meta(min_length=3, max_length=16)]


class HolderSummary(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many pieces one peer holds."""

    peer: PeerIdField
    pieces: Count
    state: PeerState


class RenditionSummary(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rendition that there is, in pixels and bytes. Its id follows from the picture's entry."""

    quality: RenditionQuality
    width: Side
    height: Side
    size: ByteLength
    sequence: Count


class Listing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An entry and where it is: `have` counts live holders of the worst-held piece.

    `held`: a deletion of it waits for approval. `lost`: no members together have all pieces.
    `inside`: of a folder that was not found by what its entry says, the name in it that was met, in
    lower case.
    """

    record: Signed
    have: Count
    holders: Annotated[tuple[HolderSummary, ...], Meta(max_length=50)]
    held: bool = False
    lost: bool = False
    renditions: Annotated[tuple[RenditionSummary, ...], Meta(max_length=4)] = ()
    inside: Annotated[str, Meta(max_length=MAX_INSIDE)] = ""


class Listings(Reply, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """A page of entries; `cursor` is b"" on the last one. `more`: than `total` there are.

    `replaced`: words that nothing has; these are entries that have others like them.
    """

    listings: Annotated[tuple[Listing, ...], Meta(max_length=PAGE)]
    total: Count
    cursor: SearchCursor = b""
    more: bool = False
    replaced: ReplacedWords = ()


class PeerChanged(Message, frozen=True, kw_only=True, tag=True):
    """Pushed by the tracker: a peer came, went, or moved."""

    peer: PeerIdField
    state: PeerState
    addresses: Addresses


class PeersChanged(Message, frozen=True, kw_only=True, tag=True):
    """Of many at once what PeerChanged says of one: peer, state, addresses."""

    peers: Annotated[
        tuple[tuple[PeerIdField, PeerState, Addresses], ...], Meta(max_length=MOST_CHANGED)
    ]


class EntryChanged(Message, frozen=True, kw_only=True, tag=True):
    """Pushed by the tracker: a record about a manifest this peer holds is new."""

    change: Count
    record: Signed


class CreateInvite(Request, frozen=True, kw_only=True, tag=True):
    """Operator or admin: make an invite that is good for `expires` seconds."""

    expires: Annotated[int, Meta(ge=1, le=366 * 86_400)]
    zone: Label


class Invited(Reply, frozen=True, kw_only=True, tag=True):
    """The invite as text, shown this once."""

    invite: Annotated[str, Meta(max_length=4096)]
    id: Annotated[str, Meta(max_length=64)]
    expires: Count


class GetMembers(Request, frozen=True, kw_only=True, tag=True):
    """Operator or admin: ask for the members and the open invites."""


class InviteSummary(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An invite that has been made; the token itself is not known any more."""

    id: str
    zone: str
    expires: Count
    state: str


class Members(Reply, frozen=True, kw_only=True, tag=True):
    """All machines there ever were, and the invites."""

    machines: tuple[tuple[PeerIdField, str, str, str, Count], ...]
    """(peer, name, zone, state, capacity): what the roster says it is, or if that is active, how
    it is: live, suspect or gone."""
    invites: tuple[InviteSummary, ...]
    admins: tuple[PeerIdField, ...] = ()
    """Those of the machines that are admins."""


class Revoke(Request, frozen=True, kw_only=True, tag=True):
    """Operator or admin: revoke a member by name or id, or an invite by id."""

    target: Annotated[str, Meta(min_length=1, max_length=255)]


class Revoked(Reply, frozen=True, kw_only=True, tag=True):
    """What was revoked, "member" or "invite"."""

    what: str
    name: str
    id: str
    roster: Count


def join_proof_body(handshake_hash: bytes) -> bytes:
    """What a joining machine signs to prove its Ed25519 key on this very connection."""
    return b"twofold 2026 join\0" + handshake_hash


class SetZone(Request, frozen=True, kw_only=True, tag=True):
    """Operator or admin: a member, by name or id, is of this zone now; "" for none. Done."""

    target: Annotated[str, Meta(min_length=1, max_length=255)]
    zone: Label


class SetGrace(Request, frozen=True, kw_only=True, tag=True):
    """Operator: a silent peer keeps its ring place for this many seconds. Done, or Failed."""

    seconds: Annotated[int, Meta(ge=0, le=366 * 86_400)]
