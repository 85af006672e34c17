"""Deleting as people do it: rm, the trash, bringing back, emptying, and deciding about bursts."""

from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from peer.approvals import Approvals
from peer.catalogue import Catalogue
from peer.errors import NotFoundError, PeerError, UnreachableError, UsageError
from peer.operator.fitting import fit
from peer.operator.lookup import Lookup
from peer.operator.publishing import Publishing
from peer.roster_book import RosterBook
from peer.store.contents import Contents
from peer.tracker_link import TrackerLink
from peer.trash import DeletedEntry, Trash
from protocol.approval import MOST_TOMBSTONES, Approval, sign_approval
from protocol.entry import Tombstone, open_record_untrusted
from protocol.errors import RemoteProtocolError
from protocol.hashing import hash_tombstone
from protocol.identity import Identity
from protocol.ids import AuthorKey, EntryId, PeerId
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
from protocol.signing import Signed

EXAMPLES = 3
EXAMPLE_LENGTH = 60
SHORTEST_PREFIX = 6


class _Waiting(NamedTuple):
    """A tombstone that is held here or at the tracker; `since` is milliseconds, 0 if unknown."""

    tombstone: Tombstone
    signed: Signed
    since: int


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
        held = await self._publishing.delete(
            entry, admin=self._identity.peer in self._rosters.admins()
        )
        if not held:
            await self._trash.settle(entry.manifest)
        return Removed(call=request.call, held=held)

    async def restore(self, request: Restore) -> Restored:
        """Bring back a deleted entry, as its author or an admin."""
        tombstone, original = await self._catalogue.find_deleted(self._lookup.parse(request.entry))
        if original is None:
            raise NotFoundError(
                f"this machine has never seen {tombstone.id.hex()[:12]} before it was deleted: "
                "restore it on a machine that has it in its trash"
            )
        entry, published = await self._publishing.restore(
            tombstone, original, admin=self._identity.peer in self._rosters.admins()
        )
        await self._trash.settle(entry.manifest)
        content = self._contents.get(entry.manifest)
        return Restored(
            call=request.call,
            id=entry.id.hex(),
            name=entry.name,
            here=content.bits.count if content else 0,
            published=published,
        )

    async def trash(self, request: GetTrash) -> TrashListed:
        """What this machine keeps of deleted entries."""
        deleted = await self._trash.listed()
        views = tuple(self._view(each) for each in deleted[request.start :])
        return fit(
            lambda n: TrashListed(call=request.call, entries=views[:n], total=len(deleted)),
            len(views),
        )

    async def purge(self, request: Purge) -> Purged:
        """Empty the trash, of one deleted entry or of all."""
        manifest = None
        if request.entry is not None:
            prefix = self._lookup.parse(request.entry)
            manifest = (await self._catalogue.find_deleted(prefix))[0].manifest
            if self._catalogue.copies_wanted(manifest):
                raise UsageError("another entry has the same content: it is not in the trash")
        contents, size = await self._trash.purge(manifest)
        if manifest is not None and not contents:
            raise NotFoundError("this machine keeps nothing of that entry in its trash")
        return Purged(call=request.call, contents=contents, bytes=size)

    async def bursts(self, request: GetBursts) -> Bursts:
        """Whose deletions are held, here or at the tracker."""
        views = []
        for signer, waiting in (await self._waiting()).items():
            since = min((each.since for each in waiting if each.since), default=0)
            names = [await self._name(each.tombstone.id) for each in waiting[:EXAMPLES]]
            view = BurstView(
                id=signer.hex(),
                name=self._rosters.name_of(signer),
                entries=len(waiting),
                since=since,
                examples=tuple(name[:EXAMPLE_LENGTH] for name in names if name),
            )
            views.append(view)
        ordered = tuple(sorted(views, key=lambda view: (view.name, view.id)))
        return fit(lambda n: Bursts(call=request.call, bursts=ordered[:n]), len(ordered))

    async def decide(self, request: DecideBurst) -> BurstDecided:
        """Approve or reject all held deletions of one signer."""
        waiting = await self._waiting()
        signer = self._find_signer(request.target, list(waiting))
        self._approvals.check_may_decide(self._identity.peer, signer)
        hashes = [hash_tombstone(each.signed.body) for each in waiting[signer]]
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

    async def _waiting(self) -> dict[PeerId, list[_Waiting]]:
        """Held tombstones by signer, each entry's once."""
        found: dict[EntryId, _Waiting] = {}
        for signed, since, _ in await self._approvals.held():
            _note(found, signed, since)
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
                    after, before = _note(found, signed, 0), after
                    if after <= before:
                        raise RemoteProtocolError("an entry twice")
        except UnreachableError:
            pass
        except RemoteProtocolError as error:
            raise PeerError(f"the tracker holds what is no tombstone: {error}") from None
        by_signer: dict[PeerId, list[_Waiting]] = defaultdict(list)
        for waiting in found.values():
            by_signer[PeerId(waiting.tombstone.signer)].append(waiting)
        return by_signer

    def _find_signer(self, target: str, signers: list[PeerId]) -> PeerId:
        found = [each for each in signers if self._rosters.name_of(each) == target]
        if not found and len(target) >= SHORTEST_PREFIX:
            found = [each for each in signers if each.hex().startswith(target.lower())]
        if not found:
            raise NotFoundError(f"no deletions by {target!r} are held")
        if len(found) > 1:
            raise UsageError(f"{target!r} could be any of several machines: give the id")
        return found[0]

    async def _name(self, entry: EntryId) -> str:
        known = await self._catalogue.find(entry)
        return getattr(known[0], "name", "") if known else ""

    def _view(self, deleted: DeletedEntry) -> TrashView:
        tombstone, entry = deleted.tombstone, deleted.entry
        return TrashView(
            id=tombstone.id.hex(),
            name=entry.name if entry else "",
            size=entry.size if entry else deleted.trashed.bytes,
            deleted=tombstone.deleted,
            by=self._rosters.name_of(tombstone.signer),
            until=deleted.until,
            path=str(deleted.trashed.path or ""),
        )


def _note(found: dict[EntryId, _Waiting], signed: Signed, since: int) -> EntryId:
    """Note a held tombstone unless one of that entry is; RemoteProtocolError for anything else."""
    record = open_record_untrusted(signed)
    if not isinstance(record, Tombstone):
        raise RemoteProtocolError("an entry that is there")
    found.setdefault(record.id, _Waiting(record, signed, since))
    return record.id
