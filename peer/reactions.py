"""What follows from what: the parts of the peer tell one another through here, and only here."""

import structlog

from peer.deletion_reactions import DeletionReactions
from peer.errors import NotPermittedError
from peer.fault_reactions import FaultReactions
from peer.lan import remote_ip
from peer.parts import Parts, now_ms
from peer.settings import Settings
from peer.store.contents import Content
from peer.swarm.peer_link import PeerLink
from peer.swarm.services import PeerServices
from protocol.address import Address
from protocol.errors import RemoteProtocolError
from protocol.ids import ManifestId, PeerId
from protocol.messages.shared import GetMachines, Machines, PeerState
from protocol.messages.tracking import EntryChanged, PeerChanged, Presented

log = structlog.get_logger()


class Reactions:
    """Ties the parts together when made; holds no state of its own."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._faults = FaultReactions(parts)
        self._deletions = DeletionReactions(parts, self._gained)
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
            copies=parts.keeping,
            proofs=parts.proving,
            take_roster=self._take_roster,
            take_record=self._deletions.take_record,
            take_approval=self._deletions.take_approval,
            consider_offer=parts.replication.consider,
            locate_here=parts.locator.here,
            take_whereabouts=parts.whereabouts.take,
            traffic=parts.traffic,
            pacing=parts.pacing,
        )
        parts.locator.followers = parts.links.followers
        parts.links.roster = lambda: (parts.rosters.number, parts.rosters.encoded)
        parts.links.on_opened = self._link_opened
        parts.links.on_closed = self._link_closed

    def _tie_store(self) -> None:
        parts = self._parts
        parts.downloads.on_recorded = self._recorded
        parts.downloads.on_finished = self._gained
        parts.downloads.disk_is_low = parts.room.disk_is_low
        parts.store.on_lost = self._lost
        parts.replication.look_again = parts.keeping.look_again = parts.watch.check
        parts.presence_watch.on_changed = self._presence_changed
        parts.health_watch.count = parts.health.swarm_counts
        parts.dropping.on_dropped = self._dropped
        parts.keeping.is_given_away = parts.replication.offering.is_given_away
        parts.handing_on.on_changed = self._handing_on_changed
        parts.eviction.let_go = parts.letting_go.let_go
        parts.keeping.on_dropped = lambda peer, gone: parts.replication.dropped(peer, gone.manifest)
        parts.dropping.is_used = parts.letting_go.is_used
        parts.locking.on_lacking = parts.replication.dropped
        parts.downloads.is_going = parts.promises.is_going
        parts.store.on_regained = self._gained
        parts.store.on_released = self._released
        parts.watch.on_looked = self._looked
        parts.adding.on_added = self._gained
        parts.trash.on_put_aside = self._put_aside

    def _tie_tracker(self) -> None:
        tracker = self._parts.tracker
        tracker.stored = self._parts.contents.stored_bytes
        tracker.take_roster = self._take_trackers_roster
        tracker.take_entry = self._take_entry
        tracker.take_peer = self._take_peer
        tracker.take_approval = self._deletions.take_approval
        tracker.on_connected = self._tracker_connected
        tracker.may_dial = self._parts.tracker_places.may_dial
        tracker.answered = self._parts.tracker_places.answered
        self._parts.rosters.on_wrong = self._parts.rollbacks.note
        tracker.is_lacking = self._parts.rebuilding.is_lacking
        tracker.roster = lambda: (self._parts.rosters.number, self._parts.rosters.encoded)

    def _tie_limits(self) -> None:
        parts = self._parts
        parts.lan.on_found = self._found_near
        parts.limits.on_settings = self._take_settings

    def _take_settings(self, settings: Settings) -> None:
        self._parts.lan.switch(on=settings.discover)
        self._faults.take_settings(settings)

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

    async def _take_trackers_roster(self, encoded: bytes) -> None:
        await self._take_roster(encoded, from_tracker=True)

    async def _take_roster(self, encoded: bytes, *, from_tracker: bool = False) -> None:
        parts = self._parts
        new = await parts.rosters.offer(encoded, from_tracker=from_tracker)
        if new and parts.rosters.roster is not None:
            parts.links.cut_outside(parts.rosters.roster.outside())
            parts.links.tell_roster(parts.rosters.number, encoded)
            parts.lan.recognise()
            parts.limits.apply()
            # It may be new because somebody offers more, or drains no longer.
            parts.replication.ask_full_again()
            parts.replication.placed_anew()
            parts.dropping.wake()
            parts.eviction.wake()

    def _link_opened(self, link: PeerLink) -> None:
        self._look_who_is_near()
        self._parts.whereabouts.tell(link)
        self._deletions.tell(link)
        self._parts.presence_watch.wake()
        self._parts.replication.wake()

    def _link_closed(self, link: PeerLink) -> None:
        self._parts.presence.heard(link.peer)
        self._parts.downloads.link_closed(link)
        self._parts.replication.link_closed(link)
        self._look_who_is_near()

    def _presence_changed(self, peer: PeerId, state: PeerState) -> None:
        parts = self._parts
        log.info("member is " + state, peer=parts.rosters.name_of(peer))
        parts.health_watch.presence_changed(peer, state)
        if state == "live":
            parts.replication.try_again(peer)
        parts.replication.placed_anew()
        parts.dropping.wake()

    # From the store

    def _announce(self, manifest: ManifestId) -> None:
        self._parts.announcer.mark(manifest)
        self._parts.tracker.mark()

    def _recorded(self, content: Content, pieces: list[int]) -> None:
        self._announce(content.id)
        self._parts.rechecking.recorded(content.id, pieces)

    def _gained(self, content: Content) -> None:
        self._announce(content.id)
        # Whoever follows it was told that there is nothing, or less, here.
        self._parts.links.tell_holds(content)
        self._parts.replication.wake(content.id)
        self._parts.dropping.wake(content.id)

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

    async def _dropped(self, content: Content) -> None:
        self._parts.health_watch.dropped()
        if content.path is not None:
            # How the user's files are is nobody's concern any more.
            await self._parts.notices.drop(content.id)
            await self._faults.drop(content.id)

    def _handing_on_changed(self, manifest: ManifestId) -> None:
        self._parts.replication.wake(manifest)
        self._parts.dropping.wake(manifest)

    async def _put_aside(self, manifest: ManifestId) -> None:
        await self._parts.notices.drop(manifest)
        await self._faults.drop(manifest)
        self._announce(manifest)

    # From the tracker

    async def _tracker_connected(self, presented: Presented) -> None:
        parts = self._parts
        set_back = await parts.rollbacks.note_presented(presented, parts.tracker.shown_roster)
        # First, as till then nothing it said of others is believed.
        machines, _reply = await parts.tracker.call(lambda call: GetMachines(call=call), Machines)
        for machine in machines.machines:
            await self._told_of(machine.peer, machine.state, machine.addresses)
        parts.presence.told_all()
        parts.presence_watch.wake()
        await parts.rebuilding.begin(presented, set_back=set_back)
        await parts.publishing.send_unpublished()
        parts.replication.wake()

    async def _take_entry(self, changed: EntryChanged) -> None:
        parts = self._parts
        try:
            record, _ = await parts.catalogue.learn(changed.record)
            await parts.rollbacks.note_listed([changed.record])
        except (RemoteProtocolError, NotPermittedError) as error:
            log.warning("entry from the tracker refused", reason=str(error))
            return
        parts.rollbacks.note_change(changed.change)
        await parts.catalogue.remember_change(changed.change)
        # Also when it is not new: an offer or a search may have brought it before.
        await parts.trash.settle(record.manifest)
        parts.replication.wake(record.manifest)

    async def _take_peer(self, changed: PeerChanged) -> None:
        parts = self._parts
        if not await self._told_of(changed.peer, changed.state, changed.addresses):
            return
        if changed.state == "live":
            parts.address_book.hope(changed.peer)
            parts.replication.try_again(changed.peer)
        parts.replication.wake()
        parts.presence_watch.wake()

    async def _told_of(self, peer: PeerId, state: PeerState, addresses: tuple[str, ...]) -> bool:
        """The tracker says how a machine is, and where; whether that is anybody."""
        parts = self._parts
        if parts.rosters.find(peer) is None:
            # No end to whom it could invent.
            return False
        parts.presence.tell(peer, state)
        if peer != parts.me:
            here = parts.tracker.from_here
            await parts.address_book.told(peer, addresses, loopback=here)
        return True
