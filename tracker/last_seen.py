"""When members were last heard, written down now and then: lists show it of those that are away."""

from collections.abc import Mapping

import trio

from protocol.ids import PeerId
from tracker import machines
from tracker.database import Database, may_be_away

SAVE_EVERY = 60.0
_OFTEN = 2_000
"""Members up to which it is; of more, less often in proportion."""


class LastSeen:
    """By the time of day, in milliseconds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._left: dict[PeerId, int] = {}
        self._saved = trio.current_time()

    def note(self, peer: PeerId, moment: int) -> None:
        """A member that has gone was heard last then."""
        self._left[peer] = moment

    def is_due(self, members: int) -> bool:
        """Whether those that are here are to be written down too; with so many of them."""
        now = trio.current_time()
        if now - self._saved < SAVE_EVERY * max(1.0, members / _OFTEN):
            return False
        self._saved = now
        return True

    async def save(self, here: Mapping[PeerId, int]) -> None:
        """Write down those that have gone, and these."""
        left, self._left = self._left, {}
        if not left and not here:
            return
        seen = {**left, **here}
        with may_be_away():
            await self._database.write(lambda connection: machines.save_seen(connection, seen))
            return
        self._left = left | self._left
