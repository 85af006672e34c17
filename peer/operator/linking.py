"""Whom pieces come from and whom they go to, counted with what the swarm's own books have."""

from itertools import islice

import trio

from peer.catalogue import Catalogue
from peer.errors import NotFoundError
from peer.lan import remote_ip
from peer.limits.limit_book import LimitBook
from peer.operator.fitting import fit
from peer.swarm.download import Download
from peer.swarm.downloads import Downloads
from peer.swarm.links import Links
from peer.swarm.peer_link import PeerLink
from peer.swarm.services import Traffic
from peer.swarm.source import Source
from protocol.entry import Entry, open_record_untrusted
from protocol.ids import ManifestId
from protocol.messages.linking import (
    GetSources,
    LinkedMachines,
    LinkView,
    Sources,
    SourceState,
    SourceView,
)
from protocol.signing import Signed

MOST_NAMED = 3


class Linking:
    """Reads the links and the request books of downloads; changes nothing."""

    def __init__(
        self,
        links: Links,
        downloads: Downloads,
        traffic: Traffic,
        limits: LimitBook,
        catalogue: Catalogue,
    ) -> None:
        self._links = links
        self._downloads = downloads
        self._traffic = traffic
        self._limits = limits
        self._catalogue = catalogue

    def sources(self, request: GetSources) -> Sources:
        """Whom a download asks. NotFoundError when it is over."""
        running = self._downloads.all()
        download = next((d for d in running if d.content.id.hex() == request.transfer), None)
        if download is None:
            raise NotFoundError("this transfer is over")
        now = trio.current_time()
        views = [
            self._source(download, link, source, now)
            for link, source in download.asking.sources.items()
        ]
        views.sort(key=lambda view: (-view.rate, view.name))
        return fit(
            lambda n: Sources(
                call=request.call,
                transfer=request.transfer,
                pieces=download.content.pieces,
                sources=tuple(views[:n]),
            ),
            len(views),
        )

    async def links(self, call: int) -> LinkedMachines:
        """Every machine that is linked."""
        links = sorted(self._links.all(), key=lambda link: link.name)
        followed = {link: list(islice(link.followed, MOST_NAMED)) for link in links}
        wanted = list({manifest for some in followed.values() for manifest in some})
        named = await self._catalogue.naming_each(wanted)
        views = [self._link(link, followed[link], named) for link in links]
        return fit(lambda n: LinkedMachines(call=call, links=tuple(views[:n])), len(views))

    def _source(self, download: Download, link: PeerLink, source: Source, now: float) -> SourceView:
        state = _state(link, source, now)
        return SourceView(
            peer=link.peer.hex(),
            name=link.name,
            address=remote_ip(link.channel.stream) or "",
            near=link.peer in self._limits.near,
            state=state,
            rate=0 if state in ("idle", "late") else int(source.rate),
            pieces=download.picker.held_by(link),
            asked=len(source.asked),
            late=len(source.late),
            received=source.received,
            connections=link.connections,
            answers=source.latency,
        )

    def _link(
        self, link: PeerLink, followed: list[ManifestId], named: dict[ManifestId, list[Signed]]
    ) -> LinkView:
        return LinkView(
            peer=link.peer.hex(),
            name=link.name,
            address=remote_ip(link.channel.stream) or "",
            near=link.peer in self._limits.near,
            connections=1 + len(link.lanes.open),
            # By `get`: asking must not make a count where there is none.
            received=self._traffic.received_from.get(link.peer, 0),
            sent=self._traffic.sent_to.get(link.peer, 0),
            rate=self._traffic.sending_rate(link.peer, trio.current_time()),
            asks=link.outbox.pieces_asked,
            fetches=tuple(name for each in followed if (name := _name(named[each]))),
            fetching=len(link.followed),
        )


def _state(link: PeerLink, source: Source, now: float) -> SourceState:
    if not source.asked:
        return "idle"
    if link.waits_for_us:
        return "limited"
    return "late" if source.stalled or source.is_late(now) else "sends"


def _name(records: list[Signed]) -> str:
    """What an entry that names a manifest is called; "" when none is known here."""
    for signed in records:
        record = open_record_untrusted(signed)
        if isinstance(record, Entry):
            return record.name
    return ""
