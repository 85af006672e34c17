"""How well everything is kept, as operators are told: by the tracker, or by what is known here."""

import trio

from peer.catalogue import Catalogue
from peer.errors import UnreachableError
from peer.events import Events
from peer.operator.fitting import fit
from peer.presence import Presence
from peer.roster_book import RosterBook
from peer.store.contents import Content, Contents
from peer.swarm.downloads import Downloads
from peer.swarm.replication import Replication
from peer.tracker_link import TrackerLink
from protocol.ids import PeerId
from protocol.messages.health import (
    MOST_EVENTS,
    MOST_RETURNS,
    EntryCounts,
    GetHealth,
    Health,
    Return,
    ReturnView,
    SwarmHealth,
)
from protocol.placement import spans_by_size

PORTION = 200
"""Contents looked at before others get their turn."""


class _LocalCount:
    """Entries held here by class, one for each content: others that have it have said so."""

    def __init__(self) -> None:
        self.safe = self.short = self.repairing = self.away = self.missing = 0
        self.with_it: dict[PeerId, list[int]] = {}
        """By machine that is away: how many would be safe, and how many found, if it came back."""

    def add(
        self, content: Content, have: int, wanted: int, away: set[PeerId], *, coming: bool
    ) -> None:
        """Count one; `away` should have it too, `coming`: it is being fetched here."""
        if have >= wanted:
            self.safe += 1
            return
        if have:
            self.short += 1
            self.repairing += coming
            self.missing += (wanted - have) * content.size
        else:
            self.away += 1
        for peer in away:
            gained = self.with_it.setdefault(peer, [0, 0])
            gained[0] += have + 1 >= wanted
            gained[1] += have == 0

    def told(self) -> SwarmHealth:
        """As a tracker tells it."""
        gained = [Return(peer=p, safe=s, found=f) for p, (s, f) in self.with_it.items() if s or f]
        gained.sort(key=lambda each: (-each.found, -each.safe, each.peer))
        counts = EntryCounts(
            safe=self.safe, short=self.short, repairing=self.repairing, away=self.away
        )
        returns = tuple(gained[:MOST_RETURNS])
        return SwarmHealth(call=0, entries=counts, missing=self.missing, returns=returns)


class HealthViewer:
    """Asks the tracker; without one it counts what is held here."""

    def __init__(
        self,
        me: PeerId,
        tracker: TrackerLink,
        contents: Contents,
        catalogue: Catalogue,
        rosters: RosterBook,
        presence: Presence,
        replication: Replication,
        downloads: Downloads,
        events: Events,
    ) -> None:
        self._me = me
        self._tracker = tracker
        self._contents = contents
        self._catalogue = catalogue
        self._rosters = rosters
        self._presence = presence
        self._replication = replication
        self._downloads = downloads
        self._events = events

    async def answer(self, request: GetHealth) -> Health:
        """All of it, with as many events as fit."""
        found, local = await self._found()
        now = trio.current_time()
        keeping = [each for each in self._downloads.all() if each.purpose == "keep"]
        rate = sum(each.rate.per_second(now) for each in keeping)
        events = self._events.newest(MOST_EVENTS)
        return fit(
            lambda n: Health(
                call=request.call,
                entries=found.entries,
                missing=found.missing,
                fetching=len(keeping),
                rate=rate,
                left=-(-found.missing // rate) if rate else None,
                returns=tuple(self._named(each) for each in found.returns),
                events=events[:n],
                local=local,
            ),
            len(events),
        )

    async def swarm_counts(self) -> EntryCounts:
        """The tracker's count alone; UnreachableError when it is away."""
        return (await self._ask()).entries

    async def _found(self) -> tuple[SwarmHealth, bool]:
        try:
            return await self._ask(), False
        except UnreachableError:
            return await self._count_here(), True

    async def _ask(self) -> SwarmHealth:
        reply, _ = await self._tracker.call(lambda call: GetHealth(call=call), SwarmHealth)
        return reply

    async def _count_here(self) -> SwarmHealth:
        count = _LocalCount()
        there = {p for p in self._rosters.peers() if self._presence.state(p) == "live"}
        for number, content in enumerate(self._contents.all()):
            if wanted := self._catalogue.copies_wanted(content.id):
                self._count(count, content, wanted, there)
            if number % PORTION == PORTION - 1:
                await trio.lowlevel.checkpoint()
        return count.told()

    def _count(self, count: _LocalCount, content: Content, wanted: int, there: set[PeerId]) -> None:
        have = len(self._replication.confirmed(content.id) & there - {self._me})
        have += content.complete
        placed: set[PeerId] = set()
        if have < wanted:
            for span in spans_by_size(content.id, content.pieces, content.size):
                placed |= set(self._rosters.ring.holders(span.partition, wanted))
        own = self._downloads.find(content.id)
        coming = own is not None and own.purpose == "keep"
        count.add(content, have, wanted, placed - there, coming=coming)

    def _named(self, each: Return) -> ReturnView:
        peer = PeerId(each.peer)
        out = self._presence.out_in(peer)
        return ReturnView(
            name=self._rosters.name_of(peer),
            state=self._presence.state(peer),
            safe=each.safe,
            found=each.found,
            out=None if out is None else int(out),
        )
