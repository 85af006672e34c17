"""How the daemon is, in one answer."""

from collections.abc import Callable

import trio

from peer.catalogue import Catalogue
from peer.faults import Faults
from peer.limits.limit_book import LimitBook
from peer.notices import MOST_SHOWN, Notices
from peer.operator.fitting import fit
from peer.operator.giving_up import GivingUp
from peer.operator.limiting import view_of
from peer.rollbacks import Rollbacks
from peer.roster_book import RosterBook
from peer.standing import Standing
from peer.store.contents import Contents
from peer.store.scrubbing import Scrubbing
from peer.swarm.download import Download
from peer.swarm.downloads import Downloads
from peer.swarm.eviction import Eviction
from peer.swarm.links import Links
from peer.swarm.room import Room
from peer.swarm.services import Traffic
from peer.tracker_link import TrackerLink
from peer.version import VERSION
from protocol.drivers.on_trio import congestion_control
from protocol.ids import PeerId
from protocol.messages.operating import (
    NoticeView,
    PeerView,
    Status,
    StoreView,
    SwarmView,
    TrackerView,
    TransferView,
)
from protocol.messages.standing import Standing as StandingView
from protocol.roster import MemberState

MOST_TRANSFERS = 100


class StatusMaker:
    """Reads the state of everything; changes nothing."""

    def __init__(
        self,
        me: PeerId,
        rosters: RosterBook,
        contents: Contents,
        downloads: Downloads,
        tracker: TrackerLink,
        traffic: Traffic,
        standing: Standing,
        room: Room,
        limits: LimitBook,
        notices: Notices,
        faults: Faults,
        scrubbing: Scrubbing,
        links: Links,
        wall: Callable[[], int],
        catalogue: Catalogue,
        eviction: Eviction,
        giving_up: GivingUp,
        rollbacks: Rollbacks,
    ) -> None:
        self._me = me
        self._rosters = rosters
        self._contents = contents
        self._downloads = downloads
        self._tracker = tracker
        self._traffic = traffic
        self._standing = standing
        self._room = room
        self._limits = limits
        self._notices = notices
        self._faults = faults
        self._scrubbing = scrubbing
        self._links = links
        self._wall = wall
        self._catalogue = catalogue
        self._eviction = eviction
        self._giving_up = giving_up
        self._rollbacks = rollbacks
        self.listen = ""
        self.web: str | None = None

    def make(self, call: int) -> Status:
        """The status now."""
        now = trio.current_time()
        transfers = [self._transfer(d, now) for d in self._downloads.all()[:MOST_TRANSFERS]]
        return fit(lambda n: self._status(call, transfers[:n]), len(transfers))

    def _status(self, call: int, transfers: list[TransferView]) -> Status:
        roster = self._rosters.roster
        return Status(
            call=call,
            peer=PeerView(
                id=self._me.hex(),
                name=self._rosters.name_of(self._me),
                version=VERSION,
                listen=self.listen,
                standing=standing_of(self._standing.state),
            ),
            web=self.web,
            tracker=TrackerView(state="connected" if self._tracker.connected else "unreachable"),
            swarm=SwarmView(
                name=roster.name if roster else "",
                roster=self._rosters.number,
                members=len(roster.peers()) if roster else 0,
            ),
            store=StoreView(
                bytes=self._contents.stored_bytes(),
                capacity=self._standing.capacity,
                room=self._room.left(),
                pieces=sum(content.bits.count for content in self._contents.all()),
            ),
            transfers=tuple(transfers),
            notices=self._newest_notices(),
            scrub=self._scrubbing.view(),
            disks=self._faults.disks(self._wall()),
            congestion=self._congestion(),
            lanes=self._links.lanes,
            limits=view_of(self._limits.rates),
            uploaded=self._traffic.uploaded,
            downloaded=self._traffic.downloaded,
            fetched_twice=self._traffic.fetched_twice,
        )

    def _newest_notices(self) -> tuple[NoticeView, ...]:
        told = self._notices.all() + self._faults.notices(self._wall())
        told += self._giving_up.notices() + self._rollbacks.notices()
        if self._eviction.notice is not None:
            told.append(self._eviction.notice)
        if held := self._catalogue.held_since():
            text = f"deletions held, to be approved: {len(held)}; twofold approve lists them"
            told.append(NoticeView(when=min(held), text=text))
        return tuple(sorted(told, key=lambda notice: -notice.when)[:MOST_SHOWN])

    def _congestion(self) -> tuple[str, ...]:
        controls = {congestion_control(link.channel.stream) for link in self._links.all()}
        return tuple(sorted(controls - {""}))

    def _transfer(self, download: Download, now: float) -> TransferView:
        rate = download.rate.per_second(now)
        return TransferView(
            id=download.content.id.hex(),
            name=download.name,
            purpose=download.purpose,
            size=download.size,
            done=download.done_bytes,
            rate=rate,
            left=(download.size - download.done_bytes) // rate if rate else None,
            sources=tuple(link.name for link in download.sources),
        )


def standing_of(state: MemberState) -> StandingView:
    """What the roster says of a member; who is outside was active when it was asked about."""
    return state if state in ("draining", "leaving") else "active"
