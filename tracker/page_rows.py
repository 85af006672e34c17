"""The rows of a page of entries, in as few questions as there can be, and those prepared.

`IN` with a list of values is made anew for each length of it, which takes longer than the answer;
here the numbers are one value. Who holds them is known in memory, mostly (`possession`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Dialect,
    Select,
    any_,
    bindparam,
    column,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY

from protocol.ids import ManifestId, PeerId
from tracker import tables
from tracker.holdings import Held
from tracker.rows import as_json

_entries, _holdings = tables.entries, tables.holdings
_waiting = tables.held_tombstones


@dataclass(frozen=True)
class KnownHolders:
    """Who holds all of each of some entries, without those that are doubted; and of which of them
    somebody holds a part."""

    whole: Mapping[int, Sequence[bytes]]
    in_part: Sequence[int]


@dataclass
class PageRow:
    """A shown entry: its record, whether a deletion of it waits, and who holds how much of it.

    `passing`: somebody else does, but is doubted for a time.
    """

    number: int
    id: bytes
    manifest: ManifestId
    body: bytes
    signature: bytes
    waiting: bool
    held: list[Held]
    passing: bool = False


def page_rows(
    connection: Connection, numbers: Sequence[int], now: int, known: KnownHolders | None = None
) -> list[PageRow]:
    """Those of these entries that are shown, in their order; doubted holdings left out."""
    found = {}
    for number, entry, manifest, body, signature, waiting in _rows(connection, _page, numbers):
        peers = [] if known is None else known.whole[number]
        held = [Held(PeerId(peer), None) for peer in peers]
        found[number] = PageRow(
            number, entry, ManifestId(manifest), body, signature, bool(waiting), held
        )
    question, among = (_held, numbers) if known is None else (_held_in_part, known.in_part)
    for number, peer, bits, doubted in _rows(connection, question, among) if among else ():
        if number not in found:
            continue
        if doubted is None or doubted <= now:
            found[number].held.append(Held(PeerId(peer), bits))
        else:
            found[number].passing = True
    return [found[number] for number in numbers if number in found]


def _page(among: Any) -> Select[Any]:
    waits = select(_waiting.c.entry).where(
        _waiting.c.entry == _entries.c.id, _waiting.c.rejected.is_(False)
    )
    row = _entries.c
    columns = (row.number, row.id, row.manifest, row.body, row.signature, waits.exists())
    return select(*columns).where(among(row.number), row.shown)


def _held(among: Any) -> Select[Any]:
    held = _entries.join(_holdings, _holdings.c.manifest == _entries.c.manifest)
    columns = (_entries.c.number, _holdings.c.peer, _holdings.c.bits, _holdings.c.doubted)
    return select(*columns).select_from(held).where(among(_entries.c.number))


def _held_in_part(among: Any) -> Select[Any]:
    return _held(among).where(_holdings.c.bits.is_not(None))


def _rows(connection: Connection, question: Any, numbers: Sequence[int]) -> list[Any]:
    dialect = connection.dialect
    given: Any = list(numbers)
    if dialect.name == "sqlite":
        given = as_json(given)
    statement, constants = _prepared(question, dialect)
    cursor: Any = connection.exec_driver_sql(statement, _parameters(constants, given)).cursor
    rows: list[Any] = cursor.fetchall()
    cursor.close()
    return rows


@lru_cache(16)
def _prepared(question: Any, dialect: Dialect) -> Any:
    among = _among_json if dialect.name == "sqlite" else _among_array
    compiled = question(among).compile(dialect=dialect)
    if compiled.positional:
        return str(compiled), [(name, compiled.params[name]) for name in compiled.positiontup]
    return str(compiled), dict(compiled.params)


def _parameters(constants: Any, given: Any) -> Any:
    if isinstance(constants, dict):
        return {**constants, "numbers": given}
    return tuple(given if name == "numbers" else value for name, value in constants)


def _among_json(column_of: Any) -> Any:
    each = func.json_each(bindparam("numbers")).table_valued(column("value"))
    return column_of.in_(select(each.c.value))


def _among_array(column_of: Any) -> Any:
    return column_of == any_(bindparam("numbers", type_=ARRAY(BigInteger)))
