"""`get --only`: chosen files of a folder, without other pieces than those they lie in.

The pieces go to our own content file, as passing content, and the files are copied out of it. So
what is in the user's folder is whole files only, and what is fetched can be gone on with and served
meanwhile (docs/decisions/0011).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import trio

from peer.errors import PeerError, PieceLostError, UsageError
from peer.operator.fetching import PROGRESS_EVERY, Fetching, check_free
from peer.operator.letting_go import LettingGo
from peer.operator.lookup import Lookup
from peer.operator.patterns import choose
from peer.roster_book import RosterBook
from peer.store.contents import Content, Contents
from peer.store.copying_out import copy_files, pieces_of
from peer.store.file_watch import FileWatch
from peer.store.piece_store import PieceStore
from peer.store.write_errors import DiskFullError
from peer.swarm.download import Download
from peer.swarm.downloads import Downloads
from protocol.entry import Entry
from protocol.ids import PeerId
from protocol.manifest import Manifest
from protocol.messages.operating import Fetch, Fetched, Progress


@dataclass
class _Choice:
    """One request under way."""

    request: Fetch
    entry: Entry
    manifest: Manifest
    files: list[int]
    path: Path
    tell: Callable[[Progress], None]
    senders: set[PeerId] = field(default_factory=set)
    received: int = 0

    def __post_init__(self) -> None:
        self.pieces = pieces_of(self.manifest, self.files)
        self.size = self.bytes_of(self.pieces)

    def bytes_of(self, pieces: list[int]) -> int:
        """How long some pieces are together."""
        return sum(self.manifest.geometry.piece_size(piece) for piece in pieces)

    def missing(self, content: Content | None) -> list[int]:
        """The pieces that are not here."""
        return [piece for piece in self.pieces if content is None or piece not in content.bits]


class Choosing:
    """Downloads of chosen files."""

    def __init__(
        self,
        fetching: Fetching,
        contents: Contents,
        store: PieceStore,
        watch: FileWatch,
        downloads: Downloads,
        letting_go: LettingGo,
        lookup: Lookup,
        rosters: RosterBook,
    ) -> None:
        self._fetching = fetching
        self._contents = contents
        self._store = store
        self._watch = watch
        self._downloads = downloads
        self._letting_go = letting_go
        self._lookup = lookup
        self._rosters = rosters

    async def fetch(self, request: Fetch, tell: Callable[[Progress], None]) -> Fetched:
        """Answer when the chosen files are durable where they were wanted. Raises PeerError."""
        started = trio.current_time()
        if request.path is None:
            raise UsageError("chosen files need a path to go to")
        entry = await self._lookup.entry(request.entry)
        manifest = await self._fetching.manifest(entry)
        files = await trio.to_thread.run_sync(choose, manifest, entry.name, request.only)
        if len(files) == len(manifest.files):
            return await self._fetching.fetch(msgspec.structs.replace(request, only=()), tell)
        choice = _Choice(request, entry, manifest, files, Path(request.path), tell)
        await check_free(choice.path)
        try:
            with self._letting_go.using(manifest.id):
                await self._bring_and_copy(choice)
        except DiskFullError:
            # What came takes the room that is missing.
            await self._letting_go.let_go(manifest.id)
            raise
        except BaseException:
            self._letting_go.stop(manifest.id)
            raise
        await self._letting_go.let_go(manifest.id)
        return Fetched(
            call=request.call,
            id=entry.id.hex(),
            path=str(choice.path),
            files=len(files),
            size=sum(manifest.files[number].size for number in files),
            seconds=round(trio.current_time() - started, 6),
            sources=tuple(sorted(self._rosters.name_of(peer) for peer in choice.senders)),
            received=choice.received,
        )

    async def _bring_and_copy(self, choice: _Choice) -> None:
        content = self._contents.get(choice.manifest.id)
        if content is not None:
            await self._watch.check(content)
        await self._bring(choice)
        try:
            await self._copy(choice)
        except PieceLostError:
            if self._contents.get(choice.manifest.id) is None:
                raise PeerError("the entry was deleted") from None
            # What had rotted here comes from others now.
            await self._bring(choice)
            await self._copy(choice)

    async def _bring(self, choice: _Choice) -> None:
        """Return when every chosen piece counts."""
        manifest = choice.manifest
        while True:
            content = self._contents.get(manifest.id)
            missing = choice.missing(content)
            if content is not None and not missing:
                return
            download = await self._downloads.fetch(
                manifest,
                path=None,
                wanted=missing,
                purpose="get",
                name=choice.entry.name,
                passing=True,
            )
            before = download.received
            await self._wait(choice, download, missing)
            choice.received += download.received - before
            choice.senders |= download.senders
            if download.error is not None and choice.missing(download.content):
                raise download.error

    async def _wait(self, choice: _Choice, download: Download, missing: list[int]) -> None:
        """Tell how far it is until these pieces count, or the download has ended."""
        coming = 0
        while coming < len(missing) and not download.closed.is_set():
            with trio.move_on_after(PROGRESS_EVERY):
                while coming < len(missing):
                    await download.wait_piece(missing[coming])
                    if missing[coming] not in download.content.bits:
                        await download.closed.wait()
                        break
                    coming += 1
            self._tell(choice, download)
        if download.done_bytes >= download.size:
            # It has nothing more to do, and ends its files in a moment.
            await download.closed.wait()

    def _tell(self, choice: _Choice, download: Download) -> None:
        left = choice.bytes_of(choice.missing(download.content))
        choice.tell(
            Progress(
                call=choice.request.call,
                stage="downloading",
                done=choice.size - left,
                total=choice.size,
                text=f"{len(download.sources)} sources",
            )
        )

    async def _copy(self, choice: _Choice) -> None:
        content = self._contents.get(choice.manifest.id)
        if content is None:
            raise PeerError("the entry was deleted")
        done, told = 0, trio.current_time()

        def note(size: int) -> None:
            nonlocal done, told
            done += size
            if trio.current_time() - told >= PROGRESS_EVERY:
                told = trio.current_time()
                call, total = choice.request.call, choice.size
                choice.tell(Progress(call=call, stage="copying", done=done, total=total))

        await copy_files(self._store, content, choice.files, choice.path, note)
