"""Many rows at a time, as the driver gives them."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, Select, Table, Update, insert
from sqlalchemy.engine.interfaces import Compiled
from sqlalchemy.sql.compiler import SQLCompiler

AT_ONCE = 500
_FETCHED = 5_000
_PORTAL = "twofold_rows"
Row = tuple[Any, ...]


def raw_rows(
    connection: Connection, statement: Select[Any], *, many: bool = False
) -> Iterator[Row]:
    """What a statement finds: of many rows in a third of the time, some thousands in memory.

    Of `many` only one statement at a time.
    """
    cursor = _cursor(connection, statement, many=many)
    while rows := cursor.fetchmany(_FETCHED):
        yield from rows
    cursor.close()


def portions(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """As many as one statement takes, again and again."""
    for start in range(0, len(values), AT_ONCE):
        yield values[start : start + AT_ONCE]


def put_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that all have the same columns, of values as the driver takes them.

    SQLAlchemy looks at each value of each row, which takes as long as writing them.
    """
    if rows:
        _do(connection, _insertion(table, tuple(rows[0]), connection.dialect), rows)


def change_rows(
    connection: Connection, statement: Update, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Do a change once for each of these parameters, which are values as the driver takes them."""
    if rows:
        _do(connection, _change(statement, connection.dialect), rows)


_Prepared = tuple[str, tuple[str, ...] | None]
"""A statement, and for drivers that count parameters their order."""


def _do(connection: Connection, prepared: _Prepared, rows: Sequence[Mapping[str, Any]]) -> None:
    statement, order = prepared
    given: Any = rows if order is None else [tuple(row[name] for name in order) for row in rows]
    connection.exec_driver_sql(statement, given)


@lru_cache(64)
def _insertion(table: Table, columns: tuple[str, ...], dialect: Dialect) -> _Prepared:
    return _prepared(insert(table).compile(dialect=dialect, column_keys=list(columns)))


@lru_cache(64)
def _change(statement: Update, dialect: Dialect) -> _Prepared:
    return _prepared(statement.compile(dialect=dialect))


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
