"""Many rows at a time, as the driver gives them."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import msgspec
from sqlalchemy import (
    BindParameter,
    Connection,
    Dialect,
    Insert,
    Select,
    Table,
    Update,
    bindparam,
    insert,
)
from sqlalchemy.engine.interfaces import Compiled
from sqlalchemy.sql.compiler import SQLCompiler

AT_ONCE = 500
_FETCHED = 5_000
_IN_ONE = (100, 10, 1)
"""How many rows are put by one statement of SQLite, as many as there are.

Its driver gives up Python's lock for each statement, and then waits for it: beside a thread that
never rests, that took twenty times as long as all else.
"""
_MOST_BYTES = 1 << 20
"""Of several rows in one statement: the driver keeps what it was given until it is used again."""
_PORTAL = "twofold_rows"
Row = tuple[Any, ...]
SOME: BindParameter[Any] = bindparam("some", expanding=True)
"""In `column.in_(SOME)`, for `rows_among`."""


def raw_rows(
    connection: Connection,
    statement: Select[Any],
    *,
    many: bool = False,
    at_once: int = _FETCHED,
) -> Generator[Row]:
    """What a statement finds: of many rows in a third of the time, `at_once` in memory.

    Of `many` only one statement at a time: close it if it is not read to its end.
    """
    cursor = _cursor(connection, statement, many=many)
    try:
        while rows := cursor.fetchmany(at_once):
            yield from rows
    finally:
        cursor.close()


def rows_among(
    connection: Connection, statement: Select[Any], some: list[Any], **others: Any
) -> list[Row]:
    """What a statement (a constant) finds for these values in the place of SOME.

    SQLAlchemy looks at each value, and writes the statement anew for each number of them.
    """
    if not some:
        return []
    before, after, names, constants = _around_some(statement, connection.dialect)
    told = {**constants, **others, "some": some}
    given: Any = told
    if names is None:
        sql = f"{before}= ANY(%(some)s){after}"
    else:
        sql = f"{before}IN ({'?,' * (len(some) - 1)}?){after}"
        given = tuple(chain.from_iterable(some if n == "some" else (told[n],) for n in names))
    cursor: Any = connection.exec_driver_sql(sql, given).cursor
    rows: list[Row] = cursor.fetchall()
    cursor.close()
    return rows


@lru_cache(64)
def _around_some(
    statement: Select[Any], dialect: Dialect
) -> tuple[str, str, tuple[str, ...] | None, dict[str, Any]]:
    compiled = statement.compile(dialect=dialect)
    sql, names = _prepared(compiled)
    before, after = sql.split("IN (__[POSTCOMPILE_some])")
    return before, after, names, dict(compiled.params)


def portions(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """As many as one statement takes, again and again."""
    for start in range(0, len(values), AT_ONCE):
        yield values[start : start + AT_ONCE]


def put_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that all have the same columns, of values as the driver takes them.

    SQLAlchemy looks at each value of each row, which takes as long as writing them.
    """
    change_rows(connection, _insert(table), rows)


def change_rows(
    connection: Connection, statement: Update | Insert, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Do a change (a constant) once for each row of parameters, as `put_rows`."""
    if not rows:
        return
    sql, order = _change(statement, tuple(rows[0]), connection.dialect)
    if order is None:
        connection.exec_driver_sql(sql, rows)
        return
    given = [tuple(row[name] for name in order) for row in rows]
    if isinstance(statement, Insert):
        put_in_sqlite(connection, sql, given)
    else:
        connection.exec_driver_sql(sql, given)


def as_json(values: object) -> str:
    """Many values as one for `json_each` of SQLite."""
    return msgspec.json.encode(values).decode()


def put_in_sqlite(connection: Connection, sql: str, rows: Sequence[Row]) -> None:
    """Do an insert whose only parameters are those of its `VALUES (?, ...)`, for many rows."""
    start = 0
    for number in _IN_ONE:
        while len(rows) - start >= number:
            some = rows[start : start + number]
            if number > 1 and _bytes_of(some) > _MOST_BYTES:
                break
            connection.exec_driver_sql(_of_many(sql, number), tuple(chain.from_iterable(some)))
            start += number


def _bytes_of(rows: Sequence[Row]) -> int:
    return sum(len(value) for row in rows for value in row if isinstance(value, bytes | str))


@lru_cache(64)
def _of_many(sql: str, number: int) -> str:
    head, values, rest = sql.partition("VALUES ")
    row, end, tail = rest.partition(")")
    return head + values + ", ".join([row + end] * number) + tail


_Prepared = tuple[str, tuple[str, ...] | None]
"""A statement, and for drivers that count parameters their order."""
_insert = lru_cache(insert)


@lru_cache(64)
def _change(statement: Update | Insert, columns: tuple[str, ...], dialect: Dialect) -> _Prepared:
    keys = list(columns) if isinstance(statement, Insert) else None
    return _prepared(statement.compile(dialect=dialect, column_keys=keys))


def _prepared(compiled: Compiled) -> _Prepared:
    assert isinstance(compiled, SQLCompiler)
    names = compiled.positiontup if compiled.positional else None
    return str(compiled), None if names is None else tuple(names)


def _cursor(connection: Connection, statement: Select[Any], *, many: bool) -> Any:
    if many and connection.dialect.name == "postgresql":
        # Else its driver has all rows in memory first, and SQLAlchemy keeps some for itself.
        compiled = statement.compile(dialect=connection.dialect)
        driver: Any = connection.connection.driver_connection
        cursor = driver.cursor(_PORTAL)
        cursor.execute(str(compiled), compiled.params)
        return cursor
    found = connection.execute(statement)
    assert found.cursor is not None
    return found.cursor
