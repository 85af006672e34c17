"""Pictures and their renditions: smaller ones, each an entry of its own by the same author. Pure.

The id of a rendition follows from the picture's entry, what that names, and the quality: everyone
who knows the one can ask for the other, nobody else can make it, and what was made of former
content is never taken for the present one's.
"""

from typing import TYPE_CHECKING, Annotated, Literal, get_args

from msgspec import Meta, Struct

from protocol.fields import EntryIdField
from protocol.hashing import hash_entry
from protocol.ids import EntryId, ManifestId

if TYPE_CHECKING:
    from protocol.entry import Entry, Record

RenditionQuality = Literal["very high", "high", "medium", "low"]
Quality = Literal["original", "very high", "high", "medium", "low"]
QUALITIES: tuple[RenditionQuality, ...] = get_args(RenditionQuality)
"""Those of renditions, the largest first."""
BOXES: dict[RenditionQuality, tuple[int, int]] = {
    "very high": (1024, 1024),
    "high": (1024, 786),
    "medium": (786, 786),
    "low": (124, 124),
}
"""What each is fitted into, width and height; what is smaller is not enlarged."""
MOST_SIDE = 1 << 20
Side = Annotated[int, Meta(ge=1, le=MOST_SIDE)]
_SPELLED = "apng avif bmp gif jfif jpe jpeg jpg png tif tiff webp"
_ENDINGS = frozenset(_SPELLED.split())


class Picture(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an entry says of the picture that it is, as it is seen: width and height in pixels.

    `of` is the entry that it is a rendition of; None for a picture of its own, the "original".
    """

    width: Side
    height: Side
    quality: Quality = "original"
    of: EntryIdField | None = None


def rendition_salt(of: EntryId, manifest: ManifestId, quality: RenditionQuality) -> bytes:
    """The salt of the entry that is this rendition of what `of` names."""
    return hash_entry(of, manifest + quality.encode())


def rendition_ids(entry: "Entry") -> dict[RenditionQuality, EntryId]:
    """The ids of the renditions that an entry may have; none unless it may be a picture."""
    if entry.is_rendition or not may_be_picture(entry.kind, entry.name):
        return {}
    return ids_of_renditions(entry)


def ids_of_renditions(record: "Record") -> dict[RenditionQuality, EntryId]:
    """The same for any record, also for a tombstone, which does not say what it deleted."""
    return {
        quality: hash_entry(record.author, rendition_salt(record.id, record.manifest, quality))
        for quality in QUALITIES
    }


def may_be_picture(kind: str, name: str) -> bool:
    """Whether renditions can be made of an entry, by its name's ending."""
    stem, dot, ending = name.rpartition(".")
    return kind == "file" and bool(stem and dot) and ending.casefold() in _ENDINGS
