"""What follows from deletions, here and on other machines: that part of `peer.reactions`."""

from collections.abc import Callable

import structlog

from peer.errors import PeerError
from peer.parts import Parts
from peer.store.contents import Content
from peer.swarm.peer_link import PeerLink
from protocol.entry import Record
from protocol.ids import ManifestId
from protocol.messages.deleting import ApprovalPassedOn, RecordPassedOn
from protocol.signing import Signed

log = structlog.get_logger()


class DeletionReactions:
    """Ties catalogue, approvals and trash to the links. `gained` tells all of new pieces."""

    def __init__(self, parts: Parts, gained: Callable[[Content], None]) -> None:
        self._parts = parts
        self._gained = gained
        parts.catalogue.on_recounted = self._recounted
        parts.catalogue.on_undone = self._pass_on
        parts.approvals.on_decided = self._pass_on_approval
        parts.trash.on_taken_back = self._taken_back
        parts.lookup.settle_trash = parts.trash.settle
        parts.replication.take_back = parts.trash.mark

    async def take_record(self, signed: Signed) -> None:
        """A peer passed on a tombstone, or an entry that is there again."""
        try:
            await self._parts.catalogue.learn(signed)
        except PeerError as error:
            log.info("record from a peer refused", reason=str(error))

    async def take_approval(self, signed: Signed) -> None:
        """Somebody has decided about deletions that were held."""
        try:
            await self._parts.approvals.learn(signed)
        except PeerError as error:
            log.warning("approval refused", reason=str(error))

    def tell(self, link: PeerLink) -> None:
        """Tell a peer that was away what was decided and undone meanwhile."""
        for approval in self._parts.approvals.newest:
            link.put(ApprovalPassedOn(approval=approval))
        for record in self._parts.catalogue.undone_lately:
            link.put(RecordPassedOn(record=record))

    def _recounted(self, manifest: ManifestId) -> None:
        self._parts.replication.wake(manifest)
        self._parts.trash.mark(manifest)

    def _pass_on(self, record: Record, signed: Signed) -> None:
        self._parts.renditions.noticed(record)
        for link in self._parts.links.all():
            link.put(RecordPassedOn(record=signed))

    def _pass_on_approval(self, signed: Signed) -> None:
        for link in self._parts.links.all():
            link.put(ApprovalPassedOn(approval=signed))

    async def _taken_back(self, content: Content) -> None:
        """Count it again; a user's files are looked at first, as they may have changed."""
        for peer in self._parts.replication.confirmed(content.id):
            # What others held when it was deleted they may have emptied from their trash.
            self._parts.replication.dropped(peer, content.id)
        if content.path is not None:
            await self._parts.watch.check(content)
        self._gained(content)
        self._parts.replication.refetch(content)
