"""Content that is here only on its way to somewhere, and when it goes.

The pieces of chosen files, until those are in their user's folder; an imported copy, until its
entry is published. What a stop left behind is kept for a day, so that the same request goes on from
there, or let go at once when no entry names it.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import trio

from peer.catalogue import Catalogue
from peer.errors import PeerError
from peer.store.contents import Content, Contents
from peer.store.piece_store import PieceStore
from peer.swarm.downloads import Downloads
from peer.swarm.dropping import Dropping
from peer.swarm.locator import Locator
from peer.swarm.replication import Replication
from protocol.ids import ManifestId
from protocol.placement import spans_by_size

log = structlog.get_logger()

READ_FOR = 600.0
"""Seconds after which a reader that asked for nothing more is not expected back."""
IDLE_FOR = 86_400_000
"""Milliseconds without a write after which nobody is expected to go on."""


class LettingGo:
    """Lets go of passing content, but never of what the ring wants here or nobody else has."""

    def __init__(
        self,
        contents: Contents,
        store: PieceStore,
        downloads: Downloads,
        replication: Replication,
        catalogue: Catalogue,
        locator: Locator,
        dropping: Dropping,
    ) -> None:
        self._contents = contents
        self._store = store
        self._downloads = downloads
        self._replication = replication
        self._catalogue = catalogue
        self._locator = locator
        self._dropping = dropping
        self._users: Counter[ManifestId] = Counter()
        self._read: dict[ManifestId, float] = {}

    @contextmanager
    def using(self, manifest: ManifestId) -> Iterator[None]:
        """As long as this lasts, the content stays."""
        self._users[manifest] += 1
        try:
            yield
        finally:
            self._users[manifest] -= 1
            if not self._users[manifest]:
                del self._users[manifest]

    def note_read(self, manifest: ManifestId) -> None:
        """Somebody reads a content, a range at a time: there will be more of them."""
        now = trio.current_time()
        self._read = {m: at for m, at in self._read.items() if now - at < READ_FOR}
        self._read[manifest] = now

    def is_used(self, manifest: ManifestId) -> bool:
        """Whether a request is at work on a content, or was reading it lately."""
        lately = trio.current_time() - self._read.get(manifest, -READ_FOR) < READ_FOR
        return lately or self._users[manifest] > 0

    async def let_go(self, manifest: ManifestId) -> bool:
        """Let go of passing content if it is safe; whether it is gone."""
        content = self._contents.get(manifest)
        if content is None or not self._is_idle(content):
            return False
        try:
            if self._catalogue.copies_wanted(manifest):
                return await self._drop(content)
            await self._store.release(content)
            return True
        except (PeerError, OSError) as error:
            # Tried again by `tidy`.
            log.info("kept for now", manifest=manifest.hex()[:12], reason=str(error))
            return False

    async def settle(self, manifest: ManifestId) -> None:
        """After an interruption: content that an entry names is here to stay, other is let go."""
        content = self._contents.get(manifest)
        if content is not None and self._catalogue.copies_wanted(manifest):
            await self._contents.set_passing(content, False)
        else:
            await self.let_go(manifest)

    def stop(self, manifest: ManifestId) -> None:
        """Nobody waits for a passing content any more: fetch no more of it, but keep it."""
        content = self._contents.get(manifest)
        if content is not None and content.passing and not self._users[manifest]:
            self._downloads.stop(manifest, "nobody waits for it any more")

    async def tidy(self, now: int) -> None:
        """Let go of what an earlier run or request left; `now` is milliseconds since 1970."""
        for content in self._contents.all():
            if self._is_idle(content):
                named = self._catalogue.copies_wanted(content.id) > 0
                if not named or self._last_write(content) < now - IDLE_FOR:
                    await self.let_go(content.id)

    async def _drop(self, content: Content) -> bool:
        """Drop it if the ring does not want it here, and another machine keeps all of it."""
        if await self._replication.wants(content):
            return False
        holders = [place.peer for place in await self._locator.find(content.id)]
        spans = spans_by_size(content.id, content.pieces, content.size)
        among = dict.fromkeys(range(len(spans)), holders)
        return await self._dropping.drop(content, among, need=1)

    def _is_idle(self, content: Content) -> bool:
        """Whether it is only passing, and nobody is at work on it."""
        return (
            content.passing
            and self._contents.get(content.id) is content
            and not self._users[content.id]
            and self._downloads.find(content.id) is None
        )

    def _last_write(self, content: Content) -> int:
        try:
            return self._contents.content_file(content.id).stat().st_mtime_ns // 1_000_000
        except OSError:
            return 0
