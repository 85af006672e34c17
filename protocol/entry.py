"""Entries and tombstones: the signed catalogue records that name manifests.

An entry's id is a hash of its author and a salt, so only the author can speak for it; a higher
sequence number supersedes, and a tombstone wins a tie.
"""

from typing import Annotated, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Meta

from protocol import codec
from protocol.errors import RemoteProtocolError
from protocol.fields import (
    MAX_PIECES,
    AuthorKeyField,
    ByteLength,
    Caption,
    Copies,
    Count,
    ManifestIdField,
    Moment,
    Name,
    SaltField,
    Tags,
)
from protocol.hashing import hash_entry
from protocol.ids import EntryId, ManifestId
from protocol.signing import Signed, check_signature, sign

MAX_ENTRY = 32 << 10
_CONTEXT = "entry"


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="entry"):
    """What one author says of one manifest. `size` is bytes, `pieces` and `files` are numbers."""

    salt: SaltField
    author: AuthorKeyField
    sequence: Count
    name: Name
    caption: Caption = ""
    tags: Tags = ()
    manifest: ManifestIdField
    size: ByteLength
    pieces: Annotated[int, Meta(ge=0, le=MAX_PIECES)]
    files: Count
    kind: Literal["file", "folder"]
    copies: Copies = 2
    created: Moment

    @property
    def id(self) -> EntryId:
        """The id this entry keeps through all its edits."""
        return hash_entry(self.author, self.salt)


class Tombstone(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="tombstone"
):
    """The author's word that an entry is deleted; `manifest` is what it last named."""

    salt: SaltField
    author: AuthorKeyField
    sequence: Count
    manifest: ManifestIdField
    deleted: Moment

    @property
    def id(self) -> EntryId:
        """The id of the entry that is gone."""
        return hash_entry(self.author, self.salt)


Record = Entry | Tombstone


def first_salt(manifest: ManifestId, name: str) -> bytes:
    """The salt of a new entry: adding the same content under the same name again is an edit."""
    return hash_entry(manifest, name.encode())


def sign_record(record: Record, key: Ed25519PrivateKey) -> Signed:
    """Sign an entry or a tombstone with its author's key."""
    return sign(key, _CONTEXT, codec.encode(record))


def open_record_untrusted(signed: Signed) -> Record:
    """Check and read a signed record; RemoteProtocolError when it is not what its author signed."""
    record: Record = codec.decode_untrusted(signed.body, Record, limit=MAX_ENTRY)
    check_signature(signed, record.author, _CONTEXT)
    return record


def supersedes(new: Record, old: Record) -> bool:
    """Whether `new` replaces `old`, a record of the same id. Raises when the ids differ."""
    if new.id != old.id:
        raise RemoteProtocolError("two records of different entries cannot supersede each other")
    if new.sequence != old.sequence:
        return new.sequence > old.sequence
    if isinstance(new, Tombstone) != isinstance(old, Tombstone):
        return isinstance(new, Tombstone)
    # The author signed two of one number: everyone must settle on the same one.
    return codec.encode(new) > codec.encode(old)
