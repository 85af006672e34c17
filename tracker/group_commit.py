"""Writes that wait for one another are put on disk together: one transaction, each its own part.

What waits while a transaction is on its way goes into the next one, so that many who write at once
pay for one flush of the disk. Works that say how to be done together are (`Together`): a hundred
records are a few statements. A work that fails takes back what it did alone.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import trio
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tracker.engines import is_away, is_to_repeat
from tracker.errors import RequestFailedError
from tracker.news import copy_news, restore_news
from tracker.touched import Touched, take_notes

MOST = 256
"""Works of one transaction: what waits behind them does not wait for long."""
_T = TypeVar("_T")
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Together(Generic[_Item, _T]):
    """How many works of one kind are done at once: what each gives, or why it is refused, in order.

    If `do` raises, nothing of it counts, and each is done alone. Those of one transaction are done
    at the turn of the first, or of the last if they are `late`: so none is before what it needs.
    """

    do: Callable[[Connection, Sequence[_Item]], Sequence[_T | RequestFailedError]]
    late: bool = False


@dataclass(eq=False)
class Pending:
    """A work in the line, done alone or with those of its kind; then what it gave, or the error.

    `turn` is set when it is done, or when it should see to the line.
    """

    work: Callable[[Connection], Any] | None
    then: Callable[[Any], None] | None
    together: Together[Any, Any] | None = None
    item: Any = None
    given: Any = None
    error: Exception | None = None
    done: bool = False
    awaited: bool = False
    turn: trio.Event = field(default_factory=trio.Event)


class GroupCommit:
    """The line of works. `commit` puts some on disk, in a thread, and notes how each ended."""

    def __init__(self, commit: Callable[[Sequence[Pending]], None]) -> None:
        self._commit = commit
        self._line: deque[Pending] = deque()
        self._busy = False

    def put(self, pending: Pending) -> None:
        """Stand in line; somebody must then `wait`."""
        self._line.append(pending)

    async def wait(self, pending: Pending) -> Any:
        """What the work gives, once that is on disk; whoever has the turn does it for all.

        A work that is cancelled before its transaction has begun is not done.
        """
        pending.awaited = True
        try:
            while not pending.done:
                if self._busy:
                    await pending.turn.wait()
                    pending.turn = trio.Event()
                else:
                    await trio.lowlevel.checkpoint_if_cancelled()
                    await self._lead()
        finally:
            if pending in self._line:
                self._line.remove(pending)
            self._pass_on()
        if pending.error is not None:
            raise pending.error
        return pending.given

    async def _lead(self) -> None:
        group = [self._line.popleft() for _ in range(min(len(self._line), MOST))]
        self._busy = True
        try:
            # The others wait for it too.
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self._commit, group)
            for each in in_turn(group):
                _tell(each)
        finally:
            self._busy = False

    def _pass_on(self) -> None:
        if not self._busy:
            # Of what nobody waits for any more, as who asked is gone, somebody else takes care.
            first = next((each for each in self._line if each.awaited), None)
            if first is not None:
                first.turn.set()


def _tell(pending: Pending) -> None:
    if pending.then is not None and pending.error is None:
        try:
            pending.then(pending.given)
        except Exception as error:
            # It ends with whoever asked for it; the others hear of theirs.
            pending.error = error
    pending.done = True
    pending.turn.set()


def do_group(connection: Connection, group: Sequence[Pending]) -> Touched:
    """Do works in one transaction, and note how each ended; what those that did not fail touched.

    A database that is away, or wants the transaction again, fails them all.
    """
    touched = Touched()
    if len(group) == 1 and (work := group[0].work) is not None:
        # It takes back what it did by not being committed.
        group[0].given, group[0].error = work(connection), None
        return take_notes(connection)
    for some in _steps(group):
        together = some[0].together
        if together is None or not _do_together(connection, together, some, touched):
            for each in some:
                _do_alone(connection, each, touched)
    return touched


def in_turn(group: Sequence[Pending]) -> list[Pending]:
    """The works of a group in the order in which they are done."""
    return [each for some in _steps(group) for each in some]


def _steps(group: Sequence[Pending]) -> list[list[Pending]]:
    steps: dict[object, list[Pending]] = {}
    for each in group:
        kind = each.together
        if kind is None:
            steps[each] = [each]
            continue
        if kind.late and kind in steps:
            steps[kind] = steps.pop(kind)
        steps.setdefault(kind, []).append(each)
    return list(steps.values())


def _do_together(
    connection: Connection,
    together: Together[Any, Any],
    some: Sequence[Pending],
    touched: Touched,
) -> bool:
    def work(connection: Connection) -> Sequence[Any]:
        return together.do(connection, [each.item for each in some])

    given, error = _in_savepoint(connection, work, touched)
    if error is not None:
        return False
    for each, one in zip(some, given, strict=True):
        each.given, each.error = one, one if isinstance(one, RequestFailedError) else None
    return True


def _do_alone(connection: Connection, each: Pending, touched: Touched) -> None:
    def work(connection: Connection) -> Any:
        if each.work is not None:
            return each.work(connection)
        assert each.together is not None
        (given,) = each.together.do(connection, [each.item])
        if isinstance(given, RequestFailedError):
            raise given
        return given

    each.given, each.error = _in_savepoint(connection, work, touched)


def _in_savepoint(
    connection: Connection, work: Callable[[Connection], Any], touched: Touched
) -> tuple[Any, Exception | None]:
    savepoint, news = connection.begin_nested(), copy_news(connection)
    try:
        given = work(connection)
    except Exception as error:
        if isinstance(error, DBAPIError) and (is_away(error) or is_to_repeat(error)):
            raise
        savepoint.rollback()
        take_notes(connection)
        restore_news(connection, news)
        return None, error
    savepoint.commit()
    touched.add(take_notes(connection))
    return given, None
