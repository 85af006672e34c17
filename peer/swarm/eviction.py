"""Finds what must go from here because there is no room for it; `handing_on.py` is what follows.

Only what lies in the store: a user's own files take no room of it, and only their user gives them
up. What nobody else has room for stays, and people are told.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

import structlog
import trio

from peer.catalogue import Catalogue
from peer.errors import PeerError
from peer.events import Events
from peer.presence import Presence
from peer.roster_book import RosterBook
from peer.store.contents import Content, Contents
from peer.swarm.handing_on import HandingOn
from peer.swarm.offering import Offering
from peer.swarm.room import Room
from peer.words import bytes_text
from protocol.ids import ManifestId, PeerId
from protocol.messages.operating import NoticeView
from protocol.placement import spans_by_size

log = structlog.get_logger()

LOOK_EVERY = 45.0
"""Not in step with `offers.FULL_FOR`: just when they are asked again, all seem to have room."""
SETTLED = 60.0
"""Seconds for which there must have been too much: another ring may take some of it away."""
PORTION = 1000
"""Contents that are looked at in one go."""
MOST_STUCK = 1000
"""So many that nobody can take, and the rest is not looked at this time."""


class Candidate(NamedTuple):
    """What may go: `size` is what that brings.

    `rank` 0 goes already, 1 is surplus, 2 belongs here.
    """

    rank: int
    size: int
    manifest: ManifestId


class Eviction:
    """Looks now and then whether there is room for what is here, and hands on what must go."""

    def __init__(
        self,
        me: PeerId,
        contents: Contents,
        catalogue: Catalogue,
        rosters: RosterBook,
        presence: Presence,
        room: Room,
        offering: Offering,
        handing_on: HandingOn,
        events: Events,
        wall: Callable[[], int],
    ) -> None:
        self._me = me
        self._contents = contents
        self._catalogue = catalogue
        self._rosters = rosters
        self._presence = presence
        self._room = room
        self._offering = offering
        self._handing_on = handing_on
        self._events = events
        self._wall = wall
        self._since: float | None = None
        self._wake = trio.Event()
        self._told_of = 0
        self.notice: NoticeView | None = None
        """What the owner should know while too much is here that nobody can take."""
        self.let_go: Callable[[ManifestId], Awaitable[bool]] = _stays
        """Lets go of what only passes through, if that is safe; whether it is gone."""

    def wake(self) -> None:
        """There may be more room now, or less."""
        self._wake.set()

    async def run(self) -> None:
        """Look for ever."""
        while True:
            self._wake = trio.Event()
            try:
                await self.look(trio.current_time())
            except (PeerError, OSError) as error:
                log.error("room cannot be made", error=str(error))
            with trio.move_on_after(LOOK_EVERY):
                await self._wake.wait()

    async def look(self, now: float) -> None:
        """Hand on what must go, if there has been too much for a while."""
        leaving = self._rosters.state_of(self._me) == "leaving"
        excess = 0 if leaving else self._room.excess(begun=self._since is not None)
        if not excess:
            self._since = None
            self._handing_on.evict(())
            self.notice = None
            return
        if self._since is None:
            self._since = now
        if now - self._since >= SETTLED:
            if self._room.disk_is_low():
                excess -= await self._let_go_passing(excess)
            picked, left = choose(await self._candidates(), excess, self._can_go)
            self._handing_on.evict(picked)
            self._tell(left, excess)

    async def _let_go_passing(self, excess: int) -> int:
        """On a full disk what only passes through goes first; how many bytes that brought."""
        gone = 0
        for content in self._contents.all():
            if content.passing and content.path is None and content.bits.count and gone < excess:
                size = content.held_bytes
                gone += size if await self.let_go(content.id) else 0
        return gone

    async def _candidates(self) -> list[Candidate]:
        found: list[Candidate] = []
        for number, content in enumerate(self._contents.all()):
            own = content.path is None and not content.passing and content.held_bytes
            if own and (copies := self._catalogue.copies_wanted(content.id)):
                rank = self._rank(content, copies)
                found.append(Candidate(rank, content.held_bytes, content.id))
            if number % PORTION == PORTION - 1:
                await trio.lowlevel.checkpoint()
        return found

    def _rank(self, content: Content, copies: int) -> int:
        if content.id in self._handing_on:
            return 0
        ring, gone = self._rosters.ring, self._presence.gone()
        spans = spans_by_size(content.id, content.pieces, content.size)
        return 1 + any(self._me in ring.holders(s.partition, copies, gone) for s in spans)

    def _can_go(self, manifest: ManifestId) -> bool:
        content = self._contents.get(manifest)
        return content is not None and self._offering.can_go(content)

    def _tell(self, left: int, excess: int) -> None:
        """Others are asked again now and then; only when something went, it was not in vain."""
        if not left:
            if excess < self._told_of:
                self.notice = None
            return
        self._told_of = excess
        text = (
            f"{bytes_text(left)} more is kept here than the capacity or the disk has room for, and "
            "no other machine can take it: make room on another machine, add one, or offer more "
            "with 'twofold capacity'"
        )
        if self.notice is None:
            self._events.note("full", text)
        self.notice = NoticeView(when=self.notice.when if self.notice else self._wall(), text=text)


def choose(
    candidates: Iterable[Candidate], excess: int, can_go: Callable[[ManifestId], bool]
) -> tuple[list[ManifestId], int]:
    """Few bytes that bring at least `excess`, and how many are missing when not enough can go.

    What goes already stays chosen while it is needed, so that nothing is moved in vain; then come
    surplus copies, and of each the largest that fit.
    """
    left, stuck = excess, 0
    picked: list[Candidate] = []
    others: list[Candidate] = []
    for each in sorted(candidates, key=lambda c: (c.rank, -c.size, c.manifest)):
        if left <= 0 or stuck >= MOST_STUCK:
            break
        if each.rank and each.size > left:
            others.append(each)
        elif can_go(each.manifest):
            picked.append(each)
            left -= each.size
        else:
            stuck += 1
    others.sort(key=lambda c: (c.size, c.rank, c.manifest))
    for each in others[: MOST_STUCK - stuck]:
        if left <= 0:
            break
        if each.size >= left and can_go(each.manifest):
            picked.append(each)
            left -= each.size
    for each in sorted(picked, key=lambda c: (-c.rank, -c.size, c.manifest)):
        if each.size <= -left:
            picked.remove(each)
            left += each.size
    return [each.manifest for each in picked], max(0, left)


async def _stays(_: ManifestId) -> bool:
    return False
