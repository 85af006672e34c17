"""The scrub: reads all pieces held again, in a set number of days, and yields to work.

Disks lose bytes silently. What is read rarely, as copies are, would be found rotten only when it is
needed, and by then the other copy may be gone.
"""

import math
from collections.abc import Callable, Iterator
from itertools import islice

import structlog
import trio

from peer.errors import PeerError
from peer.store.contents import Content, Contents
from peer.store.rechecking import Rechecking
from peer.store.scrub_pace import CONTENT_COSTS, Pace
from peer.store.scrub_progress import ScrubProgress
from protocol.messages.scrubbing import ScrubView

log = structlog.get_logger()

READ_BYTES = 4 << 20
"""About what is read in one go, when pieces are smaller."""
SAVE_EVERY = 60.0
"""Seconds: so much is read again after a restart."""
LOOK_AGAIN = 3600.0
"""Seconds: clocks are changed, and stand still while a machine sleeps."""
TRY_AGAIN = 60.0
"""Seconds until it goes on after the database could not be written."""


class Scrubbing:
    """One task. `moved` tells the bytes transferred since the start, `wall` the time in ms."""

    def __init__(
        self,
        contents: Contents,
        rechecking: Rechecking,
        progress: ScrubProgress,
        moved: Callable[[], int],
        wall: Callable[[], int],
    ) -> None:
        self._contents = contents
        self._rechecking = rechecking
        self._progress = progress
        self._moved = moved
        self._wall = wall
        self._pace = Pace()
        self.days = 0.0
        """In how many days everything is read once; 0: never."""
        self._queue: list[Content] = []
        """What the round has still to read, the next one last."""
        self._pieces: Iterator[int] | None = None
        """What is left of the content that is being read."""
        self._left = 0
        self._unsaved_since: float | None = None
        self._woken = trio.Event()

    def view(self) -> ScrubView:
        """How it is."""
        return ScrubView(
            days=self.days,
            completed=self._progress.round.completed,
            bytes=self._rechecking.bytes,
            bad=self._rechecking.bad,
            healed=self._rechecking.healed,
        )

    def set_days(self, days: float) -> None:
        """Change in how many days everything is read once."""
        if days == self.days:
            return
        self.days = days
        if days:
            self._progress.round.change(self._wall(), days)
        self._stop_reading()
        self._woken.set()

    def start_now(self) -> None:
        """Begin a round that reads everything, as fast as a scrub may."""
        self._progress.round.begin(self._wall(), 0)
        self._progress.at = None
        self._stop_reading()
        self._woken.set()

    async def run(self) -> None:
        """Scrub, round after round."""
        while True:
            self._woken = trio.Event()
            try:
                pause = await self._step()
            except PeerError as error:
                log.error("the scrub cannot go on", error=str(error))
                pause = TRY_AGAIN
            with trio.move_on_after(pause):
                await self._woken.wait()

    async def _step(self) -> float:
        """Read a little; how many seconds to wait then."""
        now = self._wall()
        if not self._queue:
            self._begin(now)
        if not self._queue:
            return await self._rest(now)
        woken = self._woken
        cost = await self._read_some(self._queue[-1])
        if woken.is_set():
            return 0.0
        self._left = max(0, self._left - cost)
        await self._save_now_and_then()
        self._pace.look(self._moved(), trio.current_time())
        return cost / self._pace.rate(self._left, (self._progress.round.due - now) / 1000)

    async def _read_some(self, content: Content) -> int:
        """Read the next few pieces of a content; what that cost, in bytes."""
        cost = 0
        if self._pieces is None:
            self._pieces = self._pieces_of(content)
            cost = CONTENT_COSTS
        several = max(1, READ_BYTES * content.pieces // content.size)
        batch = list(islice(self._pieces, several))
        if not batch:
            self._queue.pop()
            self._pieces = None
            self._progress.read_through(content.id, self._wall())
            return cost
        woken = self._woken
        await self._rechecking.check(content, [piece for piece in batch if piece in content.bits])
        if not woken.is_set():
            self._progress.at = (content.id, batch[-1] + 1)
        return cost + content.size * len(batch) // content.pieces

    def _begin(self, now: int) -> None:
        """Go on with the round, or begin the next one if it is time."""
        current = self._progress.round
        if current.began > now:
            # The clock was set back: what it said before means nothing.
            current.begin(now, self.days)
        if current.is_over() and self.days and now >= current.next_at(self.days):
            current.begin(now, self.days)
        if current.is_over() or (not self.days and current.due != current.began):
            return
        if self._unsaved_since is None:
            self._unsaved_since = trio.current_time()
        left = self._progress.left([c for c in self._contents.all() if _is_readable(c)], now)
        self._queue = left[::-1]
        self._left = sum(_cost(content) for content in left)
        if not left:
            current.ended(now)
            log.info("everything held has been read", bad=self._rechecking.bad)

    async def _rest(self, now: int) -> float:
        """Nothing to read until the next round."""
        if self._unsaved_since is not None:
            self._unsaved_since = None
            await self._progress.forget_others(self._contents.all())
            await self._progress.save()
        if not self.days:
            return math.inf
        seconds = (self._progress.round.next_at(self.days) - now) / 1000
        return min(max(seconds, 1.0), LOOK_AGAIN)

    def _pieces_of(self, content: Content) -> Iterator[int]:
        at = self._progress.at
        start = at[1] if at is not None and at[0] == content.id else 0
        return iter([piece for piece in content.bits if piece >= start])

    def _stop_reading(self) -> None:
        self._queue, self._pieces, self._left = [], None, 0

    async def _save_now_and_then(self) -> None:
        now = trio.current_time()
        if self._unsaved_since is not None and now - self._unsaved_since >= SAVE_EVERY:
            self._unsaved_since = now
            await self._progress.save()


def _is_readable(content: Content) -> bool:
    """Whether there is anything to read; what a download fills at a user's path comes later."""
    return bool(content.bits.count) and (content.path is None or bool(content.stats))


def _cost(content: Content) -> int:
    return CONTENT_COSTS + content.size * content.bits.count // content.pieces
