"""Deleting as people do it: rm, the trash, bringing back, emptying, and deciding about bursts."""

import contextlib
from collections.abc import Callable

from peer.approvals import Approvals
from peer.catalogue import Catalogue
from peer.errors import NotFoundError, PeerError, UnreachableError, UsageError
from peer.former import Deleted
from peer.operator.fitting import fit
from peer.operator.lookup import Lookup
from peer.operator.publishing import Publishing
from peer.operator.renditions import Renditions
from peer.roster_book import RosterBook
from peer.store.contents import Contents
from peer.store.piece_store import TRASH_KEPT
from peer.tracker_link import TrackerLink
from peer.trash import Trash
from protocol.approval import MOST_TOMBSTONES, Approval, sign_approval
from protocol.entry import open_record_untrusted
from protocol.errors import RemoteProtocolError
from protocol.hashing import hash_tombstone
from protocol.identity import Identity
from protocol.ids import AuthorKey, PeerId
from protocol.messages.base import Reply
from protocol.messages.deleting import (
    BurstDecided,
    Bursts,
    BurstView,
    DecideBurst,
    GetBursts,
    GetHeld,
    GetTrash,
    Held,
    Purge,
    Purged,
    Removed,
    Restore,
    Restored,
    TrashListed,
    TrashView,
)
from protocol.messages.operating import Remove
from protocol.pictures import rendition_ids

MOST_BURSTS = 100
EXAMPLES = 3
EXAMPLE_LENGTH = 60
SHORTEST_PREFIX = 6


class Deleting:
    """Answers the requests about deletion. `now` gives milliseconds since 1970."""

    def __init__(
        self,
        identity: Identity,
        publishing: Publishing,
        lookup: Lookup,
        catalogue: Catalogue,
        approvals: Approvals,
        trash: Trash,
        contents: Contents,
        rosters: RosterBook,
        tracker: TrackerLink,
        renditions: Renditions,
        now: Callable[[], int],
    ) -> None:
        self._identity = identity
        self._publishing = publishing
        self._lookup = lookup
        self._catalogue = catalogue
        self._approvals = approvals
        self._trash = trash
        self._contents = contents
        self._rosters = rosters
        self._tracker = tracker
        self._renditions = renditions
        self._now = now

    async def answer(
        self, request: Remove | Restore | GetTrash | Purge | GetBursts | DecideBurst
    ) -> Reply:
        """The reply; raises PeerError for what a person must be told instead."""
        match request:
            case Remove():
                return await self.remove(request)
            case Restore():
                return await self.restore(request)
            case GetTrash():
                return await self.trash(request)
            case Purge():
                return await self.purge(request)
            case GetBursts():
                return await self.bursts(request)
            case DecideBurst():
                return await self.decide(request)

    async def remove(self, request: Remove) -> Removed:
        """Delete an entry, as its author or an admin."""
        entry = await self._lookup.entry(request.entry)
        if entry.author != AuthorKey(self._identity.peer):
            for number in rendition_ids(entry).values():
                with contextlib.suppress(NotFoundError, UnreachableError):
                    await self._lookup.entry(number.hex())  # so that it is known here
        held = await self._publishing.delete(
            entry, admin=self._identity.peer in self._rosters.admins()
        )
        if not held:
            await self._trash.settle(entry.manifest)
            self._renditions.mark(entry)
        return Removed(call=request.call, held=held)

    async def restore(self, request: Restore) -> Restored:
        """Bring back a deleted entry, as its author or an admin."""
        undoable = await self._catalogue.find_deleted(self._lookup.parse(request.entry))
        if undoable.original is None:
            raise NotFoundError(
                f"this machine has never seen {undoable.record.id.hex()[:12]} before it was "
                "deleted: restore it on a machine that has it in its trash"
            )
        entry, published = await self._publishing.restore(
            undoable.record,
            undoable.original,
            admin=self._identity.peer in self._rosters.admins(),
        )
        for manifest in (entry.manifest, undoable.record.manifest):
            await self._trash.settle(manifest)
        self._renditions.mark(entry)
        content = self._contents.get(entry.manifest)
        return Restored(
            call=request.call,
            id=entry.id.hex(),
            name=entry.name,
            here=content.bits.count if content else 0,
            published=published,
        )

    async def trash(self, request: GetTrash) -> TrashListed:
        """What this machine keeps of deleted entries: a page."""
        deleted, total = await self._trash.listed(request.start)
        views = tuple(self._view(each) for each in deleted)
        return fit(
            lambda n: TrashListed(call=request.call, entries=views[:n], total=total), len(views)
        )

    async def purge(self, request: Purge) -> Purged:
        """Empty the trash, of one deleted entry or of all."""
        manifests = None
        if request.entry is not None:
            prefix = self._lookup.parse(request.entry)
            deleted = await self._catalogue.find_deleted(prefix)
            manifests = deleted.manifests
            if manifests and all(self._catalogue.copies_wanted(each) for each in manifests):
                raise UsageError("another entry has the same content: it is not in the trash")
            manifests = [*manifests, *await self._renditions.manifests_before(deleted.record)]
        contents, size = await self._trash.purge(manifests)
        if manifests is not None and not contents:
            raise NotFoundError("this machine keeps nothing of that entry in its trash")
        return Purged(call=request.call, contents=contents, bytes=size)

    async def bursts(self, request: GetBursts) -> Bursts:
        """Whose deletions are held, here or at the tracker: of both counts the larger."""
        views = {view.id: view for view in await self._tracker_bursts()}
        for burst in await self._approvals.bursts(MOST_BURSTS, EXAMPLES):
            other = views.get(burst.signer.hex())
            here = tuple(name[:EXAMPLE_LENGTH] for name in burst.examples)
            views[burst.signer.hex()] = BurstView(
                id=burst.signer.hex(),
                name=self._rosters.name_of(burst.signer),
                entries=max(burst.entries, other.entries if other else 0),
                since=min(burst.since, other.since if other else burst.since),
                examples=here or (other.examples if other else ()),
            )
        ordered = tuple(sorted(views.values(), key=lambda view: (view.name, view.id)))
        return fit(lambda n: Bursts(call=request.call, bursts=ordered[:n]), len(ordered))

    async def decide(self, request: DecideBurst) -> BurstDecided:
        """Approve or reject all held deletions of one signer."""
        signer = await self._find_signer(request.target)
        self._approvals.check_may_decide(self._identity.peer, signer)
        hashes = await self._hashes(signer)
        published = True
        for start in range(0, len(hashes), MOST_TOMBSTONES):
            approval = Approval(
                signer=AuthorKey(self._identity.peer),
                deleter=AuthorKey(signer),
                approved=request.approve,
                decided=self._now(),
                tombstones=tuple(hashes[start : start + MOST_TOMBSTONES]),
            )
            signed = sign_approval(approval, self._identity.signing)
            await self._approvals.learn(signed, mine=True)
            published = await self._publishing.send_approval(signed) and published
        name = self._rosters.name_of(signer)
        return BurstDecided(call=request.call, name=name, entries=len(hashes), published=published)

    async def _tracker_bursts(self) -> tuple[BurstView, ...]:
        try:
            reply, _ = await self._tracker.call(lambda call: GetBursts(call=call), Bursts)
        except UnreachableError:
            return ()
        return reply.bursts

    async def _hashes(self, signer: PeerId) -> list[bytes]:
        """What names the deletions of one signer that are held here or at the tracker."""
        found = dict.fromkeys(await self._approvals.hashes(signer))
        after = b""
        try:
            while True:
                page, _ = await self._tracker.call(
                    lambda call, a=after: GetHeld(call=call, after=a),  # type: ignore[misc]
                    Held,
                )
                if not page.records:
                    break
                for signed in page.records:
                    record = open_record_untrusted(signed)
                    if record.id <= after:
                        raise RemoteProtocolError("an entry twice")
                    after = record.id
                    if PeerId(record.signer) == signer:
                        found[hash_tombstone(signed.body)] = None
        except UnreachableError:
            pass
        except RemoteProtocolError as error:
            raise PeerError(f"the tracker holds what is no record: {error}") from None
        return list(found)

    async def _find_signer(self, target: str) -> PeerId:
        there = [PeerId(bytes.fromhex(view.id)) for view in await self._tracker_bursts()]
        signers = list(dict.fromkeys([*await self._approvals.signers(), *there]))
        found = [each for each in signers if self._rosters.name_of(each) == target]
        if not found and len(target) >= SHORTEST_PREFIX:
            found = [each for each in signers if each.hex().startswith(target.lower())]
        if not found:
            raise NotFoundError(f"no deletions by {target!r} are held")
        if len(found) > 1:
            raise UsageError(f"{target!r} could be any of several machines: give the id")
        return found[0]

    def _view(self, deleted: Deleted) -> TrashView:
        entry, trashed = deleted.entry, deleted.trashed
        return TrashView(
            id=entry.id.hex(),
            name=entry.name,
            size=entry.size,
            deleted=deleted.moment,
            by=self._rosters.name_of(deleted.by),
            until=trashed.moment + TRASH_KEPT,
            path=str(trashed.path or ""),
        )
