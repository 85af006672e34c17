"""What an operator says to edit an entry: its name, caption and tags, never its content."""

from typing import Annotated

from msgspec import Meta

from protocol.fields import MAX_TAGS, Caption, Name
from protocol.messages.base import Reply, Request
from protocol.messages.operating import EntryText, EntryView


class Edit(Request, frozen=True, kw_only=True, tag=True):
    """Say something else of an entry, as its author; None leaves a part as it is.

    `tags` replace all that there were.
    """

    entry: EntryText
    name: Name | None = None
    caption: Caption | None = None
    tags: Annotated[tuple[str, ...], Meta(max_length=MAX_TAGS)] | None = None


class Edited(Reply, frozen=True, kw_only=True, tag=True):
    """The entry as it stands; `published` is False while the tracker is away."""

    entry: EntryView
    published: bool
