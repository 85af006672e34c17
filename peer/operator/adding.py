"""`add`: from a path to a published entry, and the wait until it has its copies."""

import math
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import trio

from peer.errors import PeerError, UsageError
from peer.notices import Notices
from peer.operator.letting_go import LettingGo
from peer.operator.lookup import Lookup
from peer.operator.publishing import Publishing
from peer.store.contents import Content
from peer.store.importing import ImportedCopy
from peer.store.piece_store import PieceStore
from peer.store.splitter import FileStat, Survey, split, survey
from peer.swarm.downloads import Downloads
from peer.swarm.handing_on import HandingOn
from protocol.entry import Entry
from protocol.manifest import Manifest
from protocol.messages.operating import Add, Added, EntryView, Progress
from protocol.paths import clean_name

PROGRESS_EVERY = 0.25
LOOK_EVERY = 0.3
COPY = "import-"
"""How the names of copies under way begin, in the spool."""
CLEAN_UP = 10.0


class Adding:
    """Shares files, in place or out of the spool."""

    def __init__(
        self,
        store: PieceStore,
        downloads: Downloads,
        publishing: Publishing,
        letting_go: LettingGo,
        notices: Notices,
        lookup: Lookup,
        handing_on: HandingOn,
        default_copies: Callable[[], int],
        spool: Path,
    ) -> None:
        self._store = store
        self._downloads = downloads
        self._publishing = publishing
        self._letting_go = letting_go
        self._notices = notices
        self._lookup = lookup
        self._handing_on = handing_on
        self._default_copies = default_copies
        self._spool = spool
        self.on_added: Callable[[Content], None] = lambda _: None
        """Called with content that is here in full."""

    async def add(self, request: Add, tell: Callable[[Progress], None]) -> Added:
        """Do it all. Raises PeerError; progress goes to `tell`."""
        started = trio.current_time()
        path = Path(request.path)
        if not path.is_absolute() or "\0" in request.path:
            raise UsageError(f"{path} is not an absolute path", "path")
        if request.owned and path.parent != self._spool:
            raise UsageError("only what lies in the spool can become the store's own")
        name = clean_name(request.name or path.name or "unnamed")
        found = await trio.to_thread.run_sync(survey, path)
        copy = None
        # The files of a spooled folder are not laid out as a content file is.
        if (request.owned and not found.single) or (request.keep and not request.owned):
            copy = ImportedCopy(found, self._spool / f"{COPY}{secrets.token_hex(16)}")
        try:
            manifest = await self._split(found, request, tell, copy)
            entry, published = await self._publish(found, manifest, name, request, copy)
        finally:
            if copy is not None:
                with trio.CancelScope(shield=True):
                    await self._store.in_thread(copy.remove)
        seconds = trio.current_time() - started
        view = self._lookup.local_view(entry)
        if request.wait:
            view = await self._wait_copies(view, request, tell)
        return Added(
            call=request.call,
            entry=view,
            published=published,
            skipped=tuple(found.skipped[:100]),
            seconds=round(seconds, 6),
        )

    def clear_copies(self) -> None:
        """Remove what a stop left of copies under way."""
        for path in self._spool.glob(COPY + "*"):
            path.unlink(missing_ok=True)

    async def _publish(
        self,
        found: Survey,
        manifest: Manifest,
        name: str,
        request: Add,
        copy: ImportedCopy | None,
    ) -> tuple[Entry, bool]:
        """Hold the content and make its entry; without the one, the other does not stay."""
        copies = request.copies or self._default_copies()
        try:
            with self._letting_go.using(manifest.id):
                content = await self._hold(found, manifest, request, copy)
                made = await self._publishing.publish(manifest, name, request, copies)
                await self._store.contents.set_passing(content, False)
                await self._handing_on.want(manifest.id)
        except BaseException:
            with trio.move_on_after(CLEAN_UP, shield=True):
                await self._letting_go.settle(manifest.id)
            raise
        await self._notices.drop(manifest.id)
        self.on_added(content)
        return made

    async def _split(
        self,
        found: Survey,
        request: Add,
        tell: Callable[[Progress], None],
        copy: ImportedCopy | None,
    ) -> Manifest:
        stage: Literal["hashing", "copying"] = "copying" if copy else "hashing"
        state = {"done": 0, "total": found.size, "stop": False}

        def note(done: int, total: int) -> None:
            state["done"], state["total"] = max(done, state["done"]), total

        async def report() -> None:
            while True:
                try:
                    await trio.sleep(PROGRESS_EVERY)
                except trio.Cancelled:
                    # The thread is not cancelled with us, and a daemon that stops waits for it.
                    state["stop"] = True
                    raise
                tell(
                    Progress(
                        call=request.call,
                        stage=stage,
                        done=state["done"],
                        total=state["total"],
                    )
                )

        def stopped() -> bool:
            return bool(state["stop"])

        def work() -> Manifest | PeerError:
            try:
                if copy is None:
                    return split(found, progress=note, cancelled=stopped)
                copy.begin()
                return split(found, progress=note, cancelled=stopped, read=copy.read)
            except PeerError as error:
                # Raised in the nursery it would come out as a group, which nobody expects.
                return error

        async with trio.open_nursery() as nursery:
            nursery.start_soon(report)
            result = await trio.to_thread.run_sync(work)
            nursery.cancel_scope.cancel()
        if isinstance(result, PeerError):
            raise result
        return result

    async def _hold(
        self, found: Survey, manifest: Manifest, request: Add, copy: ImportedCopy | None
    ) -> Content:
        contents = self._store.contents
        known = contents.get(manifest.id)
        if known is not None and known.complete and (copy is None or known.path is None):
            return known
        running = self._downloads.find(manifest.id)
        if running is not None:
            self._downloads.stop(manifest.id, "the same content was added here")
            await running.closed.wait()
        if copy is not None:
            return await self._store.adopt(copy.path, manifest, passing=True)
        if request.owned:
            # Its name in the spool stays: who put it there takes it away once it is an entry, and
            # asks again if a stop came before that.
            return await self._store.adopt(found.root, manifest, passing=True, keep_name=True)
        stats: dict[int, FileStat] = {
            number: stat
            for number, (record, stat) in enumerate(zip(found.files, found.stats, strict=True))
            if not record.directory
        }
        return await contents.add(manifest, found.root, full=True, stats=stats)

    async def _wait_copies(
        self, view: EntryView, request: Add, tell: Callable[[Progress], None]
    ) -> EntryView:
        told = 0.0
        while True:
            view = await self._lookup.view(view.id)
            if view.copies.have >= view.copies.want:
                return view
            now = trio.current_time()
            if now - told > 1.0 or math.isclose(told, 0.0):
                told = now
                text = f"{view.copies.have} of {view.copies.want} copies"
                pieces = view.pieces * view.copies.want
                held = sum(min(h.pieces, view.pieces) for h in view.holders if h.state == "live")
                tell(
                    Progress(
                        call=request.call,
                        stage="replicating",
                        done=min(held, pieces),
                        total=pieces,
                        text=text,
                    )
                )
            await trio.sleep(LOOK_EVERY)
