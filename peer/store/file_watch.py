"""Notices when files that users share change, move or vanish, and what of them is still good.

A look is cheap (size and time of every file), and few are taken at a time: an idle machine stays
idle however much it shares. What looks different stops counting at once; then it is read again,
and pieces that still hash right count again. Only of the others are we told that they are lost: a
file that was merely touched must not be fetched again. What cannot be read for now is looked at
again, until it can.
"""

import os
import stat
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import structlog
import trio

from peer.errors import PeerError
from peer.store.contents import FOLDER_COSTS, Content, Contents, RecordedFiles
from peer.store.file_stats import GONE, UNSEEN
from peer.store.hashing import Hashed
from peer.store.layout import Layout
from peer.store.piece_store import PieceStore
from peer.store.read_errors import Fault, fault_of
from peer.store.splitter import FileStat
from protocol.ids import ManifestId
from protocol.manifest import Manifest

log = structlog.get_logger()

LOOK_EVERY = 30.0
"""How often everything is looked at; less often when there is more than FILES_A_SECOND allow."""
FILES_A_SECOND = 150
"""A thousandth of a processor, or less."""


class FileWatch:
    """Looks at the user's files, now and then and when asked."""

    def __init__(self, contents: Contents, store: PieceStore) -> None:
        self._contents = contents
        self._store = store
        self._checking: dict[ManifestId, trio.Lock] = defaultdict(trio.Lock)
        self._folders: set[ManifestId] = set()
        """Folders with a single file, which is not told from a file otherwise."""
        self.on_looked: Callable[[Content, set[int], set[int]], Awaitable[None]] = _nothing
        """Called after something looked different: files that are changed, and those that are as
        they were, by number."""

    async def run(self) -> None:
        """Look at everything at start, and then a little at a time, again and again."""
        for content in self._contents.all():
            await self._try(self._settle, content)
        async for _ in self._look_at_all():
            pass
        while True:
            began = trio.current_time()
            async for files in self._look_at_all():
                await trio.sleep(files / FILES_A_SECOND)
            await trio.sleep(max(0.0, began + LOOK_EVERY - trio.current_time()))

    async def _look_at_all(self) -> AsyncIterator[int]:
        """Look at all files, a portion at a time; what each portion cost, counted in files."""
        files: list[Content] = []
        folders: list[Content] = []
        for content in self._contents.all():
            if content.path is not None and content.stats:
                is_file = content.stats.only() and content.id not in self._folders
                (files if is_file else folders).append(content)
        for start in range(0, len(files), FILES_A_SECOND):
            portion = files[start : start + FILES_A_SECOND]
            await self._check_all(await self._store.in_thread(self._changed_files, portion))
            yield len(portion)
        while folders:
            looked = await self._contents.recorded(folders, FILES_A_SECOND)
            await self._check_all(await self._store.in_thread(_changed_folders, looked))
            del folders[: len(looked)]
            yield sum(len(each.stats) + FOLDER_COSTS for each in looked)

    async def _check_all(self, contents: list[Content]) -> None:
        for content in contents:
            await self._try(self.check, content)

    async def _try(self, look: Callable[[Content], Awaitable[None]], content: Content) -> None:
        """A full disk must not end the watch, and with it the daemon: there will be other looks."""
        try:
            await look(content)
        except PeerError as error:
            log.error("a change cannot be noted", path=str(content.path), error=str(error))

    def _changed_files(self, contents: list[Content]) -> list[Content]:
        """Those of single files that do not look as they did; blocking."""
        changed = []
        for content in contents:
            expected = content.stats.only()
            try:
                found = os.stat(str(content.path))
            except OSError as error:
                if expected != GONE and fault_of(error) is not Fault.PASSING:
                    changed.append(content)
                continue
            if stat.S_ISDIR(found.st_mode):
                # A folder with one file in it. Looked at as a folder, now and from here on.
                self._folders.add(content.id)
                changed.append(content)
            elif FileStat(found.st_size, found.st_mtime_ns) != expected:
                changed.append(content)
        return changed

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
        unseen = {n: UNSEEN for n, record in enumerate(manifest.files) if not record.directory}
        stats = await self._store.in_thread(lambda: _changed(manifest, layout, unseen))
        pieces = list(range(content.pieces))
        found = await self._store.read_and_hash(manifest, layout, pieces, lambda _: None)
        await self._contents.set_stats(content, {**unseen, **_looks(manifest, stats, found)})
        if len(found.good) < content.pieces:
            bad = [piece for piece in pieces if piece not in found.good]
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
        counted = {piece for piece in pieces if piece in content.bits}
        await self._contents.discount(content, pieces)
        found = await self._regain(content, manifest, layout, changed, pieces)
        unread = set(found.failed(Fault.PASSING))
        lost = [piece for piece in pieces if piece not in found.good and piece not in unread]
        if not counted.isdisjoint(lost):
            why = f"{_name(manifest, layout, changed)} has changed"
            await self._store.lose(content, lost, why)
        # A file that could not be read is neither as it was nor different, as far as we know.
        seen = [n for n, look in _looks(manifest, changed, found).items() if look != UNSEEN]
        different = _different(manifest, {n: changed[n] for n in seen}, set(lost))
        await self.on_looked(content, different, set(seen) - different)

    async def _regain(
        self,
        content: Content,
        manifest: Manifest,
        layout: Layout,
        changed: dict[int, FileStat],
        pieces: list[int],
    ) -> Hashed:
        for number in changed:
            self._store.forget(layout.path_of(manifest.files[number]))
        found = await self._store.read_and_hash(manifest, layout, pieces, lambda _: None)
        # Had they changed again meanwhile, the next look would see other stats than these. Bad
        # files are noted too, or they would be read again at each look.
        looks = {**content.stats, **_looks(manifest, changed, found)}
        if looks != content.stats:
            await self._contents.set_stats(content, looks)
        if failed := found.failed(Fault.DISK):
            self._store.on_unread(content, failed)
        if found.good:
            await self._contents.record(content, sorted(found.good))
            number = len(found.good)
            log.info("pieces count again", manifest=content.id.hex()[:12], pieces=number)
            self._store.on_regained(content)
        return found


def _looks(manifest: Manifest, looks: dict[int, FileStat], found: Hashed) -> dict[int, FileStat]:
    """How files look, but for those that could not be read for now: they are looked at again."""
    unread = set(found.failed(Fault.PASSING, Fault.AWAY))
    if not unread:
        return looks
    noted = dict(looks)
    for number, look in looks.items():
        record = manifest.files[number]
        pieces = manifest.geometry.overlapping(record.offset, record.size)
        if look != GONE and not unread.isdisjoint(pieces):
            noted[number] = UNSEEN
    return noted


def _changed(manifest: Manifest, layout: Layout, stats: dict[int, FileStat]) -> dict[int, FileStat]:
    """The files that do not look as they did, and how they look now."""
    changed: dict[int, FileStat] = {}
    for number, expected in stats.items():
        try:
            found = os.stat(layout.path_of(manifest.files[number]))
            now = FileStat(found.st_size, found.st_mtime_ns)
        except OSError as error:
            if fault_of(error) is Fault.PASSING:
                continue
            now = GONE
        if now != expected:
            changed[number] = now
    return changed


def _changed_folders(folders: list[RecordedFiles]) -> list[Content]:
    """The folders in which a file does not look as it did; blocking."""
    return [each.content for each in folders if not _as_recorded(each)]


def _as_recorded(folder: RecordedFiles) -> bool:
    root = str(folder.content.path)
    for number, size, mtime in folder.stats:
        name = folder.paths[number]
        try:
            found = os.stat(f"{root}/{name}" if name else root)
        except OSError as error:
            # A file that is known to be gone is no news.
            known = (size, mtime) == (GONE.size, GONE.mtime)
            if not known and fault_of(error) is not Fault.PASSING:
                return False
            continue
        if (found.st_size, found.st_mtime_ns) != (size, mtime):
            return False
    return True


def _different(manifest: Manifest, looks: dict[int, FileStat], lost: set[int]) -> set[int]:
    """Those of the files that are not what was shared any more.

    Of files packed into one piece, one that was only touched cannot be told from one that changed.
    """
    found = set()
    for number, look in looks.items():
        record = manifest.files[number]
        pieces = manifest.geometry.overlapping(record.offset, record.size)
        if look.size != record.size or not lost.isdisjoint(pieces):
            found.add(number)
    return found


async def _nothing(*_: object) -> None:
    return None


def _pieces_of(manifest: Manifest, files: list[int]) -> list[int]:
    pieces: set[int] = set()
    for number in files:
        record = manifest.files[number]
        pieces.update(manifest.geometry.overlapping(record.offset, record.size))
    return sorted(pieces)


def _name(manifest: Manifest, layout: Layout, changed: dict[int, FileStat]) -> Path:
    return layout.path_of(manifest.files[min(changed)])
