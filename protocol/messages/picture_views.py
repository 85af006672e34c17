"""Pictures and their renditions as operators are shown them. No messages of their own."""

from typing import Annotated

from msgspec import Meta, Struct

from protocol.fields import Count
from protocol.pictures import Quality, RenditionQuality, Side

Hex = Annotated[str, Meta(max_length=64)]


class PictureView(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an entry says of the picture that it is; `of`: the entry it is a rendition of, or ""."""

    width: Side
    height: Side
    quality: Quality
    of: Hex = ""


class RenditionView(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A smaller version of a picture: an entry of its own. `version` is its sequence number."""

    id: Hex
    quality: RenditionQuality
    width: Side
    height: Side
    size: Count
    version: Count
