"""The other trackers of the swarm, on the same database: what they write comes to this one's peers,
and who is connected to them counts as here.

All news of entries, this tracker's own too, are pushed from the notes in the database: so each peer
hears of changes in the order of their numbers, and can say up to which it knows all.
"""

import contextlib
import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
import trio
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from protocol.ids import PeerId
from tracker import notes, together
from tracker.aside import Aside
from tracker.errors import RequestFailedError
from tracker.looking import Known, Seen, look
from tracker.presence import SILENCE, Addresses
from tracker.swarm import StoredRoster, newest_change
from tracker.together import Running, Whereabouts
from tracker.tracker import Tracker

POLL_EVERY = 1.0
"""Seconds between looks when nothing is heard: not every engine can notify."""
TOGETHER = 0.02
"""Seconds for which news are gathered, to look once for many."""
COMPARE_EVERY = 0.5
"""Seconds between looks at who came and went here: with 10,000 peers one takes a millisecond."""
BEAT_EVERY = 3.0
FORGOTTEN_AFTER = 600.0
"""Seconds without a beat after which a tracker's addresses are listed no more."""
FRESHEN_EVERY = 60.0
_KEPT = 5
"""Times FRESHEN_EVERY for which notes are kept at least."""
_log = structlog.get_logger()


@dataclass
class _Other:
    """A tracker, as seen from here."""

    beat: int
    since: float
    """When it was first seen, or its beat rose."""
    rose: bool = False
    """Whether it ever did: rows of one that died long ago say nothing."""
    moves: int = -1
    peers: dict[PeerId, Addresses] = field(default_factory=dict)

    def lives(self, now: float) -> bool:
        return self.rose and now - self.since <= SILENCE


class Others:
    """Looks, and goes by what it sees. `me` is the id of this run, `before` of the last one here.

    RequestFailedError when the database cannot be reached.
    """

    def __init__(
        self, tracker: Tracker, aside: Aside, me: bytes, before: bytes, addresses: Addresses
    ) -> None:
        self._tracker = tracker
        self._aside = aside
        self._me = me
        self._before = before
        self._addresses = addresses
        self._others: dict[tuple[bytes, int], _Other] = {}
        self._told: dict[PeerId, Addresses] = {}
        self._living: set[tuple[bytes, int]] = set()
        self._beaten = self._compared = -math.inf
        self._woken = trio.Event()
        self._away = False
        self._fresh: deque[int] = deque(maxlen=_KEPT)
        tracker.adopt(tracker.database.write_now(self._enlist))
        # Whoever connects from now on is told what came before by its catching up.
        self._change, self._note = tracker.database.read_now(_newest)
        self._told_change = self._change

    def _enlist(self, connection: Connection) -> StoredRoster | None:
        signing = self._tracker.keys.signing
        return together.enlist(connection, signing, self._me, self._before, self._addresses)

    def wake(self) -> None:
        """There is something to look at: not every engine says so."""
        self._woken.set()

    @property
    def living(self) -> int:
        """How many other trackers live."""
        return len(self._living)

    async def run(self) -> None:
        """Look whenever there is news, and once a second."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_fresh)
            while True:
                await self._wait()
                try:
                    await self.look()
                except (DBAPIError, RequestFailedError) as error:
                    self._lost(error)
                    await trio.sleep(POLL_EVERY)

    async def look(self) -> None:
        """See what is new, and go by it."""
        self._woken = trio.Event()
        self._aside.told = False
        known, key, began = self._known(), self._tracker.keys.public, time.monotonic()
        seen = await trio.to_thread.run_sync(
            self._aside.do,
            lambda connection: look(connection, key, self._me, known),
            abandon_on_cancel=True,
        )
        self._away = False
        if known.beats or known.moved:
            self._beaten = trio.current_time()
            self._note_said(known.moved)
        self._take_news(seen, alone=known.alone)
        if self._aside.listens and not self._aside.told:
            self._tracker.database.notes.heard(seen.note, began)
        self._take_peers(seen)
        await self._mend_list(seen)

    # What this tracker says

    def _known(self) -> Known:
        now = trio.current_time()
        return Known(
            roster=self._tracker.roster.number,
            change=self._change,
            note=self._note,
            moves={each: other.moves for each, other in self._others.items()},
            alone=not self._tracker.sessions,
            beats=now - self._beaten >= BEAT_EVERY,
            moved=self._moved(now),
        )

    def _moved(self, now: float) -> list[Whereabouts]:
        if now - self._compared < COMPARE_EVERY:
            return []
        self._compared = now
        here = self._tracker.presence.here(now)
        moved = [Whereabouts(p, True, a) for p, a in here.items() if self._told.get(p) != a]
        moved += [Whereabouts(p, False, a) for p, a in self._told.items() if p not in here]
        return moved

    def _note_said(self, moved: Sequence[Whereabouts]) -> None:
        for one in moved:
            if one.live:
                self._told[one.peer] = one.addresses
            else:
                self._told.pop(one.peer, None)

    async def _mend_list(self, seen: Seen) -> None:
        """Be listed again if others took this tracker for dead; forget those that are."""
        tracker, now, signing = self._tracker, trio.current_time(), self._tracker.keys.signing
        if not seen.listed:
            _log.warning("this tracker was away for so long that it was listed no more")
            self._told = {}
            await tracker.database.write(self._enlist, then=tracker.adopt)
        dead = {
            key[0]: other.beat
            for key, other in self._others.items()
            if now - other.since > FORGOTTEN_AFTER
        }
        if dead:
            _log.warning("trackers that are away for long are listed no more", trackers=len(dead))
            await tracker.database.write(
                lambda c: together.dismiss(c, signing, dead), then=tracker.adopt
            )

    # What others say

    def _take_news(self, seen: Seen, *, alone: bool) -> None:
        tracker = self._tracker
        tracker.adopt(seen.roster)
        tracker.locating.forget(seen.touched)
        for approval in seen.approvals:
            tracker.push_approval(approval)
        if seen.behind or (alone and tracker.sessions):
            # Of what was noted this look knows nothing, or somebody has come meanwhile.
            _log.info("peers are told page by page what has changed")
            for session in tracker.sessions:
                session.fall_behind(self._told_change)
        for each in seen.entries:
            tracker.push_entry(each.change, each.record, each.holders, restored=each.restored)
        self._change, self._told_change, self._note = seen.change, seen.told, seen.note

    def _take_peers(self, seen: Seen) -> None:
        now = trio.current_time()
        for each in seen.running:
            self._note_beat(each, now)
        for gone in self._others.keys() - {each.key for each in seen.running}:
            del self._others[gone]
        for tracker, moved in seen.moved.items():
            peers = self._others[tracker].peers
            for one in moved:
                if one.live:
                    peers[one.peer] = one.addresses
                else:
                    peers.pop(one.peer, None)
        living = {each for each, other in self._others.items() if other.lives(now)}
        if seen.moved or seen.roster is not None or living != self._living:
            self._living = living
            self._meet(now)

    def _meet(self, now: float) -> None:
        elsewhere: dict[PeerId, Addresses] = {}
        for tracker in self._living:
            elsewhere |= self._others[tracker].peers
        self._tracker.presence.meet(elsewhere, now)
        self._tracker.tell_changes()

    def _note_beat(self, each: Running, now: float) -> None:
        other = self._others.setdefault(each.key, _Other(each.beat, now))
        if each.beat != other.beat:
            other.beat, other.since, other.rose = each.beat, now, True
        other.moves = each.moves

    # Time

    async def _wait(self) -> None:
        """Until there may be news, or a second has passed."""
        await trio.sleep(TOGETHER)
        if self._aside.told:
            return
        with trio.move_on_after(POLL_EVERY):
            async with trio.open_nursery() as nursery:
                readable = self._aside.readable()
                if readable is not None:
                    nursery.start_soon(self._hear, readable)
                await self._woken.wait()
                nursery.cancel_scope.cancel()

    async def _hear(self, readable: int) -> None:
        await trio.lowlevel.wait_readable(readable)
        self.wake()

    async def _keep_fresh(self) -> None:
        """Let old notes go, and be ready for searches without them."""
        while True:
            await trio.sleep(FRESHEN_EVERY)
            await self._tracker.readiness.get_ready()
            self._fresh.append(self._note)
            if len(self._fresh) == _KEPT:
                await self._drop_notes(self._fresh[0])

    async def _drop_notes(self, below: int) -> None:
        with contextlib.suppress(RequestFailedError):
            await self._tracker.database.write(lambda c: notes.drop_notes(c, below))

    def _lost(self, error: Exception) -> None:
        usual = (OperationalError, InterfaceError, RequestFailedError)
        if not isinstance(error, usual) and not self._away:
            _log.error("other trackers are not heard, by a bug", exc_info=error)
        elif not self._away:
            _log.warning("other trackers are not heard now", why=str(error).split("\n", 1)[0])
        self._away = True


def _newest(connection: Connection) -> tuple[int, int]:
    return newest_change(connection), notes.newest_note(connection)
