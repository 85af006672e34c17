"""The parts of a running peer, made in the order in which they need one another.

Nothing runs here and nothing is decided: `peer.reactions` ties the parts, `peer.daemon` runs them.
"""

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import trio

from peer.admission import Admission
from peer.announcer import Announcer
from peer.approvals import Approvals
from peer.catalogue import Catalogue
from peer.data_dir import DataDir
from peer.database import open_database
from peer.events import Events
from peer.faults import Faults
from peer.giving_parts import make_dropping, make_eviction, make_giving_up
from peer.health_watch import HealthWatch
from peer.lan import LanDiscovery
from peer.limits.limit_book import LimitBook
from peer.limits.pacing import Pacing
from peer.notices import Notices
from peer.operator.adding import Adding
from peer.operator.health import HealthViewer
from peer.operator.leaving import Leaving
from peer.operator.letting_go import LettingGo
from peer.operator.lookup import Lookup
from peer.operator.publishing import Publishing
from peer.operator.renditions import Renditions
from peer.operator.status import StatusMaker
from peer.operator_parts import make_requests
from peer.presence import Presence
from peer.rebuilding import Rebuilding
from peer.rollbacks import Rollbacks
from peer.roster_book import RosterBook
from peer.settings_file import SettingsFile
from peer.standing import Standing
from peer.store.contents import Contents
from peer.store.file_watch import FileWatch
from peer.store.piece_store import PieceStore
from peer.store.quarantine import Quarantine
from peer.store.rechecking import Rechecking
from peer.store.scrub_progress import ScrubProgress
from peer.store.scrubbing import Scrubbing
from peer.store.second_looks import SecondLooks
from peer.swarm.address_book import AddressBook
from peer.swarm.auditing import Auditing
from peer.swarm.audits import AuditBook
from peer.swarm.dial_allowance import DialAllowance
from peer.swarm.downloads import Downloads
from peer.swarm.handing_on import HandingOn
from peer.swarm.keeping import Keeping
from peer.swarm.links import Links
from peer.swarm.locator import Locator
from peer.swarm.locking import Locking
from peer.swarm.presence_watch import PresenceWatch
from peer.swarm.promises import Promises
from peer.swarm.proving import Proving
from peer.swarm.replication import Replication
from peer.swarm.room import Room
from peer.swarm.services import Traffic
from peer.swarm.whereabouts import WhereMembersAre
from peer.tracker_choice import TrackerChoice
from peer.tracker_link import TrackerLink
from peer.tracker_places import TrackerPlaces
from peer.trash import Trash
from peer.web_process import WebLogins
from protocol.ids import PeerId
from protocol.messages.tracking import Present


class Parts:
    """Opens the data directory; PeerError when it is in use, damaged, or in no swarm yet."""

    def __init__(self, data: Path) -> None:
        self.directory = DataDir(data)
        self.directory.create()
        self.lock = self.directory.lock()
        self.joined = joined = self.directory.load_joined()
        self.identity = self.directory.load_identity()
        self.me = me = self.identity.peer
        self.addresses: tuple[str, ...] = ()
        """Where others may reach this peer; known once it listens."""
        self.wall: Callable[[], int] = now_ms
        """The time of day, in milliseconds since 1970."""
        self.database = database = open_database(self.directory.database)
        self.rosters = RosterBook(database, joined.swarm)
        self.catalogue = Catalogue(database, self.rosters, now_ms)
        self.approvals = Approvals(database, self.catalogue, self.rosters, now_ms)
        self.notices = Notices(database)
        self.faults = Faults(database)
        self.events = Events(database, lambda: self.wall())
        self.contents = Contents(database, self.directory.content)
        self.dials = DialAllowance()
        self.address_book = AddressBook(database, self.dials)
        self.pacing = Pacing()
        self.limits = LimitBook(
            SettingsFile(self.directory.settings_file), self.pacing, self.rosters
        )
        self.lan = LanDiscovery(me, joined.psk, self.rosters.peers)
        self.store = PieceStore(self.contents, self.directory.trash)
        self.watch = FileWatch(self.contents, self.store)
        self.admission = Admission(self.identity, joined, self.rosters)
        self.announcer = Announcer(self.contents)
        chance = random.Random(os.urandom(16))
        self.tracker_choice = TrackerChoice(me)
        self.tracker = TrackerLink(
            self.admission.dialling_tracker,
            self.tracker_addresses,
            self.announcer,
            self.present,
            chance,
        )
        self.tracker_places = TrackerPlaces(database, self.dials, joined.tracker_addresses)
        self.rollbacks = Rollbacks(database, self.tracker, lambda: self.wall())
        self.tracker.gone = lambda at: self.tracker_choice.failed(at, trio.current_time())
        self.rebuilding = Rebuilding(me, database, self.catalogue, self.tracker)
        self.standing = Standing(me, self.directory, joined, self.rosters, self.tracker)
        self.handing_on = HandingOn(database, lambda: self.wall())
        self.room = Room(me, self.contents, self.rosters, self.capacity)
        self.links = Links(me, self.address_book, self.admission.dialling, self.rosters.name_of)
        self.whereabouts = WhereMembersAre(
            me, self.address_book, self.rosters, self.links, lambda: self.addresses
        )
        self.presence = Presence(
            lambda peer: self.links.find(peer) is not None,
            me,
            self.rosters.peers,
            trio.current_time,
            lambda: self.rosters.grace,
        )
        self.presence_watch = PresenceWatch(
            self.presence, self.rosters, self.links, lambda: self.tracker.connected
        )
        self.locator = Locator(me, self.tracker, self.rosters, self.contents, self.address_book)
        self.traffic = Traffic()
        self.downloads = Downloads(
            me, self.contents, self.store, self.links, self.traffic, self.locator, chance
        )
        self._make_replication()
        self._make_checks()
        self.trash = Trash(
            self.directory.trash,
            self.contents,
            self.store,
            self.catalogue,
            self.downloads,
            now_ms,
        )
        self.logins = WebLogins()
        self._make_operator_side()

    def _make_replication(self) -> None:
        self.promises = promises = Promises()
        self.replication = Replication(
            self.me,
            self.contents,
            self.catalogue,
            self.rosters,
            self.presence,
            self.links,
            self.downloads,
            promises,
            self.room,
            self.handing_on,
        )
        self.keeping = Keeping(self.contents, self.store, promises)
        self.locking = Locking(self.me, self.links, promises)
        self.dropping = make_dropping(self)
        self.eviction = make_eviction(self)

    def _make_checks(self) -> None:
        self.quarantine = Quarantine(self.directory.quarantine)
        self.rechecking = Rechecking(self.store, self.quarantine, lambda: self.wall())
        self.second_looks = SecondLooks(self.contents, self.rechecking)
        self.scrub_progress = ScrubProgress(self.database)
        self.scrubbing = Scrubbing(
            self.contents,
            self.rechecking,
            self.scrub_progress,
            lambda: self.traffic.uploaded + self.traffic.downloaded,
            lambda: self.wall(),
        )
        self.proving = Proving(self.contents, self.rechecking)
        self.auditing = Auditing(
            self.contents,
            self.rechecking,
            self.catalogue,
            self.rosters,
            self.links,
            self.replication,
            AuditBook(random.SystemRandom()),
        )

    def _make_operator_side(self) -> None:
        self.publishing = Publishing(
            self.identity, self.catalogue, self.contents, self.approvals, self.tracker, now_ms
        )
        self.lookup = lookup = Lookup(
            self.me,
            self.joined.swarm,
            self.tracker,
            self.catalogue,
            self.rosters,
            self.contents,
            self.replication,
            self.presence,
            self.notices,
            self.downloads,
        )
        lookup.note_listed, lookup.suspect = self.rollbacks.note_listed, self.rollbacks.suspect
        self._make_health()
        self.renditions = Renditions(
            self.me, self.publishing, self.catalogue, self.rosters, self.trash
        )
        self.letting_go = LettingGo(
            self.contents,
            self.store,
            self.downloads,
            self.replication,
            self.catalogue,
            self.locator,
            self.dropping,
        )
        self.adding = Adding(
            self.store,
            self.downloads,
            self.publishing,
            self.letting_go,
            self.notices,
            lookup,
            self.handing_on,
            lambda: self.rosters.roster.copies if self.rosters.roster else 2,
            self.directory.spool,
        )
        self.giving_up = make_giving_up(self)
        self.status = StatusMaker(
            self.me,
            self.rosters,
            self.contents,
            self.downloads,
            self.tracker,
            self.traffic,
            self.standing,
            self.room,
            self.limits,
            self.notices,
            self.faults,
            self.scrubbing,
            self.links,
            lambda: self.wall(),
            self.catalogue,
            self.eviction,
            self.giving_up,
            self.rollbacks,
        )
        self.leaving = Leaving(
            self.contents,
            self.replication,
            self.standing,
            self.rosters,
            self.presence,
            self.locator,
            self.locking,
            self.promises,
        )
        self.requests = make_requests(self, now_ms)

    def _make_health(self) -> None:
        self.health = HealthViewer(
            self.me,
            self.tracker,
            self.contents,
            self.catalogue,
            self.rosters,
            self.presence,
            self.replication,
            self.downloads,
            self.events,
        )
        self.health_watch = HealthWatch(
            self.me,
            self.contents,
            self.catalogue,
            self.rosters,
            self.presence,
            self.replication.offering,
            self.events,
            self.database,
        )

    def capacity(self) -> int:
        """Bytes this machine offers."""
        return self.standing.capacity

    def present(self, call: int) -> Present:
        """The first words to a tracker."""
        return Present(
            call=call,
            addresses=self.addresses,
            capacity=self.capacity(),
            stored=self.contents.stored_bytes(),
            digest=self.announcer.digest(),
            seen=self.catalogue.seen_change,
            epoch=self.rebuilding.epoch,
        )

    def tracker_addresses(self) -> tuple[str, ...]:
        """Where a tracker may be: what the roster says, then what the invite said."""
        roster = self.rosters.roster
        listed = roster.trackers if roster else ()
        invited, now = self.joined.tracker_addresses, trio.current_time()
        return self.tracker_choice.order(listed, invited, now)

    def shunned(self, peer: bytes) -> bool:
        """Whether a peer sent too many bad pieces lately."""
        return self.downloads.shunned.is_shunned(PeerId(peer), trio.current_time())

    def load(self) -> None:
        """Read what an earlier run left."""
        self.rosters.load()
        self.catalogue.load()
        self.rebuilding.load()
        self.rollbacks.load()
        self.tracker_places.load()
        self.contents.load()
        self.trash.load()
        self.approvals.load()
        self.notices.load()
        self.faults.load()
        self.events.load()
        self.health_watch.load()
        self.scrub_progress.load()
        self.adding.clear_copies()
        self.address_book.load()
        self.handing_on.load()
        self.limits.load()

    def close(self) -> None:
        """Close files."""
        self.store.close()
        self.database.close()


def now_ms() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000
