"""Notices when files that users share change, move or vanish, and what of them is still good.

A look is cheap (size and time of every file). What looks different stops counting at once; then
it is read again, and pieces that still hash right count again. Only of the others are we told that
they are lost: a file that was merely touched must not be fetched again.
"""

import os
from collections import defaultdict
from pathlib import Path

import structlog
import trio

from peer.store.contents import Content, Contents
from peer.store.layout import Layout
from peer.store.piece_store import PieceStore
from peer.store.splitter import FileStat
from protocol.ids import ManifestId
from protocol.manifest import Manifest

log = structlog.get_logger()

LOOK_EVERY = 30.0
GONE = FileStat(-1, -1)
"""How a file looks that is not there."""
_UNSEEN = FileStat(-2, -2)


class FileWatch:
    """Looks at the user's files, now and then and when asked."""

    def __init__(self, contents: Contents, store: PieceStore) -> None:
        self._contents = contents
        self._store = store
        self._checking: dict[ManifestId, trio.Lock] = defaultdict(trio.Lock)

    async def run(self) -> None:
        """Look at everything at start, and again and again."""
        for content in self._contents.all():
            await self._settle(content)
        while True:
            for content in self._contents.all():
                await self.check(content)
            await trio.sleep(LOOK_EVERY)

    async def check(self, content: Content) -> None:
        """Look at the files of one content; see the module."""
        lock = self._checking[content.id]
        try:
            async with lock:
                await self._check(content)
        finally:
            if not lock.locked():
                self._checking.pop(content.id, None)

    async def _settle(self, content: Content) -> None:
        """Finish what a stop between the last piece and the first look at the files left open."""
        if content.path is None or content.stats or not content.complete or not content.pieces:
            return
        manifest, layout = await self._contents.opened(content.id)
        unseen = {n: _UNSEEN for n, record in enumerate(manifest.files) if not record.directory}
        stats = await self._store.in_thread(lambda: _changed(manifest, layout, unseen))
        pieces = list(range(content.pieces))
        good = await self._store.read_and_hash(manifest, layout, pieces, lambda _: None)
        await self._contents.set_stats(content, stats)
        if len(good) < content.pieces:
            bad = [piece for piece in pieces if piece not in good]
            await self._store.lose(content, bad, f"{layout.root} changed while nobody looked")

    async def _check(self, content: Content) -> None:
        if content.path is None or not content.stats:
            return
        if self._contents.get(content.id) is not content:
            return
        manifest, layout = await self._contents.opened(content.id)
        before = dict(content.stats)
        changed = await self._store.in_thread(lambda: _changed(manifest, layout, before))
        if not changed or content.stats != before:
            return
        pieces = _pieces_of(manifest, list(changed))
        await self._contents.discount(content, pieces)
        good = await self._regain(content, manifest, layout, changed, pieces)
        lost = [piece for piece in pieces if piece not in good]
        if lost:
            why = f"{_name(manifest, layout, changed)} has changed"
            await self._store.lose(content, lost, why)

    async def _regain(
        self,
        content: Content,
        manifest: Manifest,
        layout: Layout,
        changed: dict[int, FileStat],
        pieces: list[int],
    ) -> set[int]:
        for number in changed:
            self._store.forget(layout.path_of(manifest.files[number]))
        good = await self._store.read_and_hash(manifest, layout, pieces, lambda _: None)
        # Had they changed again meanwhile, the next look would see other stats than these. Bad
        # files are noted too, or they would be read again at each look.
        await self._contents.set_stats(content, content.stats | changed)
        if good:
            await self._contents.record(content, sorted(good))
            log.info("pieces count again", manifest=content.id.hex()[:12], pieces=len(good))
            self._store.on_regained(content)
        return good


def _changed(manifest: Manifest, layout: Layout, stats: dict[int, FileStat]) -> dict[int, FileStat]:
    """The files that do not look as they did, and how they look now."""
    changed: dict[int, FileStat] = {}
    for number, expected in stats.items():
        try:
            found = os.stat(layout.path_of(manifest.files[number]))
            now = FileStat(found.st_size, found.st_mtime_ns)
        except OSError:
            now = GONE
        if now != expected:
            changed[number] = now
    return changed


def _pieces_of(manifest: Manifest, files: list[int]) -> list[int]:
    pieces: set[int] = set()
    for number in files:
        record = manifest.files[number]
        pieces.update(manifest.geometry.overlapping(record.offset, record.size))
    return sorted(pieces)


def _name(manifest: Manifest, layout: Layout, changed: dict[int, FileStat]) -> Path:
    return layout.path_of(manifest.files[min(changed)])
