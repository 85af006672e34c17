"""Making, publishing and deleting this machine's own entries."""

from collections.abc import Awaitable, Callable

import structlog

from peer.catalogue import Catalogue
from peer.errors import NotPermittedError, PeerError, UnreachableError
from peer.store.contents import Contents
from peer.tracker_link import TrackerLink
from protocol.entry import (
    Entry,
    Record,
    Tombstone,
    first_salt,
    open_record_untrusted,
    sign_record,
)
from protocol.hashing import hash_entry
from protocol.identity import Identity
from protocol.ids import AuthorKey, ManifestId
from protocol.manifest import Manifest
from protocol.messages.base import Done
from protocol.messages.operating import Add
from protocol.messages.tracking import Publish, Published, PutManifest
from protocol.signing import Signed

log = structlog.get_logger()


class Publishing:
    """Signs with the machine's key; what the tracker has not confirmed is sent again later."""

    def __init__(
        self,
        identity: Identity,
        catalogue: Catalogue,
        contents: Contents,
        tracker: TrackerLink,
        now: Callable[[], int],
    ) -> None:
        self._identity = identity
        self._catalogue = catalogue
        self._contents = contents
        self._tracker = tracker
        self._now = now
        self.on_deleted: Callable[[ManifestId], Awaitable[None]] = _nothing

    async def publish(
        self, manifest: Manifest, name: str, request: Add, copies: int
    ) -> tuple[Entry, bool]:
        """Make the entry of content just added, or edit the one that is there.

        Also says whether the tracker has it already.
        """
        author = AuthorKey(self._identity.peer)
        salt = first_salt(manifest.id, name)
        known = await self._catalogue.find(hash_entry(author, salt))
        previous = known[0] if known else None
        entry = Entry(
            salt=salt,
            author=author,
            sequence=previous.sequence + 1 if previous else 1,
            name=name,
            caption=request.caption,
            tags=tuple(dict.fromkeys(tag.strip() for tag in request.tags if tag.strip())),
            manifest=manifest.id,
            size=manifest.size,
            pieces=manifest.pieces,
            files=sum(not record.directory for record in manifest.files),
            kind="file" if manifest.single else "folder",
            copies=copies,
            created=previous.created if isinstance(previous, Entry) else self._now(),
        )
        return entry, await self._keep_and_send(entry)

    async def delete(self, entry: Entry) -> None:
        """Sign a tombstone. NotPermittedError when the entry is not this machine's own."""
        if bytes(entry.author) != bytes(self._identity.peer):
            raise NotPermittedError("only the machine that added an entry can delete it")
        await self._keep_and_send(
            Tombstone(
                salt=entry.salt,
                author=entry.author,
                sequence=entry.sequence + 1,
                manifest=entry.manifest,
                deleted=self._now(),
            )
        )
        await self.on_deleted(entry.manifest)

    async def send_unpublished(self) -> None:
        """Tell the tracker what it has not confirmed; UnreachableError when it goes away.

        One that it refuses (it knows a newer record, say) must not keep the others from it.
        """
        sent = b""
        while batch := await self._catalogue.unpublished(sent):
            for signed in batch:
                record = open_record_untrusted(signed)
                sent = record.id
                try:
                    await self._send(signed, record)
                except UnreachableError:
                    raise
                except PeerError as error:
                    log.debug("not published", entry=record.id.hex(), reason=str(error))

    async def _keep_and_send(self, record: Record) -> bool:
        """Keep a record of our own and tell the tracker; False when that has to wait."""
        signed = sign_record(record, self._identity.signing)
        await self._catalogue.learn(signed, mine=True)
        try:
            await self._send(signed, record)
        except UnreachableError as error:
            log.info("will be published later", reason=str(error))
            return False
        return True

    async def _send(self, signed: Signed, record: Record) -> None:
        try:
            reply, _ = await self._tracker.call(
                lambda call: Publish(call=call, record=signed), Published
            )
            if reply.needs_manifest and self._contents.get(record.manifest):
                encoded = (await self._contents.manifest(record.manifest)).encoded
                await self._tracker.call(
                    lambda call: PutManifest(
                        call=call, length=len(encoded), manifest=record.manifest
                    ),
                    Done,
                    encoded,
                )
        except UnreachableError:
            raise
        except PeerError as error:
            log.error("the tracker refuses an entry", reason=str(error))
            raise
        await self._catalogue.mark_published(record)


async def _nothing(_: ManifestId) -> None:
    return None
