"""What two peers say to each other: who has which pieces, pieces themselves, offers."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from protocol.fields import AddressText, Bits, Count, ManifestIdField, PeerIdField, PieceIndex
from protocol.geometry import MAX_PIECE_LENGTH
from protocol.messages.base import Message, Reply, Request
from protocol.signing import Signed

MAX_OFFER_RECORDS = 16
MOST_LANES = 64
"""Connections of one link, beside its own, that carry pieces one way."""
MOST_WHEREABOUTS = 4
"""Addresses that are told of one member."""


class Follow(Message, frozen=True, kw_only=True, tag=True):
    """Tell me what you hold of this manifest, now (Holds) and as it grows (Have)."""

    manifest: ManifestIdField


class Unfollow(Message, frozen=True, kw_only=True, tag=True):
    """No longer interested."""

    manifest: ManifestIdField


class Holds(Message, frozen=True, kw_only=True, tag=True):
    """Everything the sender holds of a manifest: all (None), some, or nothing (b"")."""

    manifest: ManifestIdField
    bits: Bits | None


class Have(Message, frozen=True, kw_only=True, tag=True):
    """Pieces verified and written since the last Holds or Have."""

    manifest: ManifestIdField
    pieces: Annotated[tuple[PieceIndex, ...], Meta(max_length=4096)]


class GetPiece(Message, frozen=True, kw_only=True, tag=True):
    """Ask for one whole piece; answered by Piece or NoPiece.

    `urgent` when a person waits for it: it goes before what is only being copied.
    """

    manifest: ManifestIdField
    piece: PieceIndex
    urgent: bool = False


class CancelPiece(Message, frozen=True, kw_only=True, tag=True):
    """The piece is no longer wanted; it may still come."""

    manifest: ManifestIdField
    piece: PieceIndex


class Piece(Message, frozen=True, kw_only=True, tag=True):
    """One whole piece follows."""

    max_bytes: ClassVar[int] = MAX_PIECE_LENGTH

    length: Count
    manifest: ManifestIdField
    piece: PieceIndex


class NoPiece(Message, frozen=True, kw_only=True, tag=True):
    """The piece asked for will not come from here."""

    manifest: ManifestIdField
    piece: PieceIndex


class Widen(Message, frozen=True, kw_only=True, tag=True):
    """Pieces go slowly over this way: open lanes for me to send on, until there are so many."""

    lanes: Annotated[int, Meta(ge=1, le=MOST_LANES)]


class Whereabouts(Message, frozen=True, kw_only=True, tag=True):
    """Where members are: the sender, and others where it reached them, or as they said themselves.

    Worth a try, no more: who answers there has to prove its key.
    """

    members: Annotated[
        tuple[
            tuple[
                PeerIdField,
                Annotated[tuple[AddressText, ...], Meta(max_length=MOST_WHEREABOUTS)],
            ],
            ...,
        ],
        Meta(max_length=200),
    ]


class Offer(Request, frozen=True, kw_only=True, tag=True):
    """The ring says you should hold this: fetch it from me. The records say why it exists."""

    manifest: ManifestIdField
    records: Annotated[tuple[Signed, ...], Meta(min_length=1, max_length=MAX_OFFER_RECORDS)]


class OfferAnswer(Reply, frozen=True, kw_only=True, tag=True):
    """`have`: verified and on disk. `fetching`: will say Have. `full`: no room here."""

    answer: Literal["have", "fetching", "full"]
