"""What peers say to each other so that no copy is lost: locks to drop one under, and audits."""

from typing import Annotated, Literal

from msgspec import Meta

from protocol.fields import Count, DigestField, ManifestIdField, PieceIndex, TokenField
from protocol.messages.base import Message, Reply, Request

MAX_AUDIT = 64 << 10
"""Most bytes that one audit makes the other side read."""


class Keep(Request, frozen=True, kw_only=True, tag=True):
    """I am about to drop my copy of a span: do you hold all of it, and will you keep yours?"""

    manifest: ManifestIdField
    span: Count


class Kept(Reply, frozen=True, kw_only=True, tag=True):
    """`kept`: here, durable, and promised until Release or 300 s have passed.

    `lacks`: not all of it is here. `going`: it is about to be dropped here too.
    """

    answer: Literal["kept", "lacks", "going"]


class Release(Message, frozen=True, kw_only=True, tag=True):
    """The end of a Keep: the promise is not needed any more. `dropped`: my copy is gone."""

    manifest: ManifestIdField
    span: Count
    dropped: bool


class Audit(Request, frozen=True, kw_only=True, tag=True):
    """Prove that you have this piece: the digest of `length` bytes of it from `start` on.

    The nonce is new each time, so that an answer is good for one question only.
    """

    manifest: ManifestIdField
    piece: PieceIndex
    start: Count
    length: Annotated[int, Meta(ge=1, le=MAX_AUDIT)]
    nonce: TokenField


class Audited(Reply, frozen=True, kw_only=True, tag=True):
    """`hash_audit` of the nonce and the bytes asked for."""

    digest: DigestField


class Doubt(Message, frozen=True, kw_only=True, tag=True):
    """What you sent, or answered to an audit, of this piece is not what the manifest says."""

    manifest: ManifestIdField
    piece: PieceIndex
