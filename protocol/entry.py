"""Entries and tombstones: the signed catalogue records that name manifests.

An entry's id is a hash of its author and a salt, so nobody else can make one with it. An admin may
delete it, and bring back what its author signed, but not change it. A higher sequence number
supersedes, and a tombstone wins a tie.
"""

from collections.abc import Container
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
from protocol.ids import AuthorKey, EntryId, ManifestId
from protocol.pictures import Picture
from protocol.signing import Signed, check_signature, sign

MAX_ENTRY = 32 << 10
MOST_AHEAD = 1_000_000
"""How far the sequence of a record may be ahead of the one it replaces."""
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
    edited: Moment = 0
    """When its author last said something else of it; 0 for never."""
    picture: Picture | None = None
    """Of a picture that its author has looked at, and of renditions."""

    @property
    def id(self) -> EntryId:
        """The id this entry keeps through all its edits."""
        return hash_entry(self.author, self.salt)

    @property
    def signer(self) -> AuthorKey:
        """Whose signature makes this record."""
        return self.author

    @property
    def is_rendition(self) -> bool:
        """Whether it is a smaller version of a picture: no entry that people look for."""
        return self.picture is not None and self.picture.of is not None


class RestoredEntry(Entry, frozen=True, kw_only=True, tag="restored entry"):
    """What its author signed, brought back by an admin: with a sequence of the admin's own.

    Only made by opening a Restoration; never sent as it is.
    """

    by: AuthorKeyField

    @property
    def signer(self) -> AuthorKey:
        """The admin."""
        return self.by


class Tombstone(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag="tombstone",
):
    """The word of the author, or of the admin `by`, that an entry is deleted.

    `manifest` is what the entry last named.
    """

    salt: SaltField
    author: AuthorKeyField
    sequence: Count
    manifest: ManifestIdField
    deleted: Moment
    by: AuthorKeyField | None = None

    @property
    def id(self) -> EntryId:
        """The id of the entry that is gone."""
        return hash_entry(self.author, self.salt)

    @property
    def signer(self) -> AuthorKey:
        """Whose signature makes this record."""
        return self.by or self.author


class Restoration(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="restoration"
):
    """An admin's word that a deleted entry is there again, as its author had signed it."""

    by: AuthorKeyField
    sequence: Count
    entry: Signed


Record = Entry | Tombstone
_BY_TYPE: dict[str, type] = {
    str(kind.__struct_config__.tag): kind for kind in (Entry, Tombstone, Restoration)
}


def first_salt(manifest: ManifestId, name: str) -> bytes:
    """The salt of a new entry: adding the same content under the same name again is an edit."""
    return hash_entry(manifest, name.encode())


def sign_record(record: Record, key: Ed25519PrivateKey) -> Signed:
    """Sign an entry with its author's key, or a tombstone with its signer's."""
    return sign(key, _CONTEXT, codec.encode(record))


def sign_restoration(original: Signed, sequence: int, key: Ed25519PrivateKey) -> Signed:
    """Bring back, as an admin, the entry that `original` is or brought back before."""
    entry = what_author_signed(original)
    by = AuthorKey(key.public_key().public_bytes_raw())
    restoration = Restoration(by=by, sequence=sequence, entry=entry)
    return sign(key, _CONTEXT, codec.encode(restoration))


def what_author_signed(signed: Signed) -> Signed:
    """The author's own record in one that has been checked: itself, or what an admin restored."""
    body = _decode(signed.body)
    return body.entry if isinstance(body, Restoration) else signed


def open_record_untrusted(signed: Signed) -> Record:
    """Check and read a signed record; RemoteProtocolError when it is not what its signer signed.

    Whether that signer may speak for the entry is for `may_sign` to say.
    """
    body = _decode(signed.body)
    if isinstance(body, Restoration):
        check_signature(signed, body.by, _CONTEXT)
        check_signature(body.entry, _restored(body).author, _CONTEXT)
        return _restored(body)
    check_signature(signed, body.signer, _CONTEXT)
    return body


def read_record(body: bytes) -> Record:
    """Read the body of a record whose signatures have been checked before it was kept."""
    decoded = _decode(body)
    return _restored(decoded) if isinstance(decoded, Restoration) else decoded


def may_sign(record: Record, admins: Container[bytes]) -> bool:
    """Whether who signed a record may: its author, or one of the admins of the newest roster."""
    return record.signer == record.author or record.signer in admins


def _decode(body: bytes) -> Entry | Tombstone | Restoration:
    decoded: Entry | Tombstone | Restoration = codec.decode_tagged_untrusted(
        body, _BY_TYPE, "type", limit=MAX_ENTRY
    )
    return decoded


def _restored(restoration: Restoration) -> RestoredEntry:
    entry: Entry = codec.decode_untrusted(restoration.entry.body, Entry, limit=MAX_ENTRY)
    fields = msgspec.structs.asdict(entry) | {"sequence": restoration.sequence}
    return RestoredEntry(**fields, by=restoration.by)


def supersedes(new: Record, old: Record) -> bool:
    """Whether `new` replaces `old`, a record of the same id. Raises when the ids differ."""
    if new.id != old.id:
        raise RemoteProtocolError("two records of different entries cannot supersede each other")
    if new.sequence != old.sequence:
        # One far ahead would leave no number for whoever undoes it.
        return old.sequence < new.sequence <= old.sequence + MOST_AHEAD
    if isinstance(new, Tombstone) != isinstance(old, Tombstone):
        return isinstance(new, Tombstone)
    # The author signed two of one number: everyone must settle on the same one.
    return codec.encode(new) > codec.encode(old)


def is_rendition(record: Record | None) -> bool:
    """Whether this is the entry of a rendition: it can be made anew, so deleting it is no loss."""
    return isinstance(record, Entry) and record.is_rendition


def takes_away(new: Record, old: Record | None) -> bool:
    """Whether an entry no longer names what it names in `old`, once `new` is in its place.

    A tombstone does that, and so does an edit that names other content.
    """
    if not isinstance(old, Entry):
        return False
    return isinstance(new, Tombstone) or new.manifest != old.manifest
