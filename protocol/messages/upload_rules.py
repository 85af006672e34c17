"""What an operator and its daemon say about what people may upload to this machine's page."""

from typing import Annotated

from msgspec import Meta, Struct

from protocol.fields import MAX_LENGTH
from protocol.messages.base import Reply, Request
from protocol.pictures import Side

MOST_TYPES = 64
TypeText = Annotated[str, Meta(min_length=1, max_length=32)]
"""A kind, like "image", or a name's ending with its dot, like ".pdf"."""
LargestSize = Annotated[int, Meta(ge=1, le=MAX_LENGTH)]


class Resolution(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pixels."""

    width: Side
    height: Side


class Rules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be uploaded: `types` (none given: all), the `largest` in bytes, the `quota` of each
    person who was let in, in bytes, and of pictures the `least` resolution. `embed`: whether
    renditions are shown in pages of other sites.
    """

    types: Annotated[tuple[TypeText, ...], Meta(max_length=MOST_TYPES)] = ()
    largest: LargestSize | None = None
    quota: LargestSize | None = None
    least: Resolution | None = None
    embed: bool = False


class GetUploadRules(Request, frozen=True, kw_only=True, tag=True):
    """Ask for the rules."""


class ChangeUploadRules(Request, frozen=True, kw_only=True, tag=True):
    """Set all the rules anew, now and in the settings file; the answer is `UploadRules`."""

    rules: Rules


class UploadRules(Reply, frozen=True, kw_only=True, tag=True):
    """The rules, and the file that they are set in."""

    rules: Rules
    file: str
