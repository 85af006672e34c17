"""Renditions go with their picture when that is deleted, and come back with it.

This machine sees to those of its own pictures, also after a stop; to those of others only when an
operator here has deleted or restored the picture as an admin.
"""

import structlog
import trio

from peer.catalogue import Catalogue
from peer.errors import NotPermittedError, PeerError
from peer.operator.publishing import Publishing
from peer.roster_book import RosterBook
from peer.trash import Trash
from protocol.entry import Entry, Record, Tombstone
from protocol.errors import RemoteProtocolError
from protocol.ids import AuthorKey, EntryId, ManifestId, PeerId
from protocol.pictures import ids_of_renditions

log = structlog.get_logger()

_AT_ONCE = 500


class Renditions:
    """Follows the catalogue: `mark` what was deleted or restored, `run` does the rest."""

    def __init__(
        self,
        me: PeerId,
        publishing: Publishing,
        catalogue: Catalogue,
        rosters: RosterBook,
        trash: Trash,
    ) -> None:
        self._me = AuthorKey(me)
        self._publishing = publishing
        self._catalogue = catalogue
        self._rosters = rosters
        self._trash = trash
        self._marked: dict[EntryId, Record] = {}
        self._wake = trio.Event()

    def noticed(self, record: Record) -> None:
        """A deletion came to effect, or an entry is there again."""
        if record.author == self._me:
            self.mark(record)

    def mark(self, record: Record) -> None:
        """Do the same with its renditions soon, as its author or an admin."""
        self._marked[record.id] = record
        self._wake.set()

    async def run(self) -> None:
        """Settle what an earlier run had not come to, and then whatever is marked."""
        await self._mark_left_over()
        while True:
            self._wake = trio.Event()
            while self._marked:
                _, record = self._marked.popitem()
                try:
                    await self._follow(record)
                except (PeerError, RemoteProtocolError, OSError) as error:
                    log.warning("renditions not settled", entry=record.id.hex(), why=str(error))
            await self._wake.wait()

    async def manifests_before(self, record: Record) -> list[ManifestId]:
        """What the deleted renditions of a picture named."""
        found: list[ManifestId] = []
        for number in ids_of_renditions(record).values():
            known = await self._catalogue.find(number)
            if known is not None and isinstance(known[0], Tombstone):
                found += (await self._catalogue.find_deleted(number)).manifests
        return found

    async def _mark_left_over(self) -> None:
        """Pictures that were deleted just before a stop, whose renditions are still there."""
        last = EntryId(b"")
        while portion := await self._catalogue.live_after(last, _AT_ONCE, renditions=True):
            last = portion[-1].id
            for each in portion:
                if each.author == self._me and each.picture and each.picture.of:
                    known = await self._catalogue.find(EntryId(each.picture.of))
                    if known is not None and isinstance(known[0], Tombstone):
                        self.mark(known[0])

    async def _follow(self, record: Record) -> None:
        newest = await self._catalogue.find(record.id)
        if newest is None:
            return
        for number in ids_of_renditions(newest[0]).values():
            rendition = await self._catalogue.find(number)
            try:
                if rendition is not None and isinstance(newest[0], Tombstone):
                    await self._delete(rendition[0])
                elif rendition is not None and isinstance(rendition[0], Tombstone):
                    await self._restore(rendition[0])
            except NotPermittedError:
                return

    async def _delete(self, rendition: Record) -> None:
        if isinstance(rendition, Entry):
            await self._publishing.delete(rendition, admin=self._is_admin())
            await self._trash.settle(rendition.manifest)

    async def _restore(self, tombstone: Tombstone) -> None:
        undoable = await self._catalogue.find_deleted(tombstone.id)
        if undoable.original is not None:
            made = await self._publishing.restore(
                tombstone, undoable.original, admin=self._is_admin()
            )
            await self._trash.settle(made[0].manifest)

    def _is_admin(self) -> bool:
        return PeerId(self._me) in self._rosters.admins()
