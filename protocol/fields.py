"""Field types of everything said or signed: each carries its own bounds, checked on conversion."""

from typing import Annotated

from msgspec import Meta

from protocol.ids import AuthorKey, EntryId, ManifestId, PeerId, StaticKey, SwarmKey

MAX_NAME = 255
MAX_TAGS = 32
MAX_PIECES = 1 << 18
MAX_LENGTH = 1 << 48

_KEY = Meta(min_length=32, max_length=32)

SwarmKeyField = Annotated[SwarmKey, _KEY]
PeerIdField = Annotated[PeerId, _KEY]
StaticKeyField = Annotated[StaticKey, _KEY]
AuthorKeyField = Annotated[AuthorKey, _KEY]
ManifestIdField = Annotated[ManifestId, _KEY]
EntryIdField = Annotated[EntryId, Meta(min_length=16, max_length=16)]
SaltField = Annotated[bytes, Meta(min_length=16, max_length=16)]
TokenField = Annotated[bytes, Meta(min_length=16, max_length=16)]
DigestField = Annotated[bytes, Meta(min_length=32, max_length=32)]
SignatureField = Annotated[bytes, Meta(min_length=64, max_length=64)]

Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
Label = Annotated[str, Meta(max_length=64)]
Caption = Annotated[str, Meta(max_length=4096)]
Text = Annotated[str, Meta(max_length=4096)]
PathText = Annotated[str, Meta(min_length=1, max_length=4096)]
AddressText = Annotated[str, Meta(min_length=3, max_length=280)]
Addresses = Annotated[tuple[AddressText, ...], Meta(max_length=16)]
Tags = Annotated[
    tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...], Meta(max_length=MAX_TAGS)
]

Count = Annotated[int, Meta(ge=0, le=(1 << 62))]
ByteLength = Annotated[int, Meta(ge=0, le=MAX_LENGTH)]
Call = Annotated[int, Meta(ge=0, lt=(1 << 32))]
PieceIndex = Annotated[int, Meta(ge=0, lt=MAX_PIECES)]
Copies = Annotated[int, Meta(ge=1, le=16)]
Moment = Annotated[int, Meta(ge=0, lt=(1 << 53))]
"""Milliseconds since 1970, UTC."""
Bits = Annotated[bytes, Meta(max_length=MAX_PIECES // 8)]
