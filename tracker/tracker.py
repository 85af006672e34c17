"""The running tracker's memory: the newest roster, who is connected, and who must hear what.

Decides and pushes without waiting; the database is told first, so what is said here survives.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import structlog
import trio

from protocol.identity import Identity
from protocol.ids import PeerId
from protocol.messages.base import Message
from protocol.messages.deleting import ApprovalPassedOn
from protocol.messages.shared import Machine, PeerState, RosterDocument
from protocol.messages.tracking import EntryChanged, PeerChanged
from protocol.signing import Signed
from tracker import machines
from tracker.approvals import Decision
from tracker.asked import Asked
from tracker.catalogue import Stored
from tracker.data_dir import SwarmKeys
from tracker.database import Database
from tracker.health import HealthCounter
from tracker.kept_shelf import KeptShelf
from tracker.last_seen import LastSeen
from tracker.limits import Limits
from tracker.locating import Locating
from tracker.machine_list import MachineList
from tracker.metrics import Metrics
from tracker.operating import Outcome
from tracker.presence import Addresses, Presence
from tracker.readiness import Readiness
from tracker.reports import Reports
from tracker.session import Document, Session
from tracker.shelf import Shelf
from tracker.sizes import Sizes
from tracker.swarm import StoredRoster, load_roster
from tracker.telling import FEW, pause_for, portions

TICK = 1.0
_EACH = 4
"""Changes that are told one by one."""
SEARCHES = 2
"""At once: one looks at the shelf, one reads its page. Other readers are for other questions."""
SILENT = 60.0
"""Seconds without a byte after which a connection is cut."""
_LOOK_EVERY = 60.0
"""Seconds between looks for such, of thousands."""
_log = structlog.get_logger()


def wall_clock() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)


class Others(Protocol):
    """Whoever pushes news from the database."""

    @property
    def living(self) -> int:
        """How many other trackers live."""

    def wake(self) -> None:
        """There are some."""

    async def run(self) -> None:
        """Push them for ever."""


class Tracker:
    """What all connections share. Made inside trio; `wall` tells the time of day."""

    def __init__(
        self,
        database: Database,
        keys: SwarmKeys,
        identity: Identity,
        addresses: Addresses,
        wall: Callable[[], int] = wall_clock,
        kept_shelf: KeptShelf | None = None,
    ) -> None:
        self.database = database
        self.keys = keys
        self.identity = identity
        self.addresses = addresses
        self.wall = wall
        self.roster = database.read_now(lambda connection: load_roster(connection, keys.public))
        self.health = HealthCounter(database)
        self.reports = Reports()
        self.asked = Asked()
        self.searching = trio.CapacityLimiter(SEARCHES)
        self.shelf = Shelf(database.notes, kept_shelf)
        self.readiness = Readiness(database, self.shelf, wall)
        self.last_seen = LastSeen(database)
        self.metrics, self.sizes, self.limits = Metrics(), Sizes(database), Limits()
        self.metrics_address = ""
        """Where programs that watch ask, if anywhere."""
        self.others: Others | None = None
        """The other trackers on this database, if there can be any: all news come by them."""
        self.started = trio.current_time()
        self.presence = Presence(self.roster.roster.grace)
        self.locating = Locating(database, self.presence)
        self.sessions: set[Session] = set()
        self.busy: set[Session] = set()
        """Those of which something was being served a moment ago."""
        self._present: dict[PeerId, Session] = {}
        self._received = self._sent = 0
        self._told_at = self._looked_at = -math.inf
        self._told_live: list[bytes] | None = None
        self.machine_list = MachineList(self._list_machines, lambda: pause_for(len(self.sessions)))
        self._emptied = trio.Event()
        for peer, known in database.read_now(machines.load_addresses).items():
            self.presence.expect(peer, known, trio.current_time())

    # Connections

    def enter(self, session: Session) -> None:
        """A connection is open: from now on it hears of new rosters."""
        self.sessions.add(session)

    def leave(self, session: Session) -> None:
        """A connection is over."""
        self.sessions.discard(session)
        self.busy.discard(session)
        self.asked.forget(session)
        if not self.sessions:
            self._emptied.set()
        self._received += session.channel.connection.bytes_in
        self._sent += session.channel.connection.bytes_out
        peer = session.member.peer if session.member else None
        if peer is not None and self._present.get(peer) is session:
            del self._present[peer]
            self.last_seen.note(peer, self._seen(peer) or self.wall())
            self.presence.leave(peer)
            self.tell_changes()

    def arrive(self, session: Session, addresses: Addresses) -> None:
        """A member has presented itself; an older connection of the same one gives way."""
        if session.member is None:
            return
        peer = session.member.peer
        old = self._present.get(peer)
        self._present[peer] = session
        if old is not None and old is not session:
            old.cut("a newer connection of this machine took its place")
        self.presence.arrive(peer, addresses, session.channel)
        self.tell_changes()

    @property
    def everywhere(self) -> Addresses:
        """Where this tracker is, and the others of the swarm."""
        return tuple(dict.fromkeys(self.addresses + self.roster.roster.trackers))

    async def wait_empty(self) -> None:
        """Until no connection is open."""
        while self.sessions:
            self._emptied = trio.Event()
            await self._emptied.wait()

    def bytes_moved(self) -> tuple[int, int]:
        """Bytes received and sent since the start, of those who were let in."""
        open_now = [session.channel.connection for session in self.sessions]
        received = self._received + sum(each.bytes_in for each in open_now)
        return received, self._sent + sum(each.bytes_out for each in open_now)

    # News

    def adopt(self, stored: StoredRoster | None) -> None:
        """Go by a newer roster, and tell everybody; the revoked are cut.

        Who has left is not: it has asked for that, and goes when it has heard the answer.
        """
        if stored is None or stored.number <= self.roster.number:
            return
        self.roster = stored
        self.limits.keep_members(frozenset(member.peer for member in stored.roster.peers()))
        self.presence.grace = stored.roster.grace
        for peer in stored.roster.outside():
            self.presence.forget(peer)
        for member in stored.roster.peers():
            self.presence.expect(member.peer, (), trio.current_time())
        document = roster_document(stored)
        for session in list(self.sessions):
            listed = session.member and stored.roster.find(session.member.peer)
            if listed and listed.state == "revoked":
                session.cut(f"{listed.name} has been revoked", refused=True)
            elif session.role == "member":
                session.push(document)

    def tell_changes(self) -> None:
        """Tell every present peer which others came, went or moved."""
        now = trio.current_time()
        if now < self._told_at + pause_for(len(self._present)):
            return
        self._told_at, self._told_live = now, None
        changes = list(self.presence.changes(now))
        if len(changes) > _EACH:
            for portion in portions(changes):
                for session in self._present.values():
                    session.push(portion)
            return
        for peer, state, addresses in changes:
            news = PeerChanged(peer=peer, state=state, addresses=addresses)
            for other, session in self._present.items():
                if other != peer:
                    session.push(news)

    def who_is_live(self, peer: PeerId) -> list[Message | bytes]:
        """What a peer that came is told of the others; what changed since, all are told."""
        now = trio.current_time()
        if len(self._present) <= FEW:
            return [
                PeerChanged(peer=other, state="live", addresses=known)
                for other, known in self.presence.live(now)
                if other != peer
            ]
        if self._told_live is None:
            self._told_live = list(portions(self.presence.told_live()))
        return list(self._told_live)

    def go_by(self, outcome: Outcome) -> None:
        """Go by what an operator changed, and tell who must know."""
        self.adopt(outcome.roster)
        self.tell_decisions(outcome.decisions)

    def tell_decisions(self, decisions: Iterable[Decision]) -> None:
        """Tell everybody what was decided, and then the holders what comes of it."""
        for decision in decisions:
            if self.others is not None:
                self.others.wake()
                return
            self.push_approval(decision.approval)
            for stored, record in decision.released:
                self.tell_entry(stored, record)

    def tell_entry(self, stored: Stored, record: Signed) -> None:
        """Tell the holders of an entry's content about its new record, or everybody if restored."""
        if stored.change is None:
            return
        if self.others is not None:
            self.others.wake()
            return
        self.push_entry(stored.change, record, stored.holders, restored=stored.restored)

    def push_approval(self, approval: Signed) -> None:
        """Tell those that are here what was decided."""
        news = ApprovalPassedOn(approval=approval)
        for session in self._present.values():
            session.push(news)

    def push_entry(
        self, change: int, record: Signed, holders: Iterable[PeerId], *, restored: bool
    ) -> None:
        """Tell the holders that are here, or all that are, of an entry's new record."""
        news = EntryChanged(change=change, record=record)
        for peer in self._present if restored else holders:
            session = self._present.get(peer)
            if session is not None:
                session.push_change(change, news)

    # Time

    def states(self) -> Mapping[PeerId, PeerState]:
        """How every member is now."""
        return self.presence.states(trio.current_time())

    def seen(self) -> dict[PeerId, int]:
        """When the connected members were last heard, by the time of day."""
        found = ((peer, self._seen(peer)) for peer in self._present)
        return {peer: seen for peer, seen in found if seen is not None}

    async def _list_machines(self) -> tuple[Machine, ...]:
        states, addresses, seen = self.states(), self.presence.addresses(), self.seen()
        return await self.database.read(
            lambda connection: machines.list_machines(connection, states, addresses, seen)
        )

    async def keep_time(self) -> None:
        """Notice silence, and write down from time to time who was seen when."""
        while True:
            await trio.sleep(TICK)
            self.notice_silence()
            due = self.last_seen.is_due(len(self._present))
            await self.last_seen.save(self.seen() if due else {})

    def notice_silence(self) -> None:
        """Compare every connection with the clock."""
        now = trio.current_time()
        # The sessions have this very set.
        self.busy -= {session for session in self.busy if not session.show_life(now)}
        if now >= self._looked_at + min(_LOOK_EVERY, 12 * pause_for(len(self.sessions))):
            self._looked_at = now
            latest = now - SILENT
            for each in [each for each in self.sessions if each.channel.last_received < latest]:
                each.cut("nothing was heard for too long")
        self.tell_changes()

    async def save_everything(self) -> None:
        """Write down who was seen when, before the end."""
        await self.last_seen.save(self.seen())

    def _seen(self, peer: PeerId) -> int | None:
        silence = self.presence.silent_for(peer, trio.current_time())
        return None if silence is None else self.wall() - int(silence * 1000)


def roster_document(stored: StoredRoster) -> Document:
    """A roster as it is sent."""
    header = RosterDocument(length=len(stored.encoded), number=stored.number)
    return Document(header, stored.encoded)
