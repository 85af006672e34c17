"""Turns what happens to machines and copies into events for people.

Counting goes over all that is held here, in portions, and never in the way of anything else.
"""

from collections import deque
from collections.abc import Awaitable, Callable

import msgspec
import structlog
import trio

from peer.catalogue import Catalogue
from peer.database import Database
from peer.errors import PeerError
from peer.events import Events
from peer.presence import Presence
from peer.roster_book import RosterBook
from peer.store.contents import Contents
from peer.swarm.offering import Offering
from peer.swarm.reliance import Members, Reliance
from peer.words import counted, entries_text
from protocol.ids import ManifestId, PeerId
from protocol.messages.health import EntryCounts
from protocol.messages.shared import PeerState

log = structlog.get_logger()

PORTION = 200
"""Contents looked at before others get their turn: about 1 ms."""
LOOK_EVERY = 2.0
LULL = 10.0
"""Seconds in which like things are gathered to one event."""
COUNT_EVERY = 60.0
_FACT = "health"


class _Told(msgspec.Struct, frozen=True):
    """What was counted last, and what people know of it: also of an earlier run."""

    short: int = 0
    away: int = 0
    lost: int = 0
    warned: bool = False
    """Whether a warning stands."""
    short_told: bool = False


class HealthWatch:
    """Watches members, repairs, dropped and healed copies, and how all entries are."""

    def __init__(
        self,
        me: PeerId,
        contents: Contents,
        catalogue: Catalogue,
        rosters: RosterBook,
        presence: Presence,
        offering: Offering,
        events: Events,
        database: Database,
    ) -> None:
        self._me = me
        self._contents = contents
        self._catalogue = catalogue
        self._rosters = rosters
        self._presence = presence
        self._offering = offering
        self._events = events
        self._changes: deque[tuple[PeerId, PeerState]] = deque()
        self._changed = trio.Event()
        self._repairing: dict[PeerId, tuple[int, set[ManifestId]]] = {}
        """What this machine has others copy in place of one that is out; how many it was."""
        self._dropped = 0
        self._healed = 0
        self._database = database
        self._told = _Told()
        self.count: Callable[[], Awaitable[EntryCounts]] = _nothing_known
        """Asks how all entries are. PeerError."""

    def load(self) -> None:
        """Read what an earlier run has told already."""
        query = "SELECT value FROM facts WHERE name = ?"
        row = self._database.connection.execute(query, (_FACT,)).fetchone()
        if row is not None:
            self._told = msgspec.msgpack.decode(row[0], type=_Told)

    def presence_changed(self, peer: PeerId, state: PeerState) -> None:
        """A member is this from now on."""
        self._changes.append((peer, state))
        self._changed.set()

    def dropped(self) -> None:
        """A surplus copy has gone from here."""
        self._dropped += 1

    def healed(self, pieces: int) -> None:
        """Pieces that were bad are here again."""
        self._healed += pieces

    async def run(self) -> None:
        """Watch for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._gather)
            nursery.start_soon(self._count_all)
            while True:
                with trio.move_on_after(LOOK_EVERY if self._repairing else float("inf")):
                    await self._changed.wait()
                self._changed = trio.Event()
                while self._changes:
                    await self._tell(*self._changes.popleft())
                self._look_at_repairs()

    async def _tell(self, peer: PeerId, state: PeerState) -> None:
        name = self._rosters.name_of(peer)
        last = self._events.last_about(peer)
        if state == "live":
            self._repairing.pop(peer, None)
            if last is not None and last.kind in ("left", "out"):
                self._events.note("back", f"{name} is back", peer)
            return
        if state == "gone":
            # So that what must be offered now is known.
            await self._offering.look_at_all(trio.current_time())
        reliance = await self._relying_on(peer)
        if self._presence.state(peer) != state:
            # It has changed again meanwhile; that comes next.
            return
        if state == "gone":
            # After a restart it is found to be out once more.
            if last is None or last.kind != "out":
                text = reliance.out_text(name, waits=self._waits(reliance))
                self._events.note("out", text, peer)
            mine = {each for each in reliance.manifests if self._offering.is_pending(each)}
            if mine:
                self._repairing[peer] = (len(mine), mine)
        elif last is None or last.kind not in ("left", "out"):
            left = self._presence.out_in(peer) or 0.0
            self._events.note("left", reliance.left_text(name, left), peer)

    async def _relying_on(self, peer: PeerId) -> Reliance:
        reliance, gone = Reliance(peer), self._presence.gone()
        live = frozenset(p for p in self._rosters.peers() if self._presence.state(p) == "live")
        members = Members(self._me, self._rosters.ring, live, gone)
        for number, content in enumerate(self._contents.all()):
            if wanted := self._catalogue.copies_wanted(content.id):
                reliance.look_at(content, wanted, members)
            if number % PORTION == PORTION - 1:
                await trio.lowlevel.checkpoint()
        return reliance

    def _waits(self, reliance: Reliance) -> bool:
        """Whether there are too few machines for what is wanted."""
        gone = self._presence.gone()
        there = sum(member.peer not in gone for member in self._rosters.ring.members)
        return all(wanted > there for _, wanted in reliance.copies)

    def _look_at_repairs(self) -> None:
        for peer, (number, pending) in list(self._repairing.items()):
            pending = {each for each in pending if self._offering.is_pending(each)}
            self._repairing[peer] = (number, pending)
            if not pending:
                del self._repairing[peer]
                name = self._rosters.name_of(peer)
                text = f"repaired: what {name} held is copied again, {entries_text(number)}"
                self._events.note("repaired", text)

    async def _gather(self) -> None:
        while True:
            await trio.sleep(LULL)
            dropped, self._dropped = self._dropped, 0
            healed, self._healed = self._healed, 0
            if dropped:
                text = f"dropped {counted(dropped, 'copy', 'copies')} here that others hold"
                self._events.note("dropped", text)
            if healed:
                text = f"healed: {counted(healed, 'damaged piece')} fetched again from others"
                self._events.note("healed", text)

    async def _count_all(self) -> None:
        while True:
            await trio.sleep(COUNT_EVERY)
            try:
                counts = await self.count()
            except PeerError as error:
                log.debug("entries not counted", error=str(error))
                continue
            told = self._compare(self._told, counts)
            if told != self._told:
                self._told = told
                await self._save()

    async def _save(self) -> None:
        value = msgspec.msgpack.encode(self._told)
        try:
            await self._database.run(
                lambda c: c.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (_FACT, value))
            )
        except PeerError as error:
            log.warning("what was told is not written down", error=str(error))

    def _compare(self, before: _Told, now: EntryCounts) -> _Told:
        """Tell what got worse since the last look, and when all is well again."""
        warned = before.warned
        if now.lost > before.lost:
            text = f"lost: {entries_text(now.lost)} that no machine holds in full"
            self._events.note("lost", text)
            warned = True
        if now.away > before.away:
            text = f"lost for now: {entries_text(now.away)} that only machines that are away hold"
            self._events.note("lost", text)
            warned = True
        # What was only just added is short for a moment.
        short = bool(now.short and before.short)
        if short and not before.short_told:
            self._events.note("short", f"{entries_text(now.short)} short of copies")
            warned = True
        if warned and now == EntryCounts(safe=now.safe):
            warned = False
            self._events.note("safe", f"all safe: {entries_text(now.safe)}")
        return _Told(now.short, now.away, now.lost, warned, short)


async def _nothing_known() -> EntryCounts:
    return EntryCounts()
