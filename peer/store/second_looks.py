"""Looks again at pieces that could not be read: what is only away for now counts again by itself.

A piece that still counts goes on counting if it is good; if the disk does not give it a second time
it is lost, as in `rechecking`. What changed of a user's files is left to the file watch.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
import trio

from peer.errors import PeerError
from peer.store.contents import Content, Contents
from peer.store.read_errors import LOOK_AGAIN_AFTER
from peer.store.rechecking import Rechecking, State
from protocol.ids import ManifestId

log = structlog.get_logger()

LONGEST = 600.0
"""Seconds between two looks: each takes twice as long as the last to come."""
AT_ONCE = 16
_MAY_COME_BACK = (State.SKIPPED, State.AWAY, State.GONE, State.UNREADABLE)


@dataclass
class _Doubt:
    content: Content
    due: float
    pause: float = LOOK_AGAIN_AFTER
    pieces: set[int] = field(default_factory=set)


class SecondLooks:
    """One task."""

    def __init__(self, contents: Contents, rechecking: Rechecking) -> None:
        self._contents = contents
        self._rechecking = rechecking
        self._doubts: dict[ManifestId, _Doubt] = {}
        self._noted = trio.Event()
        self.on_readable: Callable[[Content], None] = lambda _: None
        """Called when pieces that count, and could not be read, can be."""

    def note(self, content: Content, pieces: list[int]) -> None:
        """These could not be read."""
        doubt = self._doubts.get(content.id)
        if doubt is None or doubt.content is not content:
            due = trio.current_time() + LOOK_AGAIN_AFTER
            doubt = self._doubts[content.id] = _Doubt(content, due)
            self._noted.set()
        doubt.pieces.update(pieces)

    async def run(self) -> None:
        """Look again for ever."""
        while True:
            due = min((doubt.due for doubt in self._doubts.values()), default=float("inf"))
            with trio.move_on_at(due):
                await self._noted.wait()
            self._noted = trio.Event()
            now = trio.current_time()
            for doubt in [each for each in self._doubts.values() if each.due <= now]:
                await self._look(doubt)

    async def _look(self, doubt: _Doubt) -> None:
        content = doubt.content
        try:
            while doubt.pieces and self._contents.get(content.id) is content:
                some = sorted(doubt.pieces)[:AT_ONCE]
                if not await self._settle(doubt, some):
                    doubt.pause = min(LONGEST, 2 * doubt.pause)
                    doubt.due = trio.current_time() + doubt.pause
                    return
        except PeerError as error:
            log.error("a piece cannot be looked at again", error=str(error))
            doubt.due = trio.current_time() + doubt.pause
            return
        if self._doubts.get(content.id) is doubt:
            del self._doubts[content.id]

    async def _settle(self, doubt: _Doubt, pieces: list[int]) -> bool:
        """Read some pieces; whether all that could not be read is known of them now."""
        content = doubt.content
        found = await self._rechecking.look(content, pieces)
        doubt.pieces -= {p for p in pieces if found.get(p) not in _MAY_COME_BACK}
        good = [piece for piece in pieces if found.get(piece) is State.GOOD]
        if back := [piece for piece in good if piece not in content.bits]:
            await self._rechecking.regain(content, back)
        elif good:
            self.on_readable(content)
        return doubt.pieces.isdisjoint(pieces)
