"""Notices when files that users share change, move or vanish, and what of them is still good.

A look is cheap (size and time of every file). What looks different stops counting at once; then
it is read again, and pieces that still hash right count again.
"""

import os
from pathlib import Path

import structlog
import trio

from peer.store.contents import Content, Contents
from peer.store.layout import Layout
from peer.store.piece_store import PieceStore
from peer.store.splitter import FileStat
from protocol.manifest import Manifest

log = structlog.get_logger()

LOOK_EVERY = 30.0


class FileWatch:
    """Looks at the user's files, now and then and when asked."""

    def __init__(self, contents: Contents, store: PieceStore) -> None:
        self._contents = contents
        self._store = store

    async def run(self) -> None:
        """Look at everything at start, and again and again."""
        while True:
            for content in self._contents.all():
                await self.check(content)
            await trio.sleep(LOOK_EVERY)

    async def check(self, content: Content) -> None:
        """Look at the files of one content; see the module."""
        if content.path is None or not content.stats:
            return
        manifest, layout = await self._contents.opened(content.id)
        before = dict(content.stats)
        changed = await self._store.in_thread(lambda: _changed(manifest, layout, before))
        if not changed or content.stats != before:
            return
        pieces = _pieces_of(manifest, list(changed))
        await self._store.lose(content, pieces, f"{_name(manifest, layout, changed)} has changed")
        await self._regain(content, manifest, layout, changed, pieces)

    async def _regain(
        self,
        content: Content,
        manifest: Manifest,
        layout: Layout,
        changed: dict[int, FileStat | None],
        pieces: list[int],
    ) -> None:
        for number in changed:
            self._store.forget(layout.path_of(manifest.files[number]))
        good = await self._store.read_and_hash(manifest, layout, pieces, lambda _: None)
        if not good:
            return
        # Had they changed again meanwhile, the next look would see other stats than these.
        stats = dict(content.stats)
        stats.update({number: found for number, found in changed.items() if found is not None})
        await self._contents.set_stats(content, stats)
        await self._contents.record(content, sorted(good))
        log.info("pieces count again", manifest=content.id.hex()[:12], pieces=len(good))
        self._store.on_regained(content)


def _changed(
    manifest: Manifest, layout: Layout, stats: dict[int, FileStat]
) -> dict[int, FileStat | None]:
    """The files that do not look as they did, and how they look now (None: not there)."""
    changed: dict[int, FileStat | None] = {}
    for number, expected in stats.items():
        try:
            found = os.stat(layout.path_of(manifest.files[number]))
            now: FileStat | None = FileStat(found.st_size, found.st_mtime_ns)
        except OSError:
            now = None
        if now != expected:
            changed[number] = now
    return changed


def _pieces_of(manifest: Manifest, files: list[int]) -> list[int]:
    pieces: set[int] = set()
    for number in files:
        record = manifest.files[number]
        pieces.update(manifest.geometry.overlapping(record.offset, record.size))
    return sorted(pieces)


def _name(manifest: Manifest, layout: Layout, changed: dict[int, FileStat | None]) -> Path:
    return layout.path_of(manifest.files[min(changed)])
