"""Which renditions there are of pictures: looked up by the ids that they must have."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from protocol.entry import Entry, Record, read_record
from protocol.ids import EntryId
from protocol.messages.tracking import RenditionSummary
from protocol.pictures import rendition_ids
from tracker import tables
from tracker.rows import SOME, rows_among

_table = tables.entries
_FOUND = select(_table.c.id, _table.c.body).where(_table.c.id.in_(SOME), _table.c.shown)


def renditions_of(
    connection: Connection, records: Sequence[Record]
) -> dict[EntryId, tuple[RenditionSummary, ...]]:
    """By the id of the picture, the largest first; of many entries in one question."""
    wanted = {
        record.id: list(rendition_ids(record).values())
        for record in records
        if isinstance(record, Entry)
    }
    every = [each for ids in wanted.values() for each in ids]
    if not every:
        return {}
    found = rows_among(connection, _FOUND, every)
    records_by = {number: read_record(body) for number, body in found}
    return {
        entry: tuple(each for number in ids if (each := _summary(records_by.get(number), entry)))
        for entry, ids in wanted.items()
    }


def _summary(record: Record | None, of: EntryId) -> RenditionSummary | None:
    if not isinstance(record, Entry) or record.picture is None:
        return None
    picture = record.picture
    # What names another is noted as a rendition of that (`catalogue.note_pictures`).
    if picture.quality == "original" or picture.of != of:
        return None
    return RenditionSummary(
        quality=picture.quality,
        width=picture.width,
        height=picture.height,
        size=record.size,
        sequence=record.sequence,
    )
