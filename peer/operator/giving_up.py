"""`drop`: gives up this machine's copy of an entry, once enough others hold it.

As with `leave`, moving and dropping are not done here: an interruption changes nothing of them.
"""

from collections.abc import Callable

import structlog
import trio

from peer.errors import PeerError
from peer.operator.letting_go import LettingGo
from peer.operator.lookup import Lookup
from peer.presence import Presence
from peer.roster_book import RosterBook
from peer.store.contents import Content, Contents
from peer.store.piece_store import PieceStore
from peer.swarm.downloads import Downloads
from peer.swarm.dropping import Dropping
from peer.swarm.handing_on import HandingOn
from peer.swarm.offering import Offering
from peer.words import listed
from protocol.entry import Entry
from protocol.messages.base import Done, Reply
from protocol.messages.operating import NoticeView, Progress
from protocol.messages.standing import Drop, Dropped

log = structlog.get_logger()

LOOK_EVERY = 1.0
SOON = 2
"""Looks after which who does not wait is answered."""


class GivingUp:
    """Answers `Drop`."""

    def __init__(
        self,
        contents: Contents,
        store: PieceStore,
        lookup: Lookup,
        handing_on: HandingOn,
        offering: Offering,
        dropping: Dropping,
        letting_go: LettingGo,
        downloads: Downloads,
        rosters: RosterBook,
        presence: Presence,
    ) -> None:
        self._contents = contents
        self._store = store
        self._lookup = lookup
        self._handing_on = handing_on
        self._offering = offering
        self._dropping = dropping
        self._letting_go = letting_go
        self._downloads = downloads
        self._rosters = rosters
        self._presence = presence

    async def answer(self, request: Drop, tell: Callable[[Progress], None]) -> Reply:
        """Answer when nothing is here any more, or (`cancel`) at once. Raises PeerError.

        Without `wait` after a few looks at the latest.
        """
        entry = await self._lookup.entry(request.entry)
        if request.cancel:
            if not self._handing_on.is_unwanted(entry.manifest):
                raise PeerError(f"{entry.name} was not dropped here")
            await self._handing_on.want(entry.manifest)
            return Done(call=request.call)
        await self._stop_fetching(entry)
        await self._handing_on.give_up(entry.manifest)
        content = self._contents.get(entry.manifest)
        size = content.held_bytes if content else 0
        path = str(content.path) if content and content.path else None
        looks = 0
        while (content := self._contents.get(entry.manifest)) is not None:
            if looks == SOON and not request.wait:
                return Done(call=request.call)
            looks += 1
            if not self._handing_on.is_unwanted(entry.manifest):
                raise PeerError(f"{entry.name} stays: somebody wants it here again")
            await self._go_on(content, request.call, tell)
        return Dropped(call=request.call, id=entry.id.hex(), name=entry.name, size=size, path=path)

    def notices(self) -> list[NoticeView]:
        """What people gave up and is still here."""
        waiting = [
            since
            for manifest, since in self._handing_on.unwanted().items()
            if self._contents.get(manifest) is not None
        ]
        if not waiting:
            return []
        text = (
            f"entries dropped here that others do not hold yet: {len(waiting)}; "
            "'twofold drop ID' tells who is waited for, --cancel keeps it"
        )
        return [NoticeView(when=min(waiting), text=text)]

    async def _stop_fetching(self, entry: Entry) -> None:
        running = self._downloads.find(entry.manifest)
        if running is None:
            return
        if running.purpose == "get":
            raise PeerError(f"{entry.name} is being fetched here: stop that first")
        self._downloads.stop(entry.manifest, "it is not wanted here any more")
        await running.closed.wait()

    async def _go_on(self, content: Content, call: int, tell: Callable[[Progress], None]) -> None:
        """Tell how far it is, and try to drop it when it may go."""
        if content.passing and await self._letting_go.let_go(content.id):
            return
        if not content.bits.count and self._downloads.find(content.id) is None:
            await self._store.release(content)
            return
        found = self._offering.elsewhere(content, trio.current_time())
        enough = found.copies >= found.wanted
        text = f"{found.copies} of {found.wanted} elsewhere, "
        text += self._last_step(content) if enough else self._waiting(found.missing)
        tell(
            Progress(call=call, stage="dropping", done=found.copies, total=found.wanted, text=text)
        )
        if enough or found.partial:
            self._dropping.hasten(content.id)
        await trio.sleep(LOOK_EVERY)

    def _last_step(self, content: Content) -> str:
        if self._letting_go.is_used(content.id):
            return "waiting until nobody reads it here any more"
        return "asking the others to keep theirs"

    def _waiting(self, missing: frozenset[bytes]) -> str:
        """Whom it should go to."""
        names = {peer: self._rosters.name_of(peer) for peer in self._rosters.peers()}
        away = sorted(
            n for p, n in names.items() if p in missing and self._presence.state(p) != "live"
        )
        there = sorted(n for p, n in names.items() if p in missing and n not in away)
        if away:
            return f"waiting for {listed(away)} to be there"
        if there:
            return f"waiting for {listed(there)}"
        return "waiting for another machine that has room"
