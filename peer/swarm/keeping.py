"""The keeping side of the lock: says what is held here for good, and keeps it while promised."""

from collections.abc import Awaitable, Callable

import structlog
import trio

from peer.errors import PeerError
from peer.store.contents import Content, Contents
from peer.store.piece_store import PieceStore
from peer.swarm.promises import Promises
from protocol.errors import RemoteProtocolError
from protocol.ids import PeerId
from protocol.messages.keeping import Keep, Kept, Release
from protocol.placement import spans_by_size

log = structlog.get_logger()

LOOK_SECONDS = 5.0


class Keeping:
    """Answers those who are about to drop a copy."""

    def __init__(self, contents: Contents, store: PieceStore, promises: Promises) -> None:
        self._contents = contents
        self._store = store
        self._promises = promises
        self.look_again: Callable[[Content], Awaitable[None]] = _nothing
        """Called before a user's files are promised: they may have changed since."""
        self.is_given_away: Callable[[Content, PeerId], bool] = lambda *_: False
        """Tells whether a peer may not count on what is here, as it is to go to others."""
        self.on_dropped: Callable[[PeerId, Release], None] = lambda *_: None
        """Called when a peer has dropped its copy."""

    async def answer(self, peer: PeerId, request: Keep) -> Kept:
        """Promise what is here in full, unless it is about to go from here too."""
        if not await self._is_here(request):
            return Kept(call=request.call, answer="lacks")
        span = (request.manifest, request.span)
        content = self._contents.get(request.manifest)
        going = content is not None and self.is_given_away(content, peer)
        if going or not self._promises.promise(peer, span, trio.current_time()):
            return Kept(call=request.call, answer="going")
        return Kept(call=request.call, answer="kept")

    def released(self, peer: PeerId, message: Release) -> None:
        """The other side is done."""
        self._promises.release(peer, (message.manifest, message.span))
        if message.dropped:
            self.on_dropped(peer, message)

    async def _is_here(self, request: Keep) -> bool:
        content = self._contents.get(request.manifest)
        if content is None or content.passing:
            return False
        try:
            await self._look(content)
        except (PeerError, OSError) as error:
            log.warning("a copy cannot be promised", error=str(error))
            return False
        if self._contents.get(request.manifest) is not content:
            return False
        spans = spans_by_size(content.id, content.pieces, content.size)
        if request.span >= len(spans):
            raise RemoteProtocolError(f"there is no span {request.span} in what it asks about")
        return content.complete or all(p in content.bits for p in spans[request.span].pieces)

    async def _look(self, content: Content) -> None:
        """Whether what should be on disk is: what is promised is not only in the books."""
        if content.path is not None:
            # A changed file is read again, which may take long; meanwhile the link would seem dead.
            with trio.move_on_after(LOOK_SECONDS) as look:
                await self.look_again(content)
            if look.cancelled_caught:
                raise PeerError(f"{content.path} is being looked at")
        elif content.pieces:
            path = self._contents.content_file(content.id)
            size = (await self._store.in_thread(path.stat)).st_size
            if size < content.size:
                raise PeerError(f"{path} is shorter than it should be")


async def _nothing(_: Content) -> None:
    return None
