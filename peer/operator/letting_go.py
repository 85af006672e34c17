"""Content that is here only on its way to somewhere, and when it goes.

The pieces of chosen files, until those are in their user's folder; an imported copy, until its
entry is published. What a stop left behind is kept for a day, so that the same request goes on from
there, or let go at once when no entry names it.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from peer.catalogue import Catalogue
from peer.errors import PeerError
from peer.operator.lookup import Lookup
from peer.store.contents import Content, Contents
from peer.store.piece_store import PieceStore
from peer.swarm.downloads import Downloads
from peer.swarm.replication import Replication
from protocol.entry import open_record_untrusted
from protocol.ids import ManifestId

log = structlog.get_logger()

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
        lookup: Lookup,
    ) -> None:
        self._contents = contents
        self._store = store
        self._downloads = downloads
        self._replication = replication
        self._catalogue = catalogue
        self._lookup = lookup
        self._users: Counter[ManifestId] = Counter()

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

    async def let_go(self, manifest: ManifestId) -> bool:
        """Let go of passing content if it is safe; whether it is gone."""
        content = self._contents.get(manifest)
        if content is None or not self._is_idle(content):
            return False
        try:
            if self._catalogue.copies_wanted(manifest) and not await self._is_spare(content):
                return False
            if not self._is_idle(content):
                return False
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

    async def _is_spare(self, content: Content) -> bool:
        """Whether the ring wants it elsewhere, and it is there."""
        if await self._replication.wants(content):
            return False
        for signed in await self._catalogue.naming(content.id):
            if await self._lookup.is_elsewhere(open_record_untrusted(signed).id.hex()):
                return True
        return False

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
