"""`get`, and reading for the page: an entry's bytes, from wherever they are."""

import errno
from collections.abc import Callable
from pathlib import Path

import structlog
import trio

from peer.errors import NotFoundError, PeerError, PieceLostError, UnreachableError, UsageError
from peer.operator.letting_go import LettingGo
from peer.operator.lookup import Lookup
from peer.presence import Presence
from peer.roster_book import RosterBook
from peer.store.contents import Content, Contents
from peer.store.file_watch import FileWatch
from peer.store.piece_store import PieceStore
from peer.swarm.download import Download
from peer.swarm.downloads import Downloads
from peer.swarm.handing_on import HandingOn
from peer.swarm.links import Links
from peer.tracker_link import TrackerLink
from protocol.entry import Entry
from protocol.errors import RemoteProtocolError
from protocol.ids import ManifestId, PeerId
from protocol.manifest import FileRecord, Manifest, decode_manifest_untrusted
from protocol.messages.operating import Fetch, Fetched, Progress, Read, Readable
from protocol.messages.shared import GetManifest, ManifestDocument

log = structlog.get_logger()

PROGRESS_EVERY = 0.25
WHY_SHOWN = 10
MANIFEST_AGAIN = (0.3, 2.0)
"""Pauses in seconds before machines that were not reached are asked again for a manifest.

Two that dial each other at once keep one connection: what was asked for on the other is lost.
"""


class Fetching:
    """Downloads for people: to a path, into the store, or just ahead of a reader."""

    def __init__(
        self,
        contents: Contents,
        store: PieceStore,
        watch: FileWatch,
        downloads: Downloads,
        links: Links,
        lookup: Lookup,
        tracker: TrackerLink,
        rosters: RosterBook,
        letting_go: LettingGo,
        presence: Presence,
        handing_on: HandingOn,
    ) -> None:
        self._contents = contents
        self._store = store
        self._watch = watch
        self._downloads = downloads
        self._links = links
        self._lookup = lookup
        self._tracker = tracker
        self._rosters = rosters
        self._letting_go = letting_go
        self._presence = presence
        self._handing_on = handing_on

    async def fetch(self, request: Fetch, tell: Callable[[Progress], None]) -> Fetched:
        """Answer when every piece is durable where it was wanted. Raises PeerError."""
        started = trio.current_time()
        seen = await self._lookup.seen(request.entry)
        if seen is not None:
            self._approach(seen, ())
        else:
            self._downloads.reach_few(self._presence.live())
        entry, holders = await self._lookup.entry_and_holders(request.entry)
        await self._handing_on.want(entry.manifest)
        if seen is None:
            self._approach(entry, holders)
        path = Path(request.path) if request.path else None
        manifest = await self.manifest(entry)
        download = await self._have(entry, manifest, path, request.call, tell)
        if path is not None:
            try:
                await self._copy_to(manifest.id, path)
            except PieceLostError:
                # What had rotted here comes from others now.
                download = await self._have(entry, manifest, path, request.call, tell)
                await self._copy_to(manifest.id, path)
        senders = download.senders if download else set()
        return Fetched(
            call=request.call,
            id=entry.id.hex(),
            path=str(path) if path else None,
            files=entry.files,
            size=entry.size,
            seconds=round(trio.current_time() - started, 6),
            sources=tuple(sorted(self._rosters.name_of(peer) for peer in senders)),
            received=download.received if download else 0,
            twice=download.twice if download else 0,
        )

    def _approach(self, entry: Entry, holders: tuple[PeerId, ...]) -> None:
        if self._contents.get(entry.manifest) is None:
            self._downloads.approach(entry.manifest, holders)

    async def read(self, request: Read) -> Readable:
        """Answer when the byte at `offset` of a file is here. Raises PeerError."""
        entry = await self._lookup.entry(request.entry)
        manifest = await self.manifest(entry)
        if request.file >= len(manifest.files) or manifest.files[request.file].directory:
            raise NotFoundError(f"{entry.name} has no file number {request.file}")
        record = manifest.files[request.file]
        self._letting_go.note_read(manifest.id)
        content = self._contents.get(manifest.id)
        if content is not None:
            await self._contents.set_passing(content, False)
            await self._watch.check(content)
        if content is None or not content.complete:
            content = await self._read_ahead(entry, manifest, record, request.offset)
        _, layout = await self._contents.opened(manifest.id)
        length = self._verified_run(content, manifest, record, request.offset)
        found = layout.segments(record.offset + request.offset, length) if length else []
        pieces = manifest.geometry.overlapping(record.offset, record.size)
        return Readable(
            call=request.call,
            path=str(found[0].path if found else layout.root),
            position=found[0].position if found else 0,
            length=length,
            size=record.size,
            complete=all(piece in content.bits for piece in pieces),
        )

    def _verified_run(
        self, content: Content, manifest: Manifest, record: FileRecord, offset: int
    ) -> int:
        """How many bytes of a file from `offset` on are here without a gap."""
        if offset >= record.size:
            return 0
        running = self._downloads.find(manifest.id)
        start = record.offset + offset
        end = record.offset + record.size
        piece = start // manifest.geometry.piece_length
        while piece * manifest.geometry.piece_length < end and (
            piece in content.bits or (running is not None and running.is_readable(piece))
        ):
            piece += 1
        return max(0, min(end, piece * manifest.geometry.piece_length) - start)

    async def manifest(self, entry: Entry) -> Manifest:
        """An entry's manifest: from here, from the tracker, or from any peer that has it."""
        if self._contents.get(entry.manifest) is not None:
            return await self._contents.manifest(entry.manifest)
        try:
            _, encoded = await self._tracker.call(
                lambda call: GetManifest(call=call, manifest=entry.manifest), ManifestDocument
            )
            return decode_manifest_untrusted(encoded, entry.manifest)
        except (UnreachableError, NotFoundError, RemoteProtocolError):
            return await self._manifest_from_peers(entry.manifest)

    async def _manifest_from_peers(self, manifest: ManifestId) -> Manifest:
        asked = self._presence.others()
        again: set[PeerId] = set()
        why: dict[PeerId, str] = {}
        for pause in (*MANIFEST_AGAIN, None):
            cut = set()
            for peer in asked:
                again.discard(peer)
                link = None
                try:
                    link = await self._links.connect(peer)
                    _, encoded = await link.calls.call(
                        lambda call: GetManifest(call=call, manifest=manifest), ManifestDocument
                    )
                    return decode_manifest_untrusted(encoded, manifest)
                except (PeerError, RemoteProtocolError) as error:
                    why[peer] = str(error)
                if link is None:
                    again.add(peer)
                elif link.closed:
                    cut.add(peer)
            again |= cut
            if pause is None or not again:
                break
            await trio.sleep(pause)
            # Who could not be dialled may have dialled us meanwhile.
            asked = [peer for peer in again if peer in cut or self._links.find(peer)]
        some = {self._rosters.name_of(peer): why[peer] for peer in list(why)[:WHY_SHOWN]}
        log.info("no machine gave the manifest", asked=len(why), why=some)
        raise UnreachableError("no machine that has this entry can be reached")

    async def _copy_to(self, manifest: ManifestId, path: Path) -> None:
        """Bring what is here in full to a path, unless it lies there already."""
        content = self._contents.get(manifest)
        if content is None or not content.complete:
            raise PeerError("the download ended before everything was here")
        if content.path != path:
            await check_free(path)
            await self._store.copy_out(content, path)

    async def _have(
        self,
        entry: Entry,
        manifest: Manifest,
        path: Path | None,
        call: int,
        tell: Callable[[Progress], None],
    ) -> Download | None:
        """Bring every piece here; the download that did, None if nothing was missing."""
        content = await self._to_stay(manifest, path)
        if content is not None:
            await self._watch.check(content)
        if content is not None and content.complete:
            return None
        resuming = content is not None and content.path == path and not content.stats
        if path is not None and not resuming:
            await check_free(path)
        download = None
        while content is None or not content.complete:
            download = await self._downloads.fetch(
                manifest, path=path, wanted=None, purpose="get", name=entry.name
            )
            await _report(download, call, tell)
            if download.error is not None:
                raise download.error
            content = download.content
        await self._contents.set_passing(content, False)
        return download

    async def _to_stay(self, manifest: Manifest, path: Path | None) -> Content | None:
        """What is here already. What is only passing stays now, or makes way for a user's path."""
        content = self._contents.get(manifest.id)
        if content is None or not content.passing:
            return content
        if path is not None and await self._letting_go.let_go(manifest.id):
            return None
        await self._contents.set_passing(content, False)
        return content

    async def _read_ahead(
        self, entry: Entry, manifest: Manifest, record: FileRecord, offset: int
    ) -> Content:
        piece = (record.offset + offset) // manifest.geometry.piece_length
        while True:
            download = await self._downloads.fetch(
                manifest, path=None, wanted=None, purpose="get", name=entry.name
            )
            if offset >= record.size:
                return download.content
            if not download.is_readable(piece):
                with self._downloads.reading():
                    await download.read_from(piece)
            if download.is_readable(piece):
                return download.content
            # One that had been begun for other pieces may end without this one.
            await download.closed.wait()
            if download.error is not None:
                raise download.error


async def _report(download: Download, call: int, tell: Callable[[Progress], None]) -> None:
    """Tell how far a download is until nothing more is done to its files."""
    while not download.closed.is_set():
        with trio.move_on_after(PROGRESS_EVERY):
            await download.closed.wait()
        tell(
            Progress(
                call=call,
                stage="downloading",
                done=download.done_bytes,
                total=download.size,
                text=f"{len(download.sources)} sources",
            )
        )


async def check_free(path: Path) -> None:
    """A download never writes over what is there."""
    if not path.is_absolute() or ".." in path.parts:
        # A ".." after a folder that is not there yet would lead somewhere else once it is.
        raise UsageError(f"{path} is not an absolute path without '..'")
    try:
        exists = await trio.to_thread.run_sync(lambda: path.exists() or path.is_symlink())
        if exists:
            raise PeerError(f"{path} exists already; give another path with -o")
        await trio.to_thread.run_sync(lambda: path.parent.mkdir(parents=True, exist_ok=True))
    except OSError as error:
        reason = "a name is too long" if error.errno == errno.ENAMETOOLONG else error.strerror
        raise PeerError(f"cannot write to {path}: {reason}") from None
