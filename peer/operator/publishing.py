"""Making, publishing, deleting and restoring entries: everything this machine signs."""

from collections.abc import Callable, Iterable, Sequence

import msgspec
import structlog
import trio

from peer.approvals import Approvals
from peer.catalogue import Catalogue
from peer.errors import (
    NotFoundError,
    NotPermittedError,
    PeerError,
    UnreachableError,
    UsageError,
)
from peer.store.contents import Contents
from peer.tracker_link import TrackerLink
from protocol.entry import (
    Entry,
    Record,
    Tombstone,
    first_salt,
    open_record_untrusted,
    sign_record,
    sign_restoration,
    what_author_signed,
)
from protocol.hashing import hash_entry
from protocol.identity import Identity
from protocol.ids import AuthorKey, EntryId, ManifestId
from protocol.manifest import SMALL_MANIFEST, Manifest
from protocol.messages.base import Done
from protocol.messages.deleting import PublishApproval
from protocol.messages.operating import Add
from protocol.messages.tracking import Publish, Published, PutManifest
from protocol.pictures import Picture, rendition_salt
from protocol.signing import Signed

log = structlog.get_logger()
AT_ONCE = 16
"""Records that are sent again before the first is answered."""


class Publishing:
    """Signs with the machine's key; what the tracker has not confirmed is sent again later."""

    def __init__(
        self,
        identity: Identity,
        catalogue: Catalogue,
        contents: Contents,
        approvals: Approvals,
        tracker: TrackerLink,
        now: Callable[[], int],
    ) -> None:
        self._identity = identity
        self._catalogue = catalogue
        self._contents = contents
        self._approvals = approvals
        self._tracker = tracker
        self._now = now
        self._one_manifest = trio.Lock()
        """Manifests may be large: there is one in memory, or on its way, at a time."""

    async def publish(
        self, manifest: Manifest, name: str, request: Add, copies: int
    ) -> tuple[Entry, bool]:
        """Make the entry of content just added, or edit the one that is there.

        Also says whether the tracker has it already.
        """
        author = AuthorKey(self._identity.peer)
        salt, original = first_salt(manifest.id, name), None
        if request.picture is not None and request.picture.of is not None:
            original = await self._picture(EntryId(request.picture.of))
            salt = _salt_of(request.picture, original)
            copies = original.copies
        known = await self._catalogue.find(hash_entry(author, salt))
        previous = known[0] if known else None
        if original and isinstance(previous, Entry) and previous.manifest == manifest.id:
            return previous, True
        entry = Entry(
            salt=salt,
            author=author,
            sequence=await self._catalogue.newest_sequence(hash_entry(author, salt)) + 1,
            name=name,
            caption=request.caption,
            tags=tidy_tags(request.tags),
            manifest=manifest.id,
            size=manifest.size,
            pieces=manifest.pieces,
            files=sum(not record.directory for record in manifest.files),
            kind="file" if manifest.single else "folder",
            copies=copies,
            created=previous.created if isinstance(previous, Entry) else self._now(),
            edited=self._now() if isinstance(previous, Entry) else 0,
            picture=request.picture or (previous.picture if isinstance(previous, Entry) else None),
        )
        published = await self._keep_and_send(entry, sign_record(entry, self._identity.signing))
        if original and not await self._catalogue.live_of([original.id]):
            await self.delete(entry, admin=False)
            raise _no_picture()
        return entry, published

    async def _picture(self, number: EntryId) -> Entry:
        """The picture of this machine's own that a rendition belongs to."""
        original = (await self._catalogue.live_of([number])).get(number)
        if original is None or original.author != AuthorKey(self._identity.peer):
            raise _no_picture()
        return original

    async def edit(
        self, entry: Entry, *, name: str, caption: str, tags: tuple[str, ...]
    ) -> tuple[Entry, bool]:
        """Say something else of an entry of our own; also whether the tracker has it already."""
        said = {field: getattr(entry, field) for field in Entry.__struct_fields__}
        said |= {"name": name, "caption": caption, "tags": tags, "edited": self._now()}
        said["sequence"] = await self._catalogue.newest_sequence(entry.id) + 1
        # Not `replace`: what an admin restored is of another type, and the author's again now.
        edited = Entry(**said)
        return edited, await self._keep_and_send(
            edited, sign_record(edited, self._identity.signing)
        )

    async def delete(self, entry: Entry, *, admin: bool) -> bool:
        """Sign a tombstone; whether it is held, as one of a burst.

        NotPermittedError when the entry is not this machine's own, unless that is an `admin`.
        """
        by = self._signer_for(entry.author, admin=admin)
        if self._catalogue.is_held(entry.id):
            return True
        tombstone = Tombstone(
            salt=entry.salt,
            author=entry.author,
            sequence=await self._catalogue.newest_sequence(entry.id) + 1,
            manifest=entry.manifest,
            deleted=self._now(),
            by=by,
        )
        signed = sign_record(tombstone, self._identity.signing)
        try:
            held = (await self._send(signed, tombstone)).held
        except UnreachableError as error:
            log.info("will be published later", reason=str(error))
            await self._catalogue.learn(signed, mine=True)
        else:
            await self._catalogue.learn(signed, hold=held)
        return self._catalogue.is_held(entry.id)

    async def restore(self, newest: Record, original: Signed, *, admin: bool) -> tuple[Entry, bool]:
        """Bring back an entry as `original` says; also whether the tracker knows.

        NotPermittedError as for `delete`.
        """
        by = self._signer_for(newest.author, admin=admin)
        sequence = await self._catalogue.newest_sequence(newest.id) + 1
        if by is None:
            entry = open_record_untrusted(what_author_signed(original))
            mine = msgspec.structs.replace(entry, sequence=sequence)
            signed = sign_record(mine, self._identity.signing)
        else:
            signed = sign_restoration(original, sequence, self._identity.signing)
        record = open_record_untrusted(signed)
        if not isinstance(record, Entry):
            raise PeerError("only an entry can be restored")
        return record, await self._keep_and_send(record, signed)

    async def send_approval(self, signed: Signed) -> bool:
        """Tell the tracker what was decided; False when that has to wait."""
        try:
            await self._tracker.call(lambda call: PublishApproval(call=call, approval=signed), Done)
        except UnreachableError:
            return False
        await self._approvals.mark_published(signed)
        return True

    async def send_unpublished(self) -> None:
        """Tell the tracker what it has not confirmed; UnreachableError when it goes away.

        One that it refuses (it knows a newer record, say) must not keep the others from it.
        """
        for approval in await self._approvals.unpublished():
            try:
                await self.send_approval(approval)
            except PeerError as error:
                log.warning("the tracker refuses an approval", reason=str(error))
        for unpublished in (self._catalogue.unpublished, self._approvals.held_unpublished):
            sent = b""
            while batch := await unpublished(sent):
                sent = open_record_untrusted(batch[-1]).id
                await self._send_all(batch)

    async def _send_all(self, batch: Sequence[Signed]) -> None:
        """Send records again, some at once; UnreachableError when the tracker goes away."""
        left = iter(batch)
        gone: list[UnreachableError] = []

        async def send_some() -> None:
            for signed in left:
                try:
                    await self._send_again(signed)
                except UnreachableError as error:
                    gone.append(error)
                if gone:
                    return

        async with trio.open_nursery() as nursery:
            for _ in range(AT_ONCE):
                nursery.start_soon(send_some)
        if gone:
            raise gone[0]

    async def _send_again(self, signed: Signed) -> None:
        record = open_record_untrusted(signed)
        try:
            await self._send(signed, record)
        except UnreachableError:
            raise
        except PeerError as error:
            log.debug("not published", entry=record.id.hex(), reason=str(error))

    def _signer_for(self, author: AuthorKey, *, admin: bool) -> AuthorKey | None:
        """Who a record about an entry has to say signed it: None for its author, else us."""
        me = AuthorKey(self._identity.peer)
        if author == me:
            return None
        if not admin:
            raise NotPermittedError(
                "only the machine that added an entry can do this, or an admin: "
                "twofold-tracker admin"
            )
        return me

    async def _keep_and_send(self, record: Record, signed: Signed) -> bool:
        """Keep a record of our own and tell the tracker; False when that has to wait."""
        await self._catalogue.learn(signed, mine=True)
        try:
            await self._send(signed, record)
        except UnreachableError as error:
            log.info("will be published later", reason=str(error))
            return False
        return True

    async def _send(self, signed: Signed, record: Record) -> Published:
        manifest = await self._to_bring(record)
        try:
            reply, _ = await self._tracker.call(
                lambda call: Publish(call=call, record=signed, manifest=manifest), Published
            )
            if reply.needs_manifest and self._contents.get(record.manifest):
                await self._send_manifest(record.manifest)
        except UnreachableError:
            raise
        except PeerError as error:
            log.error("the tracker refuses an entry", reason=str(error))
            raise
        # One that is held changed nothing there yet.
        await self._catalogue.mark_published(record, listed=not reply.held)
        return reply

    async def _send_manifest(self, manifest: ManifestId) -> None:
        async with self._one_manifest:
            encoded = (await self._contents.manifest(manifest)).encoded
            await self._tracker.call(
                lambda call: PutManifest(call=call, length=len(encoded), manifest=manifest),
                Done,
                encoded,
            )

    async def _to_bring(self, record: Record) -> bytes:
        """The manifest to send with a record, encoded: that of a new entry, if it is small."""
        if not isinstance(record, Entry) or record.sequence > 1:
            return b""
        async with self._one_manifest:
            try:
                encoded = (await self._contents.manifest(record.manifest)).encoded
            except KeyError:
                return b""
        return encoded if len(encoded) <= SMALL_MANIFEST else b""


def _salt_of(picture: Picture, original: Entry) -> bytes:
    if picture.quality == "original" or original.is_rendition:
        raise UsageError("a rendition needs a quality of its own, and a picture")
    return rendition_salt(original.id, original.manifest, picture.quality)


def _no_picture() -> NotFoundError:
    return NotFoundError("the picture that this was made of is no entry of this machine any more")


def tidy_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Each tag once, without white space around it."""
    return tuple(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))
