"""Entries as listings need them: all that the database has to say, whoever lives just now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from sys import getsizeof

import msgspec
from sqlalchemy import Connection

from protocol.entry import Entry, read_record
from protocol.ids import EntryId
from protocol.messages.tracking import RenditionSummary
from protocol.pictures import may_be_picture
from protocol.signing import Signed
from tracker import manifests
from tracker.holdings import Held
from tracker.page_rows import KnownHolders, page_rows
from tracker.renditions import renditions_of

_OF_A_ROW = 700
_OF_A_HOLDER = 130
_OF_A_RENDITION = 100


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A shown entry: its record, of how many pieces, and who holds which of them.

    `waiting`: a deletion of it waits for approval. `passing`: it is another soon, though nothing is
    written, as a doubt ends.
    """

    number: int
    record: Signed
    pieces: int
    held: tuple[Held, ...]
    renditions: tuple[RenditionSummary, ...]
    waiting: bool
    passing: bool

    def bytes(self) -> int:
        """The memory it takes, about."""
        parts = len(self.held) * _OF_A_HOLDER + len(self.renditions) * _OF_A_RENDITION
        bits = sum(len(one.bits) for one in self.held if one.bits is not None)
        return _OF_A_ROW + getsizeof(self.record.body) + parts + bits


class _Glance(msgspec.Struct):
    """What a listing needs of a record, read in a fifth of the time."""

    pieces: int = -1
    name: str = ""
    kind: str = ""


_glances = msgspec.msgpack.Decoder(_Glance)


def load_shown(
    connection: Connection, numbers: Sequence[int], now: int, known: KnownHolders | None = None
) -> dict[int, ShownRow]:
    """Those of some entries that are shown, by number; `known` tells who holds them, if that is."""
    rows = page_rows(connection, numbers, now, known)
    glances = [_glance(row.body) for row in rows]
    pictures = [
        read_record(row.body)
        for row, glance in zip(rows, glances, strict=True)
        if may_be_picture(glance.kind, glance.name)
    ]
    renditions = renditions_of(connection, pictures)
    in_part = [row.manifest for row in rows if any(one.bits is not None for one in row.held)]
    pieces = manifests.load_pieces(connection, in_part) if in_part else {}
    # Most are held by the same few machines: kept once.
    alike: dict[tuple[Held, ...], tuple[Held, ...]] = {}
    return {
        row.number: ShownRow(
            number=row.number,
            record=Signed(row.body, row.signature),
            pieces=pieces.get(row.manifest, glance.pieces),
            held=alike.setdefault(held := tuple(row.held), held),
            renditions=renditions.get(EntryId(row.id), ()),
            waiting=row.waiting,
            passing=row.passing,
        )
        for row, glance in zip(rows, glances, strict=True)
    }


def in_turn(rows: Mapping[int, ShownRow], numbers: Sequence[int]) -> list[ShownRow]:
    """Those of some rows in the order of these numbers."""
    return [rows[number] for number in numbers if number in rows]


def _glance(body: bytes) -> _Glance:
    glance = _glances.decode(body)
    if glance.pieces >= 0:
        return glance
    # One that was restored lies inside another record.
    record = read_record(body)
    if not isinstance(record, Entry):
        return _Glance(pieces=0)
    return _Glance(record.pieces, record.name, record.kind)
