"""Notices when members come, fall silent and go, also while the tracker is away.

While it is, nobody else tells who is there: members without a link are dialled now and then, and a
link that holds proves life.
"""

from collections.abc import Callable

import structlog
import trio

from peer.errors import PeerError
from peer.presence import Presence
from peer.roster_book import RosterBook
from peer.swarm.links import Links
from protocol.ids import PeerId
from protocol.messages.shared import PeerState

log = structlog.get_logger()

LOOK_EVERY = 1.0
SHORTEST_PROBE, LONGEST_PROBE = 2.0, 60.0
PROBES_A_GRACE = 4
"""How often a silent member is dialled before it counts as gone."""
DIALS_AT_ONCE = 8


class PresenceWatch:
    """Compares what presence says with what it said before, every second."""

    def __init__(
        self,
        presence: Presence,
        rosters: RosterBook,
        links: Links,
        tracker_there: Callable[[], bool],
    ) -> None:
        self._presence = presence
        self._rosters = rosters
        self._links = links
        self._tracker_there = tracker_there
        self._known: dict[PeerId, PeerState] = {}
        self._wake = trio.Event()
        self.on_changed: Callable[[PeerId, PeerState], None] = lambda *_: None
        """Called with a member and what it is from now on."""

    def wake(self) -> None:
        """Something happened that may change who is there."""
        self._wake.set()

    async def run(self) -> None:
        """Look for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._probe)
            while True:
                self._wake = trio.Event()
                self._presence.see_tracker(there=self._tracker_there())
                self._look()
                with trio.move_on_after(LOOK_EVERY):
                    await self._wake.wait()

    def _look(self) -> None:
        for peer in self._rosters.peers():
            state = self._presence.state(peer)
            known = self._known.get(peer)
            self._known[peer] = state
            if known is not None and known != state:
                self.on_changed(peer, state)

    async def _probe(self) -> None:
        limiter = trio.CapacityLimiter(DIALS_AT_ONCE)
        while True:
            pause = self._rosters.grace / PROBES_A_GRACE
            await trio.sleep(max(SHORTEST_PROBE, min(LONGEST_PROBE, pause)))
            if self._tracker_there():
                continue
            async with trio.open_nursery() as nursery:
                for peer in self._presence.unlinked():
                    nursery.start_soon(self._dial, peer, limiter)

    async def _dial(self, peer: PeerId, limiter: trio.CapacityLimiter) -> None:
        async with limiter:
            try:
                await self._links.connect(peer)
            except PeerError as error:
                log.debug("member not reached", error=str(error))
