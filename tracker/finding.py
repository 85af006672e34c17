"""One page of a search: which entries, in which order, and how many there are.

What few entries meet is looked up and sorted. Where no condition is met by few, the order's own
index is walked until the page is full, which is soon, as many meet them. So no query sorts much,
and the cost of a page hardly grows with the catalogue.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    func,
    literal,
    literal_column,
    not_,
    select,
    tuple_,
)

from protocol.messages.finding import MOST_COUNTED, Sort
from protocol.sorting import DESCENDING, Place
from protocol.words import EXACT, PART, PREFIX, WORD, Words
from tracker import search_index
from tracker.search_index import Condition, keys

FEW = MOST_COUNTED
"""So many entries are looked up and sorted; for more the order's index is walked."""
MOST_SCANNED = 1_000
"""What meets several conditions, none of which few meet, is counted up to here."""
_COLUMN = {"oldest": "created", "name": "name", "largest": "size", "smallest": "size"}
_LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True)
class Match:
    """An entry that was found, and where it is in the order."""

    number: int
    place: Place


@dataclass(frozen=True)
class Counted:
    """How many there are, or `more`; where all were looked at, a condition that just they meet."""

    total: int
    more: bool = False
    all_of_them: Condition | None = None


@dataclass(frozen=True)
class Order:
    """The order that is wanted, and the place after which to go on (None: from the start)."""

    sort: Sort
    after: Place | None
    limit: int


def find(
    connection: Connection,
    words: Words,
    filters: Sequence[Condition],
    order: Order,
    counted: Counted,
) -> list[Match]:
    """The next entries in this order, `limit` of them if there are as many."""
    conditions = [*filters, *search_index.has_words(words)]  # what costs most comes last
    if counted.all_of_them is not None:
        conditions = [counted.all_of_them]
    rarest = _rarest(connection, conditions)
    if order.sort != "relevance":
        return _in_order(connection, conditions, rarest, order)
    if rarest is not None:
        return _by_nearness(connection, conditions, rarest, words, order)
    return _nearest_first(connection, conditions, words, order)


def count(connection: Connection, words: Words, filters: Sequence[Condition]) -> Counted:
    """How many there are: beyond MOST_COUNTED nobody counts."""
    conditions = [*filters, *search_index.has_words(words)]  # what costs most comes last
    if not conditions:
        everything = select(func.count()).select_from(keys)
        return Counted(connection.execute(everything).scalar_one())
    rarest = _rarest(connection, conditions)
    if rarest is None and len(conditions) == 1 and conditions[0].rows is not None:
        sized = conditions[0].rows if conditions[0].sized is None else conditions[0].sized
        number = _bounded(connection, sized, MOST_COUNTED + 1)
        return Counted(min(number, MOST_COUNTED), number > MOST_COUNTED)
    if rarest is not None:
        found = _among(select(literal_column("1")).select_from(keys), conditions, rarest)
        return Counted(_bounded(connection, found, MOST_COUNTED))
    scanned = _among(select(keys.c.number), conditions, None).limit(MOST_SCANNED + 1)
    numbers = list(connection.execute(scanned).scalars())
    if len(numbers) > MOST_SCANNED:
        return Counted(MOST_SCANNED, more=True)
    listed = search_index.is_listed(json.dumps(numbers), listed=True)
    return Counted(len(numbers), all_of_them=listed)


def _rarest(connection: Connection, conditions: Sequence[Condition]) -> Condition | None:
    """The condition that the fewest entries meet, if they are few."""
    found, fewest = None, FEW + 1
    for condition in conditions:
        if condition.rows is not None:
            sized = condition.rows if condition.sized is None else condition.sized
            number = _bounded(connection, sized, fewest)
            if number < fewest:
                found, fewest = condition, number
    return found


def _bounded(connection: Connection, rows: Select[Any], most: int) -> int:
    number: int = connection.execute(
        select(func.count()).select_from(rows.limit(most).subquery())
    ).scalar_one()
    return number


def _among(
    found: Select[Any],
    conditions: Sequence[Condition],
    rarest: Condition | None,
    column: str = "",
) -> Select[Any]:
    """Only what meets all conditions: looked up by the rarest, or along the index of `column`."""
    for condition in conditions:
        if condition is rarest and condition.rows is not None:
            found = found.where(keys.c.number.in_(condition.rows))
        elif rarest is None and condition.column == column and condition.sought is not None:
            found = found.where(condition.sought)
        else:
            found = found.where(condition.test)
    return found


def _in_order(
    connection: Connection,
    conditions: Sequence[Condition],
    rarest: Condition | None,
    order: Order,
) -> list[Match]:
    column = _COLUMN.get(order.sort, "created")
    key = search_index.sorter(column, walked=rarest is None)
    found = _among(select(keys.c.number, key.label("key"), keys.c.id), conditions, rarest, column)
    found = _after(found, (key, keys.c.id), order)
    rows = connection.execute(found).all()
    return [Match(row.number, Place(_key(row.key), row.id)) for row in rows]


def _by_nearness(
    connection: Connection,
    conditions: Sequence[Condition],
    rarest: Condition,
    words: Words,
    order: Order,
) -> list[Match]:
    near, created = _nearness(words), search_index.sorter("created", walked=False)
    columns = (keys.c.number, near.label("near"), created.label("created"), keys.c.id)
    found = _after(_among(select(*columns), conditions, rarest), (near, created, keys.c.id), order)
    rows = connection.execute(found).all()
    return [Match(row.number, Place((row.near, row.created), row.id)) for row in rows]


def _nearest_first(
    connection: Connection, conditions: Sequence[Condition], words: Words, order: Order
) -> list[Match]:
    """The same where many are found: one degree of nearness after the other, newest first."""
    start = order.after.key[0] if order.after else EXACT
    found: list[Match] = []
    for near in range(int(start), PART - 1, -1):
        after = None
        if order.after and near == start:
            after = Place(order.after.key[1:], order.after.id)
        of_it = _is_near(near, words)
        rest = Order("newest", after, order.limit - len(found))
        rarest = _rarest(connection, of_it)
        for match in _in_order(connection, [*conditions, *of_it], rarest, rest):
            key = (near, *match.place.key)
            found.append(Match(match.number, Place(key, match.place.id)))
        if len(found) >= order.limit:
            break
    return found


def _after(found: Select[Any], columns: tuple[Any, ...], order: Order) -> Select[Any]:
    descending = order.sort in DESCENDING
    if order.after is not None:
        key = order.after.key
        place = tuple_(*([key] if isinstance(key, str) else key), order.after.id)
        this = tuple_(*columns)
        found = found.where(this < place if descending else this > place)
    sorted_by = (column.desc() if descending else column.asc() for column in columns)
    return found.order_by(*sorted_by).limit(order.limit)


def _key(value: int | str) -> tuple[int, ...] | str:
    return value if isinstance(value, str) else (value,)


def _exact(words: Words) -> ColumnElement[bool]:
    return keys.c.name == words.together


def _prefix(words: Words) -> ColumnElement[bool]:
    return and_(keys.c.name >= words.together, keys.c.name < words.together + _LAST_CHARACTER)


def _nearness(words: Words) -> ColumnElement[int]:
    return case(
        (_exact(words), literal(EXACT)),
        (_prefix(words), literal(PREFIX)),
        (search_index.has_in_name(words), literal(WORD)),
        else_=literal(PART),
    )


def _is_near(near: int, words: Words) -> list[Condition]:
    """That an entry which has the words is just so near to them."""
    rows = select(keys.c.number)
    if near == EXACT:
        return [Condition(_exact(words), rows.where(_exact(words)))]
    name = search_index.sorter("name", walked=False)
    begins = and_(name >= words.together, name < words.together + _LAST_CHARACTER)
    if near == PREFIX:
        test = and_(begins, name != words.together)
        return [Condition(test, rows.where(_prefix(words))), Condition(name != words.together)]
    if near == WORD:
        return [Condition(not_(begins)), *search_index.names_hold(words)]
    return [Condition(and_(not_(begins), not_(search_index.has_in_name(words))))]
