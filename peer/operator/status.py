"""How the daemon is, in one answer."""

from collections.abc import Callable

import trio

from peer.limits.limit_book import LimitBook
from peer.notices import Notices
from peer.operator.fitting import fit
from peer.operator.limiting import view_of
from peer.roster_book import RosterBook
from peer.store.contents import Contents
from peer.swarm.download import Download
from peer.swarm.downloads import Downloads
from peer.swarm.links import Links
from peer.swarm.services import Traffic
from peer.tracker_link import TrackerLink
from peer.version import VERSION
from protocol.drivers.on_trio import congestion_control
from protocol.ids import PeerId
from protocol.messages.operating import (
    PeerView,
    Status,
    StoreView,
    SwarmView,
    TrackerView,
    TransferView,
)

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
        capacity: Callable[[], int],
        limits: LimitBook,
        notices: Notices,
        links: Links,
    ) -> None:
        self._me = me
        self._rosters = rosters
        self._contents = contents
        self._downloads = downloads
        self._tracker = tracker
        self._traffic = traffic
        self._capacity = capacity
        self._limits = limits
        self._notices = notices
        self._links = links
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
                capacity=self._capacity(),
                pieces=sum(content.bits.count for content in self._contents.all()),
            ),
            transfers=tuple(transfers),
            notices=tuple(self._notices.all()),
            congestion=self._congestion(),
            lanes=self._links.lanes,
            limits=view_of(self._limits.rates),
            uploaded=self._traffic.uploaded,
            downloaded=self._traffic.downloaded,
            fetched_twice=self._traffic.fetched_twice,
        )

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
