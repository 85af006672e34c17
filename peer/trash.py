"""What no entry names any more is put aside, what one names again is taken back: whole contents.

Nothing is copied either way: a content file is renamed, a user's files stay where they are. Until
the trash is emptied, by time or by hand, everything can come back.
"""

import contextlib
import os
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

import structlog
import trio

from peer.catalogue import Catalogue
from peer.data_dir import sync_directory
from peer.errors import PeerError
from peer.former import Deleted
from peer.store.contents import Content, Contents
from peer.store.piece_store import PieceStore
from peer.swarm.downloads import Downloads
from protocol.ids import ManifestId

log = structlog.get_logger()


class Trash:
    """Follows the catalogue. `now` gives milliseconds since 1970."""

    def __init__(
        self,
        folder: Path,
        contents: Contents,
        store: PieceStore,
        catalogue: Catalogue,
        downloads: Downloads,
        now: Callable[[], int],
    ) -> None:
        self._folder = folder
        self._contents = contents
        self._store = store
        self._catalogue = catalogue
        self._downloads = downloads
        self._now = now
        self._settling = trio.Lock()
        self._marked: set[ManifestId] = set()
        self._wake = trio.Event()
        self.on_put_aside: Callable[[ManifestId], Awaitable[None]] = _nothing
        self.on_taken_back: Callable[[Content], Awaitable[None]] = _nothing

    def load(self) -> None:
        """Finish what a stop left half done; to be called before anything else is at work."""
        for path in self._folder.glob("?" * 64):
            manifest = _manifest_of(path)
            if manifest is not None and not self._contents.in_trash(manifest):
                with contextlib.suppress(OSError):  # it only takes room
                    path.unlink()
        for manifest in self._contents.all_in_trash():
            own = self._contents.content_file(manifest)
            if own.exists() and not (self._folder / own.name).exists():
                with contextlib.suppress(OSError):  # it is found where it lies, too
                    os.replace(own, self._folder / own.name)

    def mark(self, manifest: ManifestId) -> None:
        """Something was learnt about what names a manifest: look at it soon."""
        self._marked.add(manifest)
        self._wake.set()

    async def run(self) -> None:
        """Settle what an earlier run had not come to, and then whatever is marked."""
        for trashed in await self._contents.trashed():
            self.mark(trashed.manifest)
        for content in self._contents.all():
            if not self._catalogue.copies_wanted(content.id):
                self.mark(content.id)
        while True:
            self._wake = trio.Event()
            while self._marked:
                manifest = self._marked.pop()
                try:
                    await self.settle(manifest)
                except (PeerError, OSError) as error:
                    name = manifest.hex()[:12]
                    log.error("cannot settle the trash", manifest=name, error=str(error))
            await self._wake.wait()

    async def settle(self, manifest: ManifestId) -> None:
        """Put a content aside, or take it back, as the catalogue says now."""
        async with self._settling:
            content = self._contents.get(manifest)
            wanted = self._catalogue.copies_wanted(manifest) > 0
            if wanted and content is None and self._contents.in_trash(manifest):
                await self._take_back(manifest)
            elif not wanted and content is not None:
                await self._put_aside(content)

    async def listed(self, start: int) -> tuple[list[Deleted], int]:
        """A page of the entries whose content is put aside, newest first; how many in all."""
        return await self._catalogue.deleted_page(start)

    async def purge(self, manifests: Collection[ManifestId] | None) -> tuple[int, int]:
        """Delete what is in the trash, of these or (None) all: how many contents and bytes.

        Never what an entry names, nor a user's files.
        """
        async with self._settling:
            going = [
                trashed
                for trashed in await self._contents.trashed()
                if (manifests is None or trashed.manifest in manifests)
                and trashed.path is None
                and not self._catalogue.copies_wanted(trashed.manifest)
            ]
            gone = 0
            for trashed in list(going):
                # A restoration may have been learnt since.
                if self._catalogue.copies_wanted(trashed.manifest):
                    going.remove(trashed)
                    continue
                await self._delete(trashed.manifest)
                gone += 1
        return gone, sum(trashed.bytes for trashed in going)

    async def _put_aside(self, content: Content) -> None:
        if not await self._catalogue.was_named(content.id):
            # Never published, or not yet, whatever a tombstone says that it named.
            return
        running = self._downloads.find(content.id)
        if running is not None:
            self._downloads.stop(content.id, "the entry was deleted")
            await running.closed.wait()
        await self._store.trash(content, self._now())
        await self.on_put_aside(content.id)

    async def _take_back(self, manifest: ManifestId) -> None:
        own = self._contents.content_file(manifest)
        aside = self._folder / own.name
        # Not in a thread: while that ran, a download could begin to fill the file anew.
        own.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.replace(aside, own)
            await self._store.in_thread(sync_directory, own.parent)
        content = await self._contents.take_back(manifest)
        if content is None:
            return
        if content.path is None and not own.exists():
            await self._contents.discount(content, list(content.bits))
        log.info("back from the trash", manifest=own.name[:12], pieces=content.bits.count)
        await self.on_taken_back(content)

    async def _delete(self, manifest: ManifestId) -> None:
        await self._contents.forget_trashed(manifest)
        path = self._folder / manifest.hex()
        await self._store.in_thread(lambda: path.unlink(missing_ok=True))


def _manifest_of(path: Path) -> ManifestId | None:
    try:
        return ManifestId(bytes.fromhex(path.name))
    except ValueError:
        return None


async def _nothing(_: object) -> None:
    return None
