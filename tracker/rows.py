"""Many rows at a time, as the driver gives them."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Select

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
