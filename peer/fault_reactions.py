"""What follows when the scrub, an audit or a doubt finds something: part of `peer.reactions`."""

import structlog

from peer.errors import PeerError
from peer.faults import SEVERAL
from peer.parts import Parts
from peer.settings import Settings
from peer.store.contents import Content
from peer.store.rechecking import Bad
from protocol.entry import Entry, open_record_untrusted
from protocol.ids import ManifestId, PeerId
from protocol.messages.base import Done
from protocol.messages.tracking import Report

log = structlog.get_logger()


class FaultReactions:
    """Ties the parts that look for faults; holds no state of its own."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        parts.rechecking.on_bad = self._rotten
        parts.rechecking.on_healed = parts.health_watch.healed
        parts.store.on_unread = parts.second_looks.note
        # Who asked meanwhile was told that it is not here.
        parts.second_looks.on_readable = parts.links.tell_holds
        parts.proving.on_checked = self._checked
        parts.auditing.on_failed = self._failed
        parts.replication.offering.distrusted = parts.auditing.distrusted
        parts.locking.distrusted = parts.auditing.distrusted

    def take_settings(self, settings: Settings) -> None:
        """The settings have been read."""
        self._parts.scrubbing.set_days(settings.scrub_days)

    async def drop(self, manifest: ManifestId) -> None:
        """What is deleted cannot rot."""
        await self._parts.faults.drop("rot", manifest)
        await self._parts.faults.drop("file", manifest)

    async def _rotten(self, content: Content, bad: Bad) -> None:
        faults, now = self._parts.faults, self._parts.wall()
        if content.path is not None:
            rot = await faults.note("file", content.id, str(content.path), len(bad.pieces), now)
        else:
            name = await self._name_of(content.id)
            rot = await faults.note("rot", content.id, name, len(bad.pieces), now)
        self._parts.events.note("rot", rot.text)
        if bad.by_disk:
            device = bad.device.to_bytes(8)
            fault = await faults.note("disk", device, bad.path, bad.by_disk, now)
            if fault.count - bad.by_disk < SEVERAL <= fault.count:
                self._parts.events.note("disk", fault.text)
            if fault.count >= SEVERAL:
                log.error("a disk fails", path=bad.path, errors=fault.count)

    async def _name_of(self, manifest: ManifestId) -> str:
        for signed in await self._parts.catalogue.naming(manifest):
            record = open_record_untrusted(signed)
            if isinstance(record, Entry):
                return repr(record.name)
        return manifest.hex()[:12]

    def _checked(self, manifest: ManifestId) -> None:
        # The tracker does not count what was reported before it is announced anew.
        self._parts.announcer.mark(manifest)
        self._parts.tracker.mark()

    async def _failed(self, peer: PeerId, manifest: ManifestId, why: str) -> None:
        parts = self._parts
        await parts.faults.note("audit", peer, parts.rosters.name_of(peer), 1, self._parts.wall())
        try:
            await parts.tracker.call(
                lambda call: Report(call=call, peer=peer, manifest=manifest, why=why), Done
            )
        except PeerError as error:
            log.debug("a failed audit is not reported", error=str(error))
