"""What follows from what: the parts of the peer tell one another through here, and only here."""

import structlog

from peer.lan import remote_ip
from peer.parts import Parts, now_ms
from peer.store.contents import Content
from peer.swarm.peer_link import PeerLink
from peer.swarm.services import PeerServices
from protocol.address import Address
from protocol.entry import Tombstone
from protocol.errors import RemoteProtocolError
from protocol.ids import ManifestId, PeerId
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
        self._tie_limits()

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
            pacing=parts.pacing,
        )
        parts.locator.followers = parts.links.followers
        parts.links.roster = lambda: (parts.rosters.number, parts.rosters.encoded)
        parts.links.on_opened = self._link_opened
        parts.links.on_closed = self._link_closed

    def _tie_store(self) -> None:
        parts = self._parts
        parts.downloads.on_recorded = lambda content, _: self._announce(content.id)
        parts.downloads.on_finished = self._gained
        parts.store.on_lost = self._lost
        parts.replication.look_again = parts.watch.check
        parts.store.on_regained = self._gained
        parts.store.on_released = self._released
        parts.watch.on_looked = self._looked
        parts.adding.on_added = self._gained
        parts.publishing.on_deleted = self._drop_unwanted
        parts.catalogue.on_recounted = parts.replication.wake

    def _tie_tracker(self) -> None:
        tracker = self._parts.tracker
        tracker.stored = self._parts.contents.stored_bytes
        tracker.take_roster = self._take_roster
        tracker.take_entry = self._take_entry
        tracker.take_peer = self._take_peer
        tracker.on_connected = self._tracker_connected

    def _tie_limits(self) -> None:
        parts = self._parts
        parts.lan.on_found = self._found_near
        parts.limits.on_settings = lambda settings: parts.lan.switch(on=settings.discover)

    # From the local network

    def _found_near(self, peer: PeerId, addresses: tuple[Address, ...]) -> None:
        parts = self._parts
        if addresses:
            where = [str(address) for address in addresses]
            log.info("found on this network", peer=parts.rosters.name_of(peer), addresses=where)
        parts.address_book.found_near(peer, addresses)
        self._look_who_is_near()
        parts.replication.try_again(peer)
        parts.replication.wake()

    def _look_who_is_near(self) -> None:
        """Now, and not for each byte: limits do not hold for links over the same network."""
        parts = self._parts
        parts.limits.set_near(
            frozenset(
                link.peer
                for link in parts.links.all()
                if parts.lan.is_near(link.peer, remote_ip(link.channel.stream))
            )
        )

    # From links

    async def _take_roster(self, encoded: bytes) -> None:
        parts = self._parts
        if await parts.rosters.offer(encoded) and parts.rosters.roster is not None:
            parts.links.cut_revoked(parts.rosters.roster.revoked())
            parts.links.tell_roster(parts.rosters.number, encoded)
            parts.lan.recognise()
            parts.limits.apply()
            parts.replication.wake()

    def _link_opened(self, _: PeerLink) -> None:
        self._look_who_is_near()
        self._parts.replication.wake()

    def _link_closed(self, link: PeerLink) -> None:
        self._parts.downloads.link_closed(link)
        self._parts.replication.link_closed(link)
        self._look_who_is_near()

    # From the store

    def _announce(self, manifest: ManifestId) -> None:
        self._parts.announcer.mark(manifest)
        self._parts.tracker.mark()

    def _gained(self, content: Content) -> None:
        self._announce(content.id)
        # Whoever follows it was told that there is nothing, or less, here.
        self._parts.links.tell_holds(content)
        self._parts.replication.wake(content.id)

    def _lost(self, content: Content, pieces: list[int], why: str) -> None:
        name = content.id.hex()[:12]
        log.warning("pieces no longer count", manifest=name, pieces=len(pieces), why=why)
        self._announce(content.id)
        self._parts.links.tell_holds(content)
        self._parts.replication.refetch(content)

    async def _looked(self, content: Content, changed: set[int], restored: set[int]) -> None:
        manifest = await self._parts.contents.manifest(content.id)
        await self._parts.notices.note(content, manifest, changed, restored, now_ms())

    def _released(self, content: Content) -> None:
        self._announce(content.id)
        self._parts.links.tell_holds(content)

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
        await parts.notices.drop(manifest)
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
        parts.replication.wake(record.manifest)

    async def _take_peer(self, changed: PeerChanged) -> None:
        parts = self._parts
        parts.presence.tell(changed.peer, changed.state)
        if changed.state == "live":
            parts.replication.try_again(changed.peer)
        if changed.peer != parts.me:
            await parts.address_book.learn(changed.peer, changed.addresses)
        parts.replication.wake()
