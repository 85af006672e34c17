"""Pictures and their renditions as they are shown: by what is known here, and by the tracker."""

from collections.abc import Iterable

from peer.catalogue import Catalogue
from protocol.entry import Entry
from protocol.ids import AuthorKey, EntryId, PeerId
from protocol.messages.picture_views import PictureView, RenditionView
from protocol.messages.tracking import Listing, RenditionSummary
from protocol.pictures import RenditionQuality, rendition_ids

Views = dict[EntryId, tuple[RenditionView, ...]]


async def rendition_views(
    me: PeerId, catalogue: Catalogue, shown: Iterable[tuple[Entry, Listing | None]]
) -> Views:
    """The renditions there are of several entries, the largest first.

    The tracker may not have heard yet of those that this machine made.
    """
    wanted = [(entry, listing, rendition_ids(entry)) for entry, listing in shown]
    known = await catalogue.live_of(
        [
            number
            for entry, listing, ids in wanted
            if listing is None or entry.author == AuthorKey(me)
            for number in ids.values()
        ]
    )
    found: Views = {}
    for entry, listing, ids in wanted:
        told = {each.quality: each for each in (listing.renditions if listing else ())}
        views = []
        for quality, number in ids.items():
            summary = _summary(quality, known.get(number)) or told.get(quality)
            if summary is not None:
                views.append(_view(number, summary))
        found[entry.id] = tuple(views)
    return found


def picture_view(entry: Entry) -> PictureView | None:
    """What an entry says of the picture that it is."""
    picture = entry.picture
    if picture is None:
        return None
    of = picture.of.hex() if picture.of else ""
    return PictureView(width=picture.width, height=picture.height, quality=picture.quality, of=of)


def _summary(quality: RenditionQuality, entry: Entry | None) -> RenditionSummary | None:
    if entry is None or entry.picture is None:
        return None
    return RenditionSummary(
        quality=quality,
        width=entry.picture.width,
        height=entry.picture.height,
        size=entry.size,
        sequence=entry.sequence,
    )


def _view(number: EntryId, summary: RenditionSummary) -> RenditionView:
    return RenditionView(
        id=number.hex(),
        quality=summary.quality,
        width=summary.width,
        height=summary.height,
        size=summary.size,
        version=summary.sequence,
    )
