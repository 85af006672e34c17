"""Editing what an entry says of itself. Its content never changes by this."""

import msgspec

from peer.catalogue import Catalogue
from peer.errors import NotPermittedError, UsageError
from peer.operator.lookup import Lookup
from peer.operator.publishing import Publishing, tidy_tags
from protocol import codec
from protocol.entry import MAX_ENTRY, Entry
from protocol.fields import Tags
from protocol.ids import AuthorKey, PeerId
from protocol.messages.editing import Edit, Edited
from protocol.paths import clean_name


class Editing:
    """Signs the entry anew, with the next number, as its author."""

    def __init__(
        self, me: PeerId, publishing: Publishing, lookup: Lookup, catalogue: Catalogue
    ) -> None:
        self._me = me
        self._publishing = publishing
        self._lookup = lookup
        self._catalogue = catalogue

    async def answer(self, request: Edit) -> Edited:
        """The entry as it is now.

        Raises PeerError: NotPermittedError for entries of others, UsageError for what cannot be.
        """
        entry = await self._lookup.entry(request.entry)
        if entry.author != AuthorKey(self._me):
            raise NotPermittedError("only the machine that added an entry can edit it")
        view = await self._lookup.view(entry.id.hex())
        if view.held:
            raise UsageError("its deletion waits for approval: see 'twofold approve'")
        name, caption, tags = _said(entry, request)
        published = True
        if (name, caption, tags) != (entry.name, entry.caption, entry.tags):
            _, published = await self._publishing.edit(entry, name=name, caption=caption, tags=tags)
            view = await self._lookup.view(entry.id.hex())
        return Edited(call=request.call, entry=view, published=published)


def _said(entry: Entry, request: Edit) -> tuple[str, str, tuple[str, ...]]:
    """Name, caption and tags as they are to be; UsageError when they cannot be so."""
    if request.name is None and request.caption is None and request.tags is None:
        raise UsageError("say what to change: the name, the caption or the tags")
    name = entry.name if request.name is None else clean_name(request.name)
    caption = entry.caption if request.caption is None else request.caption.strip()
    tags = entry.tags if request.tags is None else tidy_tags(request.tags)
    try:
        msgspec.convert(tags, Tags)
    except msgspec.ValidationError:
        raise UsageError("a tag has 1 to 64 characters") from None
    said = msgspec.structs.replace(entry, name=name, caption=caption, tags=tags)
    if len(codec.encode(said)) > MAX_ENTRY - 256:
        raise UsageError("caption and tags together are too long")
    return name, caption, tags
