"""Many rows at a time, as the driver gives them."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, Select, Table, insert

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
        statement, order = _insertion(table, tuple(rows[0]), connection.dialect)
        given: Any = rows if order is None else [tuple(row[name] for name in order) for row in rows]
        connection.exec_driver_sql(statement, given)


@lru_cache(64)
def _insertion(
    table: Table, columns: tuple[str, ...], dialect: Dialect
) -> tuple[str, tuple[str, ...] | None]:
    """The statement, and for drivers that count parameters their order."""
    compiled = insert(table).compile(dialect=dialect, column_keys=list(columns))
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
