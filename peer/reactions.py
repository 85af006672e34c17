"""What follows from what: the parts of the peer tell one another through here, and only here."""

import structlog

from peer.parts import Parts, now_ms
from peer.store.contents import Content
from peer.swarm.peer_link import PeerLink
from peer.swarm.services import PeerServices
from protocol.entry import Tombstone
from protocol.errors import RemoteProtocolError
from protocol.ids import ManifestId
from protocol.messages.shared import GetMachines, Machines
from protocol.messages.tracking import EntryChanged, PeerChanged, Presented

log = structlog.get_logger()


class Reactions:
    """Ties the parts together when made; holds no state of its own."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._tie_links()
        self._tie_store()
        self._tie_tracker()

    def _tie_links(self) -> None:
        parts = self._parts
        parts.links.services = PeerServices(
            contents=parts.contents,
            store=parts.store,
            pieces=parts.downloads,
            take_roster=self._take_roster,
            consider_offer=parts.replication.consider,
            locate_here=parts.locator.here,
            traffic=parts.traffic,
        )
        parts.locator.followers = parts.links.followers
        parts.links.roster = lambda: (parts.rosters.number, parts.rosters.encoded)
        parts.links.on_opened = lambda _: parts.replication.wake()
        parts.links.on_closed = self._link_closed

    def _tie_store(self) -> None:
        parts = self._parts
        parts.downloads.on_recorded = lambda content, _: self._announce(content.id)
        parts.downloads.on_finished = self._gained
        parts.store.on_lost = self._lost
        parts.replication.look_again = parts.watch.check
        parts.store.on_regained = self._gained
        parts.adding.on_added = self._gained
        parts.publishing.on_deleted = self._drop_unwanted

    def _tie_tracker(self) -> None:
        tracker = self._parts.tracker
        tracker.stored = self._parts.contents.stored_bytes
        tracker.take_roster = self._take_roster
        tracker.take_entry = self._take_entry
        tracker.take_peer = self._take_peer
        tracker.on_connected = self._tracker_connected

    # From links

    async def _take_roster(self, encoded: bytes) -> None:
        parts = self._parts
        if await parts.rosters.offer(encoded) and parts.rosters.roster is not None:
            parts.links.cut_revoked(parts.rosters.roster.revoked())
            parts.links.tell_roster(parts.rosters.number, encoded)
            parts.replication.wake()

    def _link_closed(self, link: PeerLink) -> None:
        self._parts.downloads.link_closed(link)
        self._parts.replication.link_closed(link)

    # From the store

    def _announce(self, manifest: ManifestId) -> None:
        self._parts.announcer.mark(manifest)
        self._parts.tracker.mark()

    def _gained(self, content: Content) -> None:
        self._announce(content.id)
        # Whoever follows it was told that there is nothing, or less, here.
        self._parts.links.tell_holds(content)
        self._parts.replication.wake()

    def _lost(self, content: Content, pieces: list[int], why: str) -> None:
        name = content.id.hex()[:12]
        log.warning("pieces no longer count", manifest=name, pieces=len(pieces), why=why)
        self._announce(content.id)
        self._parts.links.tell_holds(content)
        self._parts.replication.refetch(content)

    async def _drop_unwanted(self, manifest: ManifestId) -> None:
        """Put aside what no entry names any more."""
        parts = self._parts
        content = parts.contents.get(manifest)
        if content is None or parts.catalogue.copies_wanted(manifest):
            return
        running = parts.downloads.find(manifest)
        if running is not None:
            parts.downloads.stop(manifest, "the entry was deleted")
            await running.closed.wait()
        await parts.store.trash(content, now_ms())
        self._announce(manifest)

    # From the tracker

    async def _tracker_connected(self, _: Presented) -> None:
        parts = self._parts
        await parts.publishing.send_unpublished()
        machines, _reply = await parts.tracker.call(lambda call: GetMachines(call=call), Machines)
        for machine in machines.machines:
            parts.presence.tell(machine.peer, machine.state)
            if machine.peer != parts.me:
                await parts.address_book.learn(machine.peer, machine.addresses)
        parts.replication.wake()

    async def _take_entry(self, changed: EntryChanged) -> None:
        parts = self._parts
        try:
            record, _ = await parts.catalogue.learn(changed.record)
        except RemoteProtocolError as error:
            log.warning("entry from the tracker refused", reason=str(error))
            return
        await parts.catalogue.remember_change(changed.change)
        # Also when it is not new: an offer or a search may have brought it before.
        if isinstance(record, Tombstone):
            await self._drop_unwanted(record.manifest)
        parts.replication.wake()

    async def _take_peer(self, changed: PeerChanged) -> None:
        parts = self._parts
        parts.presence.tell(changed.peer, changed.state)
        if changed.state == "live":
            parts.replication.try_again(changed.peer)
        if changed.peer != parts.me:
            await parts.address_book.learn(changed.peer, changed.addresses)
        parts.replication.wake()
