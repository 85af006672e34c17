"""Many rows at a time: all of them are put, whatever their number, and few statements do it."""

from typing import Any

import pytest
from sqlalchemy import Connection, bindparam, event, select, update
from sqlalchemy.exc import DBAPIError

from tracker import tables
from tracker.data_dir import SwarmKeys
from tracker.database import Database
from tracker.rows import SOME, change_rows, put_rows, rows_among

MANIFESTS = tables.manifests
AMONG = select(MANIFESTS.c.id, MANIFESTS.c.pieces, MANIFESTS.c.encoded).where(
    MANIFESTS.c.id.in_(SOME)
)
SET_PIECES = (
    update(MANIFESTS).where(MANIFESTS.c.id == bindparam("of")).values(pieces=bindparam("many"))
)
Made = tuple[Database, SwarmKeys]


def rows_of(number: int) -> list[dict[str, Any]]:
    """Rows whose bytes could be taken for SQL."""
    return [{"id": b"%d)" % at, "pieces": at, "encoded": b"(?, ), " * at} for at in range(number)]


def put_and_read(database: Database, rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    database.write_now(lambda c: put_rows(c, MANIFESTS, rows))
    return sorted(database.read_now(lambda c: rows_among(c, AMONG, [row["id"] for row in rows])))


@pytest.mark.parametrize("number", [0, 1, 9, 10, 11, 99, 100, 101, 250])
def test_all_rows_are_put_as_they_are(made: Made, number: int) -> None:
    rows = rows_of(number)
    assert put_and_read(made[0], rows) == sorted(tuple(row.values()) for row in rows)


def test_many_rows_are_few_statements(made: Made) -> None:
    database, asked = made[0], list[str]()
    event.listen(
        database.engines.writer, "before_cursor_execute", lambda *given: asked.append(given[2])
    )
    put_and_read(database, rows_of(234))
    inserts = [statement for statement in asked if statement.startswith("INSERT")]
    # On PostgreSQL the driver sends all of them together.
    assert len(inserts) == (2 + 3 + 4 if database.engines.writer.dialect.name == "sqlite" else 1)


def test_large_rows_go_one_by_one(made: Made) -> None:
    """Or the driver would keep a hundred of them for as long as it is there."""
    database, asked = made[0], list[Any]()
    event.listen(
        database.engines.writer, "before_cursor_execute", lambda *given: asked.append(given[3])
    )
    rows = [dict(row, encoded=bytes(200_000)) for row in rows_of(12)]
    assert put_and_read(database, rows) == sorted(tuple(row.values()) for row in rows)
    if database.engines.writer.dialect.name == "sqlite":
        assert max(sum(map(len, filter(_is_bytes, given))) for given in asked) < 400_000


def _is_bytes(value: object) -> bool:
    return isinstance(value, bytes)


def test_one_that_cannot_be_put_undoes_all(made: Made) -> None:
    database, rows = made[0], rows_of(150)
    rows[120] = rows[3]
    with pytest.raises(DBAPIError):
        database.write_now(lambda c: put_rows(c, MANIFESTS, rows))
    assert not database.read_now(lambda c: rows_among(c, AMONG, [row["id"] for row in rows]))


def test_rows_are_changed_each_by_its_own_values(made: Made) -> None:
    database, rows = made[0], rows_of(120)
    put_and_read(database, rows)

    def change(connection: Connection) -> None:
        change_rows(
            connection, SET_PIECES, [{"of": row["id"], "many": row["pieces"] + 7} for row in rows]
        )

    database.write_now(change)
    found = database.read_now(lambda c: rows_among(c, AMONG, [row["id"] for row in rows]))
    assert {row[0]: row[1] for row in found} == {row["id"]: row["pieces"] + 7 for row in rows}
