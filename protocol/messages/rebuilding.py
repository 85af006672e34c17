"""How members give a tracker what it lacks: rosters, entries and manifests, when its database is
another than the one they knew.
"""

from typing import Annotated, ClassVar

from msgspec import Meta

from protocol.fields import ByteLength, Count, EntryIdField, ManifestIdField
from protocol.manifest import MAX_MANIFEST
from protocol.messages.base import Reply, Request
from protocol.roster import MAX_ROSTER
from protocol.signing import Signed

MOST_OFFERED = 1_000
"""Entries in one offer."""
MOST_GIVEN = 500
"""Records, or manifests, given at once; records no more than fit a message."""

KnownEntry = tuple[EntryIdField, Count, bool, bool]
"""An entry's id, the sequence of its newest record, whether that is a tombstone, and whether the
manifest it names can be had here."""


class HandRoster(Request, frozen=True, kw_only=True, tag=True):
    """The newest signed roster a member knew before it connected follows. Done."""

    max_bytes: ClassVar[int] = MAX_ROSTER

    length: Count


class OfferEntries(Request, frozen=True, kw_only=True, tag=True):
    """What a member knows of some entries: a portion of all it knows."""

    known: Annotated[tuple[KnownEntry, ...], Meta(max_length=MOST_OFFERED)]


class Wanted(Reply, frozen=True, kw_only=True, tag=True):
    """Of the entries offered, those whose record and those whose manifest the tracker asks for.

    `busy`: how many others have just been asked of somebody else; offer them again later.
    """

    records: Annotated[tuple[EntryIdField, ...], Meta(max_length=MOST_OFFERED)]
    manifests: Annotated[tuple[EntryIdField, ...], Meta(max_length=MOST_OFFERED)]
    busy: Count


class GiveEntries(Request, frozen=True, kw_only=True, tag=True):
    """Records that were asked for. Done; what cannot be taken is passed over."""

    records: Annotated[tuple[Signed, ...], Meta(max_length=MOST_GIVEN)]


class GiveManifests(Request, frozen=True, kw_only=True, tag=True):
    """Encoded manifests follow, one behind the other, of these ids and lengths. Done."""

    max_bytes: ClassVar[int] = MAX_MANIFEST

    length: Count
    manifests: Annotated[
        tuple[tuple[ManifestIdField, ByteLength], ...], Meta(min_length=1, max_length=MOST_GIVEN)
    ]
